"""A secondary's report to its primary's admin API: what is sent, and that nothing here depends on it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.functional.reconcile.parts import REPORT_TOKEN, Endpoint, Site, minute

from geosync.admin.resources.sites import GeoSiteStatus
from geosync.clock import SYSTEM_CLOCK
from geosync.messages.event_number import event_number

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
    assert (shown.primary, shown.owed_references_count, shown.events_waiting_count) == (False, 1, 0)
    assert "no heartbeat of the primary has arrived yet" in shown.health_reasons


def test_a_primary_of_the_version_before_reads_a_report(site: Site, primary: Endpoint) -> None:
    """It knows two states of health, and texts as ids of events."""
    now = SYSTEM_CLOCK.now_ms()
    site.sync_registry.heartbeat.record(site="dublin", sent_at=now, arrived_at=now)
    site.sync_registry.cursor.record(event_id="e1", received_at=now)
    minute()
    ((_, body),) = primary.posted
    status = body["status"]
    assert (status["health_status"], status["healthy"]) == ("Unhealthy", False)
    assert status["cursor_last_event_id"] == status["last_event_id"] == str(event_number("e1", now))
    shown = GeoSiteStatus.model_validate({**status, "geo_node_id": 2})
    assert shown.health_status == "Degraded"  # the recovery point is not known
    assert shown.cursor_last_event_id == event_number("e1", now)


OTHERS = [
    {"name": "dublin", "url": None, "primary": True, "status": {"healthy": True}},
    {"name": "oregon", "url": "https://oregon.example.com/geo", "primary": False, "status": {}},
]


def test_what_the_primary_tells_of_the_other_sites_is_kept(site: Site, primary: Endpoint) -> None:
    primary.answer = {"message": "taken", "sites": OTHERS}
    assert minute()["report"] == "done"
    told = site.sync_registry.told.read()
    assert [(one.name, one.url, one.primary) for one in told.sites] == [
        ("dublin", f"{primary.url}/geo/", True),  # where this site reports, whatever it says
        ("oregon", "https://oregon.example.com/geo", False),
    ]
    assert told.sites[0].status == {"healthy": True}
    assert SYSTEM_CLOCK.now_ms() - told.at < 60_000
    primary.answer = {"message": "taken"}  # a primary of the version before
    assert minute()["report"] == "done"
    assert site.sync_registry.told.read() == told
    assert site.sync_registry.told.forget("oregon")
    assert [one.name for one in site.sync_registry.told.read().sites] == ["dublin"]


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {"sites": 1},
        {"sites": [1, {}, {"name": "No Site"}, {"name": "a" * 40}]},
        {"sites": [{"name": "oregon", "url": "javascript:alert(1)", "primary": "yes", "status": "well"}]},
        {"sites": [{"name": "oregon", "status": {"text": "x" * 1_100_000}}]},
    ],
    ids=["no object", "no list", "no sites", "no address", "too long"],
)
def test_an_answer_that_cannot_be_is_not_kept(site: Site, primary: Endpoint, answer: Any) -> None:
    primary.answer = answer
    assert minute()["report"] == "done"
    assert [one for one in site.sync_registry.told.read().sites if one.url or one.primary or one.status] == []


def test_statuses_that_are_too_long_together_are_left_out(site: Site, primary: Endpoint) -> None:
    primary.answer = {"sites": [{"name": f"site{number}", "status": {"text": "x" * 9_000}} for number in range(40)]}
    assert minute()["report"] == "done"
    told = site.sync_registry.told.read()
    assert (len(told.sites), {len(one.status) for one in told.sites}) == (40, {0})


def test_a_report_brings_the_rows_page_after_page(
    site: Site, primary: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geosync.operating.rows_report.MOST_ROWS", 2)
    for number in range(3):
        site.sync_registry.knock(f"group/app-{number}", take=False)
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


def test_a_site_without_a_primarys_url_and_a_primary_send_no_report(
    site: Site, endpoint: Endpoint, aws: pytest.MonkeyPatch
) -> None:
    assert "report" not in minute()
    aws.setenv("SITE_ROLE", "primary")
    aws.setenv("PRIMARY_ADMIN_URL", endpoint.url)
    assert "report" not in minute()
