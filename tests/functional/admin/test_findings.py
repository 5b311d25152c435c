"""What is missing at the primary or extra here, over HTTP; the breaker."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.functional.admin.parts import READ, A, Ask, Site
from tests.support.noted import note_finding

from geosync.operating import deletions
from geosync.sync_registry.site import breaker
from geosync.sync_registry.site.findings import MOST_NAMES, Finding, names_digest
from geosync.sync_registry.site.findings import key as finding_key
from geosync.sync_registry.table.changes import Delete, Update

REPOSITORIES, FINDINGS = "/api/v4/geo/container_repositories", "/api/v4/geo/findings"


def found(site: Site, repository: str) -> str:
    """A repository in which a comparison found something; the path of its routes."""
    site.synced(repository, v1=A)
    finding = Finding(
        repository=repository, found_at=1_700_000_000_000, of=3, missing=1, missing_names=("v2",), extra=1,
        extra_names=("mine",),
    )  # fmt: skip
    note_finding(site.store, finding, None)
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


def test_findings_can_be_asked_for_by_what_they_are(site: Site, ask: Ask) -> None:
    only_missing = Finding(repository="group/b", found_at=1, of=2, missing=2, missing_names=("v1", "v2"), gone=True)
    only_extra = Finding(repository="group/c", found_at=1, extra=1, extra_names=("mine",))
    path = found(site, "group/a")
    only_outside = Finding(repository="group/d", found_at=1, outside=1, outside_names=("dev",))
    for one in (only_missing, only_extra, only_outside):
        site.synced(one.repository, v1=A)
        note_finding(site.store, one, None)

    def names(**query: str) -> list[str]:
        return [one["name"] for one in ask("GET", FINDINGS, query=query).json["nodes"]]

    assert names() == ["group/a", "group/b", "group/c", "group/d"]
    assert names(kind="missing") == ["group/a", "group/b"]
    assert names(kind="outside") == ["group/d"]
    assert names(kind="extra") == ["group/a", "group/c"]
    assert names(kind="extra", prefix="group/b") == []
    assert ask("GET", FINDINGS, query={"kind": "both"}).status == 400
    nodes = ask("GET", FINDINGS).json["nodes"]
    assert (nodes[3]["outside"], nodes[3]["outside_count"], nodes[3]["missing_count"]) == (["dev"], 1, 0)
    assert [one["id"] for one in nodes] == [site.id_of(one["name"]) for one in nodes]
    assert path.endswith(f"/{nodes[0]['id']}")


def test_a_page_ends_after_so_many_that_do_not_fit_and_the_next_goes_on(
    site: Site, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletions, "EXAMINED", 3)
    for number in range(5):
        note_finding(site.store, Finding(repository=f"a/{number}", found_at=1, extra=1, extra_names=("mine",)), None)
    note_finding(site.store, Finding(repository="b", found_at=1, of=1, missing=1, missing_names=("v1",)), None)
    first = ask("GET", FINDINGS, query={"kind": "missing"}).json
    assert (first["nodes"], first["page_info"]["has_next_page"]) == ([], True)
    cursor = first["page_info"]["end_cursor"]
    second = ask("GET", FINDINGS, query={"kind": "missing", "cursor": cursor}).json
    assert [(one["name"], one["id"]) for one in second["nodes"]] == [("b", None)]
    assert second["page_info"]["has_next_page"] is False


def test_an_answered_finding_is_hidden_until_the_next_comparison(site: Site, ask: Ask) -> None:
    path = found(site, "group/a")
    assert ask.act(f"{path}/adopt", {"tags": ["mine", "not-found"]}).status == 202
    shown = ask("GET", f"{path}/findings").json
    assert (shown["missing"], shown["missing_count"], shown["extra"], shown["extra_count"]) == (["v2"], 1, [], 0)
    assert ask("GET", FINDINGS, query={"kind": "extra"}).json["nodes"] == []
    assert ask.act(f"{path}/keep", {"tags": ["v2"]}).status == 202
    assert ask("GET", FINDINGS).json["nodes"] == []

    before = site.sync_registry.findings.get("group/a")
    assert before is not None
    assert (before.missing, before.extra) == (1, 1), "what the breaker counts stays as the comparison left it"
    note_finding(site.store, replace(before, spoken_of=(), found_at=before.found_at + 1), before)
    (again,) = ask("GET", FINDINGS).json["nodes"]
    assert (again["missing"], again["extra"]) == (["v2"], ["mine"])


def test_a_repository_shows_its_findings_or_none(site: Site, ask: Ask) -> None:
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
    assert "mine" in ask.act(f"{path}/{action}", {"tags": ["mine"]}).message
    assert ask.act(f"{path}/{action}").status == 202
    many = ask.act(f"{path}/{action}", {"tags": [f"t{number}" for number in range(7)]}).message
    assert "t0, t1, t2, t3, t4 and 2 more of group/a" in many
    some, everything, _ = site.messages("work")
    assert (some["repository"], some["references"], some["if_absent"]) == ("group/a", ["tag#mine"], action)
    assert everything["references"] == ["*"]
    assert ask.act(f"{path}/{action}", {"tags": ["no tag"]}).status == 400
    assert ask.act(f"{REPOSITORIES}/99/{action}").status == 404
    assert site.messages("work") == []


def test_where_nothing_is_removed_nothing_is_adopted(site: Site, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELETES", "keep")
    assert ask("GET", "/api/v4/geo/deletes").json["policy"] == "keep"
    answer = ask.act(f"{found(site, 'group/a')}/adopt")
    assert (answer.status, "Deletes=keep" in answer.message) == (409, True)
    assert site.messages("work") == []


def test_deletes_that_are_suspended_go_on_when_somebody_says_so(site: Site, ask: Ask) -> None:
    assert ask("GET", "/api/v4/geo/deletes").json == {
        "policy": "propagate", "outside_selection": "keep", "suspended": False, "suspended_at": None, "reason": None,
        "doubted_at": None, "doubt": None
    }  # fmt: skip
    site.store.write(Update(key=breaker.KEY, set={"doubted_at": 1_700_000_000_000, "doubt": "all of group/a"}))
    shown = ask("GET", "/api/v4/geo/deletes").json
    assert (shown["suspended"], shown["doubt"], shown["doubted_at"][:4]) == (False, "all of group/a", "2023")
    assert ask.act("/api/v4/geo/deletes/resume").status == 200
    assert ask("GET", "/api/v4/geo/deletes").json["doubt"] is None
    values: dict[str, Any] = {"suspended_at": 1_700_000_000_000, "reason": "half of group/a is missing"}
    site.store.write(Update(key=breaker.KEY, set=values))
    shown = ask("GET", "/api/v4/geo/deletes").json
    assert (shown["suspended"], shown["reason"]) == (True, "half of group/a is missing")
    (own,) = ask("GET", "/api/v4/geo_sites").json
    status = ask("GET", f"/api/v4/geo_sites/{own['id']}/status").json
    assert status["deletes_suspended_since"] == shown["suspended_at"] == "2023-11-14T22:13:20.000Z"
    assert status["deletes_suspended_because"] == "half of group/a is missing"
    for message in ("the next comparison removes", "nothing was suspended"):
        assert message in ask.act("/api/v4/geo/deletes/resume").message
        assert ask("GET", "/api/v4/geo/deletes").json["suspended"] is False


def test_a_dismissed_finding_is_hidden_until_it_changes(site: Site, ask: Ask) -> None:
    path = found(site, "group/a")
    (seen,) = ask("GET", FINDINGS).json["nodes"]
    assert (seen["dismissed_at"], seen["dismissed_by"], seen["dismissed_because"]) == (None, None, None)
    asked = {"reason": "kept on purpose", "found_at": seen["found_at"]}
    assert ask.act(f"{path}/dismiss", asked, token=READ).status == 403
    assert ask.act(f"{path}/dismiss", asked).status == 200
    assert json.dumps(asked) in [entry["detail"] for entry in site.audit()]
    assert ask("GET", FINDINGS).json["nodes"] == []
    assert ask("GET", FINDINGS, query={"kind": "extra"}).json["nodes"] == []
    (listed,) = ask("GET", FINDINGS, query={"dismissed": "true"}).json["nodes"]
    assert (listed["dismissed_by"], listed["dismissed_because"]) == ("act token", "kept on purpose")
    assert ask("GET", f"{path}/findings").json == listed
    assert site.messages("work") == [], "nothing becomes of the tags"

    before = site.sync_registry.findings.get("group/a")
    assert before is not None
    told = replace(before, dismissed=None)
    note_finding(site.store, replace(told, found_at=told.found_at + 1), before)
    note_finding(site.store, replace(told, found_at=told.found_at + 2, of=4), before)
    assert ask("GET", FINDINGS).json["nodes"] == [], "the same was found, whenever and among however many tags"
    again = site.sync_registry.findings.get("group/a")
    assert again is not None
    assert again.of == 4
    more = replace(told, found_at=told.found_at + 3, extra=2, extra_names=("mine", "yours"))
    note_finding(site.store, more, again)
    (shown,) = ask("GET", FINDINGS).json["nodes"]
    assert (shown["extra_count"], shown["dismissed_at"]) == (2, None)


def test_a_dismissal_covers_the_finding_as_shown_and_can_be_undone(site: Site, ask: Ask) -> None:
    path = found(site, "group/a")
    before = site.sync_registry.findings.get("group/a")
    assert before is not None
    seen = ask("GET", f"{path}/findings").json["found_at"]
    note_finding(site.store, replace(before, found_at=before.found_at + 1, missing=0, missing_names=()), before)
    refused = ask.act(f"{path}/dismiss", {"reason": "old news", "found_at": seen})
    assert (refused.status, "something else meanwhile" in refused.message) == (409, True)
    assert ask.act(f"{path}/undismiss").status == 409
    assert ask.act(f"{path}/dismiss", {"reason": " "}).status == 400
    assert ask.act(f"{path}/dismiss", {"reason": "whatever it is"}).status == 200
    assert ask("GET", FINDINGS).json["nodes"] == []
    assert ask.act(f"{path}/undismiss").status == 200
    (shown,) = ask("GET", FINDINGS).json["nodes"]
    assert shown["dismissed_at"] is None
    site.synced("group/clean", v1=A)
    clean = f"{REPOSITORIES}/{site.id_of('group/clean')}"
    assert ask.act(f"{clean}/dismiss", {"reason": "nothing"}).status == 409


def test_a_tag_that_was_kept_and_is_missing_again_shows_a_dismissed_finding_again(site: Site, ask: Ask) -> None:
    path = found(site, "group/a")
    assert ask.act(f"{path}/keep", {"tags": ["v2"]}).status == 202
    assert ask.act(f"{path}/dismiss", {"reason": "the extra one is mine"}).status == 200
    before = site.sync_registry.findings.get("group/a")
    assert before is not None
    again = replace(before, dismissed=None, spoken_of=(), found_at=before.found_at + 1)
    note_finding(site.store, again, before)
    (shown,) = ask("GET", FINDINGS).json["nodes"]
    assert (shown["missing"], shown["dismissed_at"]) == (["v2"], None)


@pytest.mark.parametrize("path", [f"{REPOSITORIES}/1/adopt", f"{REPOSITORIES}/1/keep", "/api/v4/geo/deletes/resume"])
def test_the_primary_deletes_nothing(primary: Site, ask: Ask, path: str) -> None:
    primary.synced("group/a", v1=A)
    assert ask.act(path).status == 409


def test_another_name_beyond_those_that_are_kept_shows_a_dismissed_finding_again(site: Site, ask: Ask) -> None:
    names = tuple(f"tag-{number:03}" for number in range(MOST_NAMES))
    site.synced("group/many", v1=A)

    def many(found_at: int, *, last: str, digests: bool = True) -> Finding:
        all_names = (*names, last)
        return Finding(
            repository="group/many", found_at=found_at, of=3, extra=len(all_names), extra_names=names,
            digests=(names_digest(()), names_digest(all_names), names_digest(())) if digests else (),
        )  # fmt: skip

    def is_dismissed_after(before: Finding, found: Finding) -> bool:
        site.store.write(Delete(key=finding_key("group/many")))
        note_finding(site.store, before, None)
        path = f"{REPOSITORIES}/{site.id_of('group/many')}"
        assert ask.act(f"{path}/dismiss", {"reason": "kept on purpose"}).status == 200
        noted = site.sync_registry.findings.get("group/many")
        assert noted is not None
        note_finding(site.store, found, noted)
        after = site.sync_registry.findings.get("group/many")
        assert after is not None
        return after.dismissed is not None

    assert is_dismissed_after(many(1, last="yours"), many(2, last="yours"))
    assert not is_dismissed_after(many(1, last="yours"), many(2, last="z-other"))
    assert not is_dismissed_after(many(1, last="yours", digests=False), many(2, last="yours")), "nobody knows"
