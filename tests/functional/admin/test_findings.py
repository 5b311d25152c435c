"""What is missing at the primary or extra here, over HTTP; the breaker."""

from typing import Any

import pytest
from tests.functional.admin.parts import A, Ask, Site

from geosync.sync_registry import breaker, findings
from geosync.sync_registry.changes import Update
from geosync.sync_registry.findings import Finding

REPOSITORIES, FINDINGS = "/api/v4/geo/container_repositories", "/api/v4/geo/findings"


def found(site: Site, repository: str) -> str:
    """A repository in which a comparison found something; the path of its routes."""
    site.synced(repository, v1=A)
    finding = Finding(
        repository=repository, found_at=1_700_000_000_000, of=3, missing=1, missing_names=("v2",), extra=1,
        extra_names=("mine",),
    )  # fmt: skip
    findings.put(site.store, finding, None)
    return f"{REPOSITORIES}/{site.id_of(repository)}"


def test_findings_come_by_name_page_by_page(site: Site, ask: Ask) -> None:
    for name in ("group/a", "group/b", "other/c"):
        found(site, name)
    first = ask("GET", FINDINGS, query={"per_page": 2}).json
    assert [one["name"] for one in first["nodes"]] == ["group/a", "group/b"]
    assert (first["nodes"][0]["missing"], first["nodes"][0]["extra"]) == (["v2"], ["mine"])
    second = ask("GET", FINDINGS, query={"per_page": 2, "cursor": first["page_info"]["end_cursor"]}).json
    assert [one["name"] for one in second["nodes"]] == ["other/c"]
    assert second["page_info"] == {"has_next_page": False, "end_cursor": None}
    assert [one["name"] for one in ask("GET", FINDINGS, query={"prefix": "other/"}).json["nodes"]] == ["other/c"]


def test_one_repository_s_findings_and_that_there_are_none(site: Site, ask: Ask) -> None:
    assert ask("GET", f"{found(site, 'group/a')}/findings").json["extra"] == ["mine"]
    site.synced("group/clean", v1=A)
    clean = ask("GET", f"{REPOSITORIES}/{site.id_of('group/clean')}/findings").json
    assert (clean["name"], clean["found_at"], clean["missing_count"], clean["extra_count"]) == (
        "group/clean",
        None,
        0,
        0,
    )


@pytest.mark.parametrize("action", ["adopt", "keep"])
def test_tags_are_adopted_or_kept(site: Site, ask: Ask, action: str) -> None:
    path = found(site, "group/a")
    assert ask.act(f"{path}/{action}", {"tags": ["mine"]}).status == 202
    assert ask.act(f"{path}/{action}").status == 202
    some, everything = site.messages("work")
    assert (some["repository"], some["references"], some["if_absent"]) == ("group/a", ["tag#mine"], action)
    assert everything["references"] == ["*"]
    assert ask.act(f"{path}/{action}", {"tags": ["no tag"]}).status == 400
    assert ask.act(f"{REPOSITORIES}/99/{action}").status == 404
    assert site.messages("work") == []


def test_where_nothing_is_removed_nothing_is_adopted(site: Site, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELETES", "keep")
    answer = ask.act(f"{found(site, 'group/a')}/adopt")
    assert (answer.status, "Deletes=keep" in answer.message) == (409, True)
    assert site.messages("work") == []


def test_deletes_that_are_suspended_go_on_when_somebody_says_so(site: Site, ask: Ask) -> None:
    assert ask("GET", "/api/v4/geo/deletes").json == {"suspended": False, "suspended_at": None, "reason": None}
    values: dict[str, Any] = {"suspended_at": 1_700_000_000_000, "reason": "half of group/a is missing"}
    site.store.write(Update(key=breaker.KEY, set=values))
    shown = ask("GET", "/api/v4/geo/deletes").json
    assert (shown["suspended"], shown["reason"]) == (True, "half of group/a is missing")
    for message in ("the next comparison removes", "nothing was suspended"):
        assert message in ask.act("/api/v4/geo/deletes/resume").message
        assert ask("GET", "/api/v4/geo/deletes").json["suspended"] is False


@pytest.mark.parametrize("path", [f"{REPOSITORIES}/1/adopt", f"{REPOSITORIES}/1/keep", "/api/v4/geo/deletes/resume"])
def test_the_primary_deletes_nothing(primary: Site, ask: Ask, path: str) -> None:
    primary.synced("group/a", v1=A)
    assert ask.act(path).status == 409
