"""The list of rows, one row, its tags; resync of one, of all, of all that failed."""

import json
from typing import Any

import pytest
from tests.functional.admin.parts import ENVIRONMENT, READ, ROOT, A, Ask, B, Calls, Site

from geosync.comparing import catalogue
from geosync.operating import repositories
from geosync.sync_registry.items import ROW, Reference
from geosync.sync_registry.site import catalogue as catalogue_item
from geosync.sync_registry.table.changes import Key, Update
from geosync.sync_registry.transitions.marks import Mark

ALL = "/api/v4/geo/container_repositories"


def names(answer: Any) -> list[str]:
    assert answer.status == 200, answer.text
    return [node["name"] for node in answer.json["nodes"]]


def walk(ask: Ask, **query: Any) -> list[list[str]]:
    """All pages, by names."""
    pages, cursor = [], None
    while True:
        answer = ask("GET", ALL, query={**query, **({"cursor": cursor} if cursor else {})})
        pages.append(names(answer))
        info = answer.json["page_info"]
        assert info["has_next_page"] is (info["end_cursor"] is not None)
        cursor = info["end_cursor"]
        if cursor is None:
            return pages


def test_the_sample_request_is_answered(site: Site, ask: Ask) -> None:
    site.failed("group/app", "v1")
    site.synced("group/other", v1=A)
    request = json.loads((ROOT / "events" / "functions" / "admin-repositories.json").read_text())
    sent = request["headers"] | {"Authorization": f"Bearer {READ}"}
    answer = ask(request["httpMethod"], request["path"], headers=sent, query=request["queryStringParameters"])
    assert names(answer) == ["group/app"]


def test_rows_come_by_name_page_by_page_for_two_requests_a_page(site: Site, ask: Ask, calls: Calls) -> None:
    for number in range(7):
        site.synced(f"group/app{number}", v1=A)
    calls.made()
    pages = walk(ask, per_page=3)
    assert pages == [
        ["group/app0", "group/app1", "group/app2"],
        ["group/app3", "group/app4", "group/app5"],
        ["group/app6"],
    ]
    assert calls.made() == {"Query": 3, "BatchGetItem": 3}


def test_a_row_has_the_fields_of_the_console(site: Site, ask: Ask) -> None:
    site.synced("group/app", v1=A)
    (row,) = ask("GET", ALL).json["nodes"]
    assert (row["id"], row["container_repository_id"], row["model_record_id"]) == (1, 1, 1)
    assert (row["name"], row["state"], row["verification_state"]) == ("group/app", "synced", "pending")
    assert row["last_synced_at"].endswith("Z")
    assert row["retry_count"] == 0
    assert row["last_sync_failure"] is None


def test_names_can_be_asked_for_whole_or_by_their_beginning(site: Site, ask: Ask) -> None:
    for name in ("group/app", "group/app2", "other/app"):
        site.synced(name, v1=A)
    assert names(ask("GET", ALL, query={"prefix": "group/"})) == ["group/app", "group/app2"]
    assert names(ask("GET", ALL, query={"name": "group/app"})) == ["group/app"]
    assert names(ask("GET", ALL, query={"name": "group/nothing"})) == []
    assert walk(ask, prefix="group/", per_page=1) == [["group/app"], ["group/app2"]]


def test_names_can_be_searched_for_by_any_part(
    site: Site, ask: Ask, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("group/app", "group/tool", "other/app-tool", "other/zebra"):
        site.synced(name, v1=A)
    site.failed("other/broken-app", "v1")
    assert names(ask("GET", ALL, query={"search": "APP"})) == ["group/app", "other/app-tool", "other/broken-app"]
    assert walk(ask, search="app", per_page=1) == [["group/app"], ["other/app-tool"], ["other/broken-app"]]
    assert names(ask("GET", ALL, query={"search": "app", "state": "failed"})) == ["other/broken-app"]
    assert names(ask("GET", ALL, query={"search": "app", "prefix": "other/app"})) == ["other/app-tool"]
    assert names(ask("GET", ALL, query={"search": "tool", "name": "group/app"})) == []
    calls.made()
    monkeypatch.setattr(repositories, "SEARCHED", 2)
    assert walk(ask, search="zebra") == [[], [], ["other/zebra"]], "a page of a search has a bound, and goes on"
    assert calls.made() == {"Query": 3, "BatchGetItem": 1}


def test_repositories_with_a_parked_reference_can_be_asked_for(site: Site, ask: Ask) -> None:
    site.synced("group/app", v1=A)
    site.failed("group/waits", "v1")
    for name in ("group/parked", "other/parked"):
        site.failed(name, "v1", "v2", parked=True)
    assert walk(ask, parked="true", per_page=1) == [["group/parked"], ["other/parked"]]
    assert names(ask("GET", ALL, query={"parked": "true", "search": "other"})) == ["other/parked"]
    assert names(ask("GET", ALL, query={"parked": "true", "name": "group/waits"})) == []
    assert names(ask("GET", ALL, query={"parked": "true", "name": "group/parked"})) == ["group/parked"]


def test_unsynced_repositories_are_found_by_what_is_owed_without_reading_synced_rows(
    site: Site, ask: Ask, calls: Calls
) -> None:
    for number in range(9):
        site.synced(f"synced/app{number}", v1=A)
    site.failed("z/broken", "v1")
    site.failed("a/broken", "v1", parked=True)
    site.sync_registry.mark("m/pending", Reference.tag("v1"))
    site.sync_registry.knock("m/pending", take=False)
    calls.made()
    answer = ask("GET", ALL, query={"state": "failed", "per_page": 1})
    assert names(answer) == ["a/broken"]
    assert answer.json["examined"] == 1
    assert calls.made() == {"Query": 16, "BatchGetItem": 1}
    assert walk(ask, state="failed", per_page=1) == [["a/broken"], ["z/broken"]]
    assert walk(ask, state="pending") == [["m/pending"]]
    synced = [name for page in walk(ask, state="synced", per_page=4) for name in page]
    assert synced == sorted(f"synced/app{number}" for number in range(9))


def test_a_page_without_matches_has_a_cursor_from_which_the_next_goes_on(
    site: Site, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repositories, "EXAMINED", 5)
    monkeypatch.setattr(repositories, "BACKLOG", 0)  # too much is owed to find the rows by it
    for number in range(12):
        site.synced(f"group/app{number:02}", v1=A)
    site.failed("group/app11", "v1")
    first = ask("GET", ALL, query={"state": "failed"})
    assert names(first) == []
    assert first.json["examined"] == 5
    assert walk(ask, state="failed") == [[], [], ["group/app11"]]


def test_an_unreadable_row_is_reported_and_spoils_no_page(site: Site, ask: Ask) -> None:
    site.synced("group/app", v1=A)
    site.synced("group/broken", v1=A)
    site.store.write(Update(key=Key("group/broken", ROW), set={"state": "9"}))
    answer = ask("GET", ALL)
    assert names(answer) == ["group/app"]
    assert "group/broken" in answer.json["unreadable"][0]
    shown = ask("GET", f"{ALL}/{site.id_of('group/app') + 1}")
    assert shown.status == 500
    assert "group/broken" in shown.message


def test_one_row_says_what_is_owed_in_its_repository(site: Site, ask: Ask) -> None:
    site.synced("group/app", v1=A)
    site.failed("group/app", "v2", "v3")
    shown = ask("GET", f"{ALL}/{site.id_of('group/app')}").json
    assert (shown["state"], shown["owed_count"], shown["failed_count"], shown["more_owed"]) == ("failed", 2, 2, False)
    assert [owed["reference"] for owed in shown["owed"]] == ["v2", "v3"]
    assert shown["owed"][0]["failure"] == "registry:5000: GET /v2/: 500"
    assert shown["owed"][0]["attempts"] == 1
    assert shown["held"] is False


def test_tags_stand_side_by_side_with_what_each_side_has(site: Site, ask: Ask, calls: Calls) -> None:
    site.synced("group/app", old=A, same=A, gone=A)
    site.failed("group/app", "old", "new")
    site.store.write(Update(key=Key("group/app", "tag#gone"), set={"missing_since": 1_700_000_000_002}))
    calls.made()
    path = f"{ALL}/{site.id_of('group/app')}/tags"
    answer = ask("GET", path)
    tags = {tag["name"]: tag for tag in answer.json["nodes"]}
    assert {name: (tag["state"], tag["primary_digest"], tag["secondary_digest"]) for name, tag in tags.items()} == {
        "gone": ("synced", None, A),
        "new": ("failed", B, None),
        "old": ("failed", B, A),
        "same": ("synced", A, A),
    }
    assert {tag["total_size"] for tag in tags.values()} == {None}, "never 0"
    site.store.write(Update(key=Key("group/app", "tag#same"), set={"size_bytes": 12, "sized": A}))
    sized = {tag["name"]: tag["total_size"] for tag in ask("GET", path).json["nodes"]}
    assert sized == {"gone": 12, "new": None, "old": 12, "same": 12}, "of what is here, by its digest"
    (first,) = ask("GET", path, query={"per_page": "1"}).json["nodes"]
    assert (first["name"], first["total_size"]) == ("gone", None), "the answer does not have the tag that lends it"
    assert tags["same"]["looked_at"] == "2023-11-14T22:13:20.000Z"
    assert (tags["same"]["missing_since"], tags["gone"]["missing_since"]) == (None, "2023-11-14T22:13:20.002Z")
    pages, cursor = [], None
    while True:
        query = {"per_page": 2, **({"cursor": cursor} if cursor else {})}
        answer = ask("GET", f"{ALL}/{site.id_of('group/app')}/tags", query=query)
        pages.append([tag["name"] for tag in answer.json["nodes"]])
        cursor = answer.json["page_info"]["end_cursor"]
        if cursor is None:
            break
    assert pages == [["gone", "new"], ["old", "same"]]


def test_tags_are_counted_as_they_are_listed_and_up_to_a_bound(
    site: Site, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.synced("group/app", old=A, same=A)
    site.failed("group/app", "old", "new")
    site.sync_registry.mark("group/app", Reference.digest(A))
    path = f"{ALL}/{site.id_of('group/app')}"

    def counted() -> tuple[int, bool]:
        shown = ask("GET", path).json
        return shown["tags_count"], shown["more_tags"]

    assert counted() == (3, False)
    assert len(ask("GET", f"{path}/tags").json["nodes"]) == 3
    monkeypatch.setattr(repositories, "TAGS_COUNTED", 1)
    assert counted() == (2, True), "one that was seen, and the one of which it is known that it is owed"


def test_the_size_of_a_repository_is_that_of_its_images_each_once_and_not_known_where_one_is_not(
    site: Site, ask: Ask, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.synced("group/app", v1=A, latest=A, v2=B)
    path = f"{ALL}/{site.id_of('group/app')}"
    calls.made()

    def shown() -> tuple[int | None, int | None, int | None, str | None]:
        row = ask("GET", path).json
        return row["total_size"], row["measured_total_size"], row["measured_tags_count"], row["measured_at"]

    assert shown() == (None, None, None, None), "never 0"
    before = calls.made()
    site.store.write(Update(key=Key("group/app", "tag#v1"), set={"size_bytes": 1_000, "sized": A}))
    assert shown()[0] is None, "that of v2 is not known"
    site.store.write(Update(key=Key("group/app", "tag#v2"), set={"size_bytes": 30, "sized": B}))
    calls.made()
    assert shown()[0] == 1_030
    assert calls.made() == before, "and for no further request"
    site.measured("group/app", tags=2, size_bytes=1_000)
    assert shown() == (1_030, 1_000, 2, "2023-11-14T22:13:20.000Z"), "what is here now, and what was verified"
    (listed,) = ask("GET", ALL).json["nodes"]
    assert (listed["measured_total_size"], listed["measured_tags_count"]) == (1_000, 2)
    site.store.write(Update(key=Key("group/app", "tag#v2"), set={"sized": 7}))
    assert shown()[0] is None, "nor of an item that cannot be read"
    monkeypatch.setattr(repositories, "TAGS_COUNTED", 2)
    site.store.write(Update(key=Key("group/app", "tag#v2"), set={"sized": B}))
    assert shown()[0] is None, "nor where not all tags were read"
    site.synced("group/empty")
    assert ask("GET", f"{ALL}/{site.id_of('group/empty')}").json["total_size"] == 0


def test_resync_of_one_repository_and_of_some_of_its_references(site: Site, ask: Ask) -> None:
    site.synced("group/app", v1=A)
    path = f"{ALL}/{site.id_of('group/app')}/resync"
    answer = ask.act(path)
    assert (answer.status, answer.message) == (202, "Registry entry of group/app enqueued to be resynced")
    assert ask.act(path, {"references": ["v1", A]}).status == 202
    whole, some = site.messages("work")
    assert (whole["repository"], whole["reason"], whole["references"]) == ("group/app", "resync", ["*"])
    assert some["references"] == ["tag#v1", f"digest#{A}"]


def test_resync_of_all_begins_a_walk_and_does_not_begin_a_second_one(site: Site, ask: Ask) -> None:
    assert ask.act(f"{ALL}/resync", {"scope": "all"}).status == 202
    assert [message["kind"] for message in site.messages("work")] == ["catalogue"]
    asked = catalogue_item.CatalogueItem(site.store).latest()
    assert catalogue.is_due(asked, now_ms=0, every_s=0), "should the site be paused, the next minute begins it"
    now = site.sync_registry._clock.now_ms()
    running = {"started_at": now, "touched_at": now, "repositories": 7}
    site.store.write(Update(key=Key("#site", "catalogue"), set=running, remove=("asked_for",)))
    answer = ask.act(f"{ALL}/resync", {"scope": "all"})
    assert "under way" in answer.message
    assert answer.json["count"] == 7
    assert site.messages("work") == []


def test_resync_of_all_failed_marks_anew_what_failed_and_leaves_the_rest(site: Site, ask: Ask) -> None:
    site.failed("group/parked", "v1", parked=True)
    site.failed("group/failed", "v1", "v2")
    site.sync_registry.mark("group/pending", Reference.tag("v1"), Mark(expects=A))
    (before,) = site.sync_registry.owed("group/pending")
    answer = ask.act(f"{ALL}/resync", {"scope": "failed"})
    assert (answer.status, answer.json["count"], answer.json["more"]) == (202, 3, False)
    for repository in ("group/parked", "group/failed"):
        for owed in site.sync_registry.owed(repository):
            assert (owed.failure, owed.parked, owed.attempts) == (None, False, 0)
            assert owed.expects == {B}
    assert site.sync_registry.owed("group/pending") == [before]
    # Two operators at once: the second finds nothing more to do.
    assert ask.act(f"{ALL}/resync", {"scope": "failed"}).json["count"] == 0


@pytest.mark.parametrize(
    ("path", "query", "status", "word"),
    [
        (ALL, {"state": "broken"}, 400, "state"),
        (ALL, {"verification_state": "9"}, 400, "verification_state"),
        (ALL, {"per_page": "0"}, 400, "per_page"),
        (ALL, {"per_page": "101"}, 400, "per_page"),
        (ALL, {"per_page": "many"}, 400, "per_page"),
        (ALL, {"cursor": "nonsense"}, 400, "cursor"),
        (ALL, {"name": "../Etc"}, 400, "name"),
        (f"{ALL}/99", {}, 404, "99"),
        (f"{ALL}/99/tags", {}, 404, "99"),
        (f"{ALL}/0", {}, 400, "number"),
        (f"{ALL}/app", {}, 400, "number"),
        ("/api/v4/nothing", {}, 404, "openapi.json"),
    ],
)
def test_a_missing_repository_or_a_malformed_request_is_named(
    site: Site, ask: Ask, path: str, query: dict[str, str], status: int, word: str
) -> None:
    answer = ask("GET", path, query=query)
    assert answer.status == status, answer.text
    assert word in answer.message


def test_a_cursor_of_another_list_is_refused(site: Site, ask: Ask) -> None:
    for number in range(3):
        site.synced(f"group/app{number}", v1=A)
    cursor = ask("GET", ALL, query={"per_page": 1}).json["page_info"]["end_cursor"]
    assert ask("GET", ALL, query={"per_page": 1, "prefix": "group/", "cursor": cursor}).status == 400
    assert ask("GET", f"{ALL}/1/tags", query={"cursor": cursor}).status == 400


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("1/resync", {"references": ["no tag"]}, "references"),
        ("1/resync", {"references": ["x"] * 501}, "references"),
        ("1/resync", {"everything": True}, "everything"),
        ("resync", {"scope": "some"}, "scope"),
        ("resync", {}, "scope"),
    ],
)
def test_an_action_that_is_not_understood_does_nothing(
    site: Site, ask: Ask, path: str, body: dict[str, Any], word: str
) -> None:
    site.synced("group/app", v1=A)
    answer = ask.act(f"{ALL}/{path}", body)
    assert answer.status == 400, answer.text
    assert word in answer.message
    assert site.messages("work") == []


@pytest.mark.parametrize(("path", "body"), [("1/resync", {}), ("resync", {"scope": "all"})])
def test_the_primary_resyncs_nothing(primary: Site, ask: Ask, path: str, body: dict[str, Any]) -> None:
    primary.synced("group/app", v1=A)
    answer = ask.act(f"{ALL}/{path}", body)
    assert answer.status == 409
    assert "dublin is the primary" in answer.message
    assert primary.messages("work") == []


def test_a_name_that_looks_like_a_page_is_data(site: Site, ask: Ask) -> None:
    # Not a repository's name by any grammar: an item that somebody wrote by hand.
    hostile = "<script>alert(1)</script>"
    site.synced(hostile, v1=A)
    answer = ask("GET", ALL)
    assert names(answer) == [hostile]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert ENVIRONMENT["SITE_NAME"] not in answer.text
