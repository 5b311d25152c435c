"""The event log and the audit log, newest first; the site's own state."""

import itertools
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from functions.admin import app
from tests.functional.admin.parts import ACT, READ, A, Ask, Site
from tests.support.clock import FakeClock

from geosync.admin import cursors
from geosync.clock import LAST_MOMENT_MS
from geosync.errors import Contended
from geosync.messages.geo_event import GeoEvent
from geosync.notifications.outcomes import Unusable
from geosync.notifications.publish import EventLogWriter
from geosync.sync_registry.site.sites import site_id
from geosync.sync_registry.table.changes import Key, Update

EVENTS, AUDIT = "/api/v4/geo/events", "/api/v4/geo/audit_events"
HOUR = 3_600_000


def log_events(site: Site, *received: int) -> None:
    """Have the primary's own writer log an event for each moment."""
    writer = EventLogWriter(site.dynamodb, "events", retention_days=30)
    for number, moment in enumerate(received):
        event = GeoEvent(
            id=f"event-{number}", site="dublin", event_name="created", repository="group/app", tag=f"v{number}",
            digest=A, media_type=None, occurred_at="2026-11-24T06:00:00.123456789+01:00",
            received_at=moment, source="registry", correlation_id=f"correlation-{number}",
        )  # fmt: skip
        writer.write([event])


def pages(ask: Ask, path: str, per_page: int) -> list[list[dict[str, Any]]]:
    found, cursor = [], None
    while True:
        answer = ask("GET", path, query={"per_page": per_page, **({"cursor": cursor} if cursor else {})})
        assert answer.status == 200, answer.text
        found.append(answer.json["nodes"])
        cursor = answer.json["page_info"]["end_cursor"]
        if cursor is None:
            return found


def test_events_come_newest_first_over_quiet_hours_with_a_bounded_number_of_queries(primary: Site, ask: Ask) -> None:
    now = primary.sync_registry._clock.now_ms()
    log_events(primary, now, now - 1, now - 2, now - 3 * HOUR, now - 100 * HOUR)
    first = ask("GET", EVENTS, query={"per_page": 2})
    assert [node["sender_id"] for node in first.json["nodes"]] == ["event-0", "event-1"]
    node = first.json["nodes"][0]
    assert (node["repository"], node["tag"], node["digest"], node["outcome"]) == ("group/app", "v0", A, "accepted")
    assert node["occurred_at"] == "2026-11-24T05:00:00.123Z", "in UTC, however the registry wrote it"
    everything = pages(ask, EVENTS, 2)
    assert [node["sender_id"] for page in everything for node in page] == [f"event-{number}" for number in range(5)]
    # 720 hours are kept, 48 are looked at for a page.
    assert len(everything) == 1 + 720 // 48 + 1


def test_the_id_of_an_event_is_the_number_that_a_status_means(primary: Site, ask: Ask) -> None:
    now = primary.sync_registry._clock.now_ms()
    log_events(primary, now - 1000, now - 2000)
    newest, older = ask("GET", EVENTS).json["nodes"]
    (status,) = ask("GET", "/api/v4/geo_sites/status").json
    assert newest["id"] == status["last_event_id"] > older["id"]
    assert newest["id"] // 1000 == now - 1000


def test_an_unusable_event_is_shown_with_its_claims(primary: Site, ask: Ask) -> None:
    writer = EventLogWriter(primary.dynamodb, "events", retention_days=30)
    claims = {"repository": "<img src=x>", "tag": "v1"}
    unusable = Unusable(
        id="u",
        received_at=primary.sync_registry._clock.now_ms(),
        source="registry",
        reason="bad_repository",
        claims=claims,
    )
    writer.write([unusable])
    (node,) = ask("GET", EVENTS).json["nodes"]
    assert (node["outcome"], node["reason"], node["repository"]) == ("unusable", "bad_repository", "<img src=x>")


def test_a_page_goes_on_where_dynamodb_cut_an_answer(primary: Site, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    now = primary.sync_registry._clock.now_ms() // HOUR * HOUR + HOUR // 2
    log_events(primary, *(now - number for number in range(5)))
    dynamodb: Any = app.api()._site.events._dynamodb
    query = dynamodb.query
    monkeypatch.setattr(dynamodb, "query", lambda **asked: query(**asked | {"Limit": min(asked["Limit"], 2)}))
    monkeypatch.setattr("geosync.messages.event_log.HOURS", 1)
    monkeypatch.setattr(app.api()._site.events, "retention_ms", 10 * HOUR)
    assert len(ask("GET", EVENTS).json["nodes"]) == 5


def named(primary: Site, repository: str, *received: int, event_name: Any = "created", **more: Any) -> None:
    """Log events of one repository with the primary's own writer."""
    writer = EventLogWriter(primary.dynamodb, "events", retention_days=30)
    for moment in received:
        word = f"{repository}-{moment}-{event_name}"
        event = GeoEvent(
            id=word, site="dublin", event_name=event_name, repository=repository, tag=None if more else "v1",
            digest=None, media_type=None, occurred_at=None, received_at=moment, source="registry",
            correlation_id=word, **more,
        )  # fmt: skip
        writer.write([event])


def test_the_events_of_a_repository_are_all_found_page_by_page_however_many_others_came(
    primary: Site, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geosync.messages.event_log.EXAMINED", 5)
    monkeypatch.setattr(app.api()._site.events, "retention_ms", 70 * HOUR)
    now = primary.sync_registry._clock.now_ms() // HOUR * HOUR + HOUR // 2
    mine = [now - 3, now - 9, now - 10, now - 11, now - 12, now - 13, now - 60 * HOUR]
    named(primary, "group/app", *mine)
    named(primary, "group/app", now - 4, event_name="deleted")
    named(primary, "group/new", now - 5, event_name="updated", renamed_from="group/app")
    named(primary, "group/other", *(now - number for number in (1, 2, 6, 7, 8, 14, 15)))
    dynamodb: Any = app.api()._site.events._dynamodb
    query = dynamodb.query
    read: list[int] = []

    def counted(**asked: Any) -> Any:
        answer = query(**asked)
        read[-1] += answer["ScannedCount"]
        return answer

    monkeypatch.setattr(dynamodb, "query", counted)
    found: list[str] = []
    cursor: str | None = None
    while True:
        read.append(0)
        asked = {"repository": "group/app", "per_page": 2, **({"cursor": cursor} if cursor else {})}
        page = ask("GET", EVENTS, query=asked).json
        assert page["examined"] == read[-1] <= 5
        assert len(page["nodes"]) <= 2
        assert (page["message"] is None) == bool(page["nodes"])
        found += [node["sender_id"] for node in page["nodes"]]
        cursor = page["page_info"]["end_cursor"]
        if cursor is None:
            break
    deleted, renamed = f"group/app-{now - 4}-deleted", f"group/new-{now - 5}-updated"
    assert found == [
        f"group/app-{mine[0]}-created",
        deleted,
        renamed,
        *(f"group/app-{one}-created" for one in mine[1:]),
    ]
    (only,) = ask("GET", EVENTS, query={"repository": "group/app", "event_name": "deleted"}).json["nodes"]
    assert only["sender_id"] == deleted


def test_an_unusable_event_is_found_by_the_repository_that_it_claimed(primary: Site, ask: Ask) -> None:
    writer = EventLogWriter(primary.dynamodb, "events", retention_days=30)
    now = primary.sync_registry._clock.now_ms()
    for name in ("group/app", "group/other"):
        claims = {"repository": name, "tag": "-"}
        writer.write([Unusable(id=name, received_at=now, source="registry", reason="bad_tag", claims=claims)])
    (node,) = ask("GET", EVENTS, query={"repository": "group/app"}).json["nodes"]
    assert (node["sender_id"], node["reason"]) == ("group/app", "bad_tag")


def test_a_repository_that_no_event_names_is_an_empty_list_that_says_so(primary: Site, ask: Ask) -> None:
    log_events(primary, primary.sync_registry._clock.now_ms())
    answer = ask("GET", EVENTS, query={"repository": "group/unknown", "event_name": "deleted"})
    assert (answer.status, answer.json["nodes"]) == (200, [])
    assert answer.message.startswith("no deleted event of group/unknown among the 1 that were read, back to 20")
    app.api()._site.events.retention_ms = HOUR
    assert "in the log of dublin, which goes back to" in ask("GET", EVENTS, query={"repository": "a"}).message


def test_a_secondary_says_where_the_events_are(site: Site, ask: Ask) -> None:
    app.api()._site.events.retention_ms = HOUR
    assert "the log of its primary has the events" in ask("GET", EVENTS).message


@pytest.mark.parametrize("name", ["", "Group/App", "group//app", "<img src=x>", "a" * 256])
def test_an_impossible_repository_name_is_refused(primary: Site, ask: Ask, name: str) -> None:
    answer = ask("GET", EVENTS, query={"repository": name})
    assert (answer.status, answer.message.startswith("repository: ")) == (400, True)


def test_a_cursor_fits_no_other_filter(primary: Site, ask: Ask) -> None:
    now = primary.sync_registry._clock.now_ms()
    named(primary, "group/app", now, now - 1)
    asked = {"repository": "group/app", "per_page": 1}
    cursor = ask("GET", EVENTS, query=asked).json["page_info"]["end_cursor"]
    assert ask("GET", EVENTS, query={**asked, "cursor": cursor}).status == 200
    assert ask("GET", EVENTS, query={**asked, "repository": "group/other", "cursor": cursor}).status == 400
    assert ask("GET", EVENTS, query={"event_name": "pushed"}).status == 400


@pytest.mark.parametrize("path", [EVENTS, AUDIT])
@pytest.mark.parametrize("received_at", [-1, -(10**18), LAST_MOMENT_MS + 1000, 10**30])
def test_a_cursor_of_no_moment_is_refused(primary: Site, ask: Ask, path: str, received_at: int) -> None:
    kind = {EVENTS: "events   ", AUDIT: "events audit#  "}[path]
    cursor = cursors.encode(kind, LAST_MOMENT_MS, "x")
    assert ask("GET", path, query={"cursor": cursor}).status == 200
    answer = ask("GET", path, query={"cursor": cursors.encode(kind, received_at, "x")})
    assert (answer.status, "the cursor is not one of this list" in answer.message) == (400, True), answer.text


def test_the_audit_log_has_every_action_and_no_read(site: Site, ask: Ask) -> None:
    ask("GET", EVENTS)
    ask.act("/api/v4/geo/pause", {"reason": "storage"})
    ask.act("/api/v4/geo/pause", {"unknown": 1})
    ask("POST", "/api/v4/geo/resume", {}, token=READ)
    assert [(item["action"], item["outcome"], item.get("status"), item["who"]) for item in site.audit()] == [
        ("POST /api/v4/geo/pause", "done", "200", "act token"),
        ("POST /api/v4/geo/pause", "failed", "400", "act token"),
        ("POST /api/v4/geo/resume", "refused", "403", "read token"),
    ]
    newest, *_ = ask("GET", AUDIT).json["nodes"]
    assert (newest["outcome"], newest["status"], newest["source"]) == ("refused", 403, "203.0.113.7")
    assert ask("GET", EVENTS).json["nodes"] == []


def test_the_audit_log_says_in_words_what_was_asked_of_which_repository(site: Site, ask: Ask) -> None:
    site.synced("group/app", v1=A)
    path = f"/api/v4/geo/container_repositories/{site.id_of('group/app')}"
    ask.act(f"{path}/resync", {"references": ["v1", "v2"]})
    ask("POST", f"{path}/reverify", {}, token=READ)
    ask("POST", f"{path}/reverify", {}, token=None)
    told = {(one["summary"], one["repository"], one["outcome"]) for one in ask("GET", AUDIT).json["nodes"]}
    assert told == {
        ("Resync v1, v2 of group/app", "group/app", "done"),
        ("Reverify group/app", "group/app", "refused"),
        ("POST", None, "refused"),
    }


def test_of_many_tags_the_audit_log_has_the_first_their_number_and_the_reason(site: Site, ask: Ask) -> None:
    site.synced("group/app", v1=A)
    path = f"/api/v4/geo/container_repositories/{site.id_of('group/app')}"
    tags = [f"release-{number:04}-of-a-branch-with-a-long-name" for number in range(200)]
    ask.act(f"{path}/resync", {"references": tags})
    (entry,) = ask("GET", AUDIT).json["nodes"]
    assert entry["summary"] == f"Resync {', '.join(tags[:5])} and 195 more of group/app"
    assert entry["detail"].startswith('{"references": ["release-0000')


def test_a_name_that_cannot_be_read_keeps_nothing_from_the_audit_log(
    site: Site, ask: Ask, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.synced("group/app", v1=A)
    path = f"/api/v4/geo/container_repositories/{site.id_of('group/app')}/reverify"
    ask("GET", EVENTS)
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "Query")
    read = app.api()._site.sync_registry.listing
    for fault in (denied, EndpointConnectionError(endpoint_url="https://x"), Contended("in use")):
        monkeypatch.setattr(read, "name_of", Mock(side_effect=fault))
        assert ask("POST", path, {}, token=READ).status == 403
        ask.act(path, {})
    told = [(one["summary"].split()[:2], one["repository"], one["outcome"]) for one in ask("GET", AUDIT).json["nodes"]]
    words = ["Reverify", "container"]
    assert sorted(told, key=str) == sorted(3 * [(words, None, "failed"), (words, None, "refused")], key=str)
    assert len([line for line in log() if line["message"] == "audit_without_name"]) == 6


def test_the_audit_log_names_the_site_that_is_no_longer_expected(primary: Site, ask: Ask) -> None:
    url = "https://oregon.example.com/geo"
    ask.act("/api/v4/geo_sites", {"name": "oregon", "url": url, "report_key": "0" * 64})
    assert ask.act(f"/api/v4/geo_sites/{site_id('oregon')}", method="DELETE").status == 200
    told = {one["summary"] for one in ask("GET", AUDIT).json["nodes"]}
    assert told == {f"Expect the site oregon at {url}", "Expect the site oregon no more"}


def test_refusals_of_nobody_known_are_counted_together(site: Site, ask: Ask) -> None:
    app.api()._site.audit._clock = FakeClock(1_700_000_000_000)
    for number, token in itertools.product(range(10), (None, "x" * 48)):
        ask("POST", f"/api/v4/made/up/{number}", {}, token=token)
        ask("POST", "/sign-in", {"token": "wrong"}, token=None)
    (item,) = site.audit()
    assert (item["count"], item["who"], item["outcome"]) == ("40", "nobody known", "refused")


def test_an_action_that_cannot_be_written_down_is_not_taken(site: Site, ask: Ask) -> None:
    ask("GET", EVENTS)
    site.dynamodb.delete_table(TableName="events")
    assert ask.act("/api/v4/geo/pause").status == 503
    assert not site.sync_registry.is_paused()


def test_an_action_whose_end_cannot_be_written_down_is_answered_as_it_ended(site: Site, ask: Ask, log: Any) -> None:
    def fail(params: dict[str, Any], **_: Any) -> None:
        if params["TableName"] == "events":
            raise EndpointConnectionError(endpoint_url="https://dynamodb")

    client = app.api()._site.audit._dynamodb
    client.meta.events.register("provide-client-params.dynamodb.UpdateItem", fail)
    answer = ask.act("/api/v4/geo/pause")
    assert (answer.status, site.sync_registry.is_paused()) == (200, True), answer.text
    assert [item["outcome"] for item in site.audit()] == ["begun"]
    (line,) = [line for line in log() if line["message"] == "audit_without_end"]
    assert line["action"] == "POST /api/v4/geo/pause"


@pytest.mark.parametrize(("path", "token"), [("geo/pause", "x" * 48), ("geo/pause", READ), ("geo/status", READ)])
def test_a_refusal_that_cannot_be_written_down_is_a_refusal(
    primary: Site, ask: Ask, log: Any, path: str, token: str
) -> None:
    ask("GET", EVENTS)
    primary.dynamodb.delete_table(TableName="events")
    body = {"site": "oregon", "sent_at": 1, "status": {}} if path == "geo/status" else {}
    answer = ask("POST", f"/api/v4/{path}", body, token=token)
    assert answer.status == (403 if (path, token) == ("geo/pause", READ) else 401), answer.text
    assert "content-security-policy" in answer.headers
    assert len([line for line in log() if line["message"] == "audit_without_refusal"]) == 1


def test_no_token_is_in_the_audit_log_or_in_a_log_line(site: Site, ask: Ask, log: Any) -> None:
    ask("POST", "/sign-in", {"token": ACT}, token=None)
    ask("POST", "/sign-in", {"token": READ + "x"}, token=None)
    ask.act("/api/v4/geo/pause", {"reason": "storage"})
    everything = str(site.audit()) + str(log())
    assert "admin_action" in everything
    assert READ not in everything
    assert ACT not in everything


# ── the site's own state ──


def test_backfill_says_how_far_it_is(site: Site, ask: Ask) -> None:
    assert ask("GET", "/api/v4/geo/backfill").json["state"] == "not_begun"
    key = Key("#site", "catalogue")
    values: dict[str, Any] = {"started_at": 1_700_000_000_000, "touched_at": 1_700_000_000_000, "repositories": 12}
    site.store.write(Update(key=key, set={**values, "last": "group/app"}))
    running = ask("GET", "/api/v4/geo/backfill").json
    assert (running["state"], running["repositories"], running["last"]) == ("running", 12, "group/app")
    done = {"finished_at": 1_700_000_001_000, "moved_at": 1_700_000_002_000, "settled_at": values["started_at"]}
    site.store.write(Update(key=key, set=done))
    finished = ask("GET", "/api/v4/geo/backfill").json
    assert (finished["state"], finished["listed"], finished["seconds_left"]) == ("finished", True, 0)
    assert finished["finished_at"] == "2023-11-14T22:13:22.000Z"
    site.store.write(Update(key=key, set={"failure": "401"}))
    assert ask("GET", "/api/v4/geo/backfill").json["failure"] == "401"


def test_the_pause_of_a_promotion_is_not_ended_and_not_taken(site: Site, ask: Ask) -> None:
    site.sync_registry.pauses.take("promotion [0123abcd]")
    for path in ("/api/v4/geo/resume", "/api/v4/geo/pause"):
        answer = ask.act(path)
        assert answer.status == 409
        assert "geosync promote, run again, ends it" in answer.message
        assert "geosync resume --abandoned 0123abcd" in answer.message
    pause = site.sync_registry.pauses.read()
    assert pause is not None
    assert pause.reason == "promotion [0123abcd]"


def test_a_repeated_pause_or_resume_changes_nothing(site: Site, ask: Ask) -> None:
    for _ in range(2):
        assert ask.act("/api/v4/geo/pause", {"reason": "storage"}).status == 200
        assert site.sync_registry.is_paused()
    for message in ("berlin goes on", "berlin is not paused"):
        assert message in ask.act("/api/v4/geo/resume").message
        assert not site.sync_registry.is_paused()


@pytest.mark.parametrize("path", ["pause", "resume"])
def test_the_primary_is_not_paused(primary: Site, ask: Ask, path: str) -> None:
    answer = ask.act(f"/api/v4/geo/{path}")
    assert (answer.status, "is the primary" in answer.message) == (409, True)


def test_reverify_sends_what_functions_sync_understands(site: Site, ask: Ask) -> None:
    site.synced("group/app", v1=A)
    path = "/api/v4/geo/container_repositories"
    assert ask.act(f"{path}/{site.id_of('group/app')}/reverify").status == 202
    assert ask.act(f"{path}/reverify", {"scope": "failed"}).status == 202
    one, failed = site.messages("work")
    assert (one["kind"], one["repository"]) == ("verify", "group/app")
    assert (failed["kind"], failed["scope"]) == ("verify", "failed")
