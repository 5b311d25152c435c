"""A secondary's report to its primary's admin API: what is sent, and that nothing here depends on it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.functional.reconcile.parts import REPORT_TOKEN, Endpoint, Site, minute

from geosync.admin.resources.sites import GeoSiteStatus

Log = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def primary(site: Site, aws: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """The primary's admin API, as far as it takes reports."""
    with Endpoint() as one:
        one.status = 202
        aws.setenv("PRIMARY_ADMIN_URL", f"{one.url}/geo/")
        yield one


def test_a_secondary_reports_what_the_primary_can_show(site: Site, primary: Endpoint) -> None:
    site.owe("group/app")
    assert minute()["report"] == "done"
    ((headers, body),) = primary.posted
    assert headers["Authorization"] == f"Bearer {REPORT_TOKEN}"
    assert body["site"] == "berlin"
    shown = GeoSiteStatus.model_validate({**body["status"], "geo_node_id": 2})
    assert (shown.healthy, shown.primary, shown.owed_references_count) == (True, False, 1)
    assert shown.events_waiting_count == 0


def test_a_report_brings_the_rows_page_after_page(
    site: Site, primary: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geosync.operating.rows_report.MOST_ROWS", 2)
    for number in range(3):
        site.registry.knock(f"group/app-{number}", take=False)
    for _ in range(3):
        assert minute()["report"] == "done"
    pages = [body["status"]["rows_page"] for _, body in primary.posted]
    assert [[row[0] for row in page["rows"]] for page in pages] == [
        ["group/app-0", "group/app-1"],
        ["group/app-2"],
        ["group/app-0", "group/app-1"],
    ]
    primary.status = 500
    minute()
    primary.status = 202
    minute()
    pages = [body["status"]["rows_page"] for _, body in primary.posted]
    assert pages[-1]["after"] == pages[-2]["after"] == "group/app-1", "a page that was not taken is sent again"


@pytest.mark.parametrize("status", [200, 302, 401, 404, 500])
def test_a_report_that_is_not_taken_is_told_of_without_the_token(
    site: Site, primary: Endpoint, log: Log, status: int
) -> None:
    primary.status = status
    site.owe("group/app")
    done = minute()
    assert done.pop("report") == "ReportFailed"
    assert set(done.values()) == {"done"}
    assert site.woken() == ["group/app"]
    assert len(primary.posted) == 1
    (line,) = [line for line in log() if line["message"] == "report_failed"]
    assert ("geosync sites add" in line["reason"]) is (status == 401)
    assert REPORT_TOKEN not in str(log())


def test_a_primary_that_is_gone_harms_nothing(site: Site, aws: pytest.MonkeyPatch) -> None:
    aws.setenv("PRIMARY_ADMIN_URL", "http://127.0.0.1:1/geo")
    site.owe("group/app")
    done = minute()
    assert done.pop("report") == "ReportFailed"
    assert set(done.values()) == {"done"}
    assert site.woken() == ["group/app"]


def test_nobody_is_told_where_nobody_is_named_nor_by_a_primary(
    site: Site, endpoint: Endpoint, aws: pytest.MonkeyPatch
) -> None:
    assert "report" not in minute()
    aws.setenv("SITE_ROLE", "primary")
    aws.setenv("PRIMARY_ADMIN_URL", endpoint.url)
    assert "report" not in minute()
