"""An event log with hourly shards: every event once, newest first, also with cursors from before the shards."""

from __future__ import annotations

from typing import Any

import pytest
from functions.admin import app
from tests.functional.admin.parts import EVENTS_TABLE, ROOT, A, Ask, Site

from geosync.messages import event_log
from geosync.messages.event_log import Before, EventLog, Filter, hour_of, partition, shard_of
from geosync.messages.geo_event import GeoEvent
from geosync.notifications.publish import EventLogWriter

HOUR = 3_600_000
SHARDS = 4
EVENTS = "/api/v4/geo/events"


def write(site: Site, moments: dict[str, int], *, shards: int, repository: str = "group/app") -> None:
    """Have the primary's own writer log events by id."""
    events = [
        GeoEvent(
            id=word, site="dublin", event_name="created", repository=repository, tag="v1", digest=A, media_type=None,
            occurred_at=None, received_at=moment, source="distribution", correlation_id=word,
        )
        for word, moment in moments.items()
    ]  # fmt: skip
    for start in range(0, len(events), 25):
        EventLogWriter(site.dynamodb, EVENTS_TABLE, retention_days=30, shards=shards).write(events[start : start + 25])


def read(log: EventLog, *, now: int, limit: int, before: Before | None = None, **more: Any) -> list[tuple[int, str]]:
    """The events of all pages from a place on."""
    found: list[tuple[int, str]] = []
    while True:
        page = log.page(now_ms=now, limit=limit, before=before, **more)
        assert len(page.entries) <= limit
        found += [(entry["received_at"], entry["id"]) for entry in page.entries]
        if page.following is None:
            return found
        # As a cursor brings it.
        before = Before.at(page.following.received_at, page.following.mark)


@pytest.fixture
def now(primary: Site) -> int:
    return primary.sync_registry._clock.now_ms() // HOUR * HOUR + HOUR // 2


@pytest.fixture
def log(primary: Site) -> EventLog:
    return kept(primary, SHARDS)


def kept(site: Site, shards: int) -> EventLog:
    """The log of a day, so that few hours are read."""
    return EventLog(site.dynamodb, EVENTS_TABLE, retention_days=1, shards=shards)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_every_event_comes_once_and_newest_first_also_of_one_moment(
    primary: Site, log: EventLog, now: int, limit: int
) -> None:
    # One notification brings many events of one moment.
    moments = {f"event-{number}": now - number // 5 for number in range(20)} | {"older": now - 3 * HOUR}
    write(primary, moments, shards=SHARDS)
    found = read(log, now=now, limit=limit)
    assert sorted(word for _, word in found) == sorted(moments)
    assert [moment for moment, _ in found] == sorted(moments.values(), reverse=True)


def test_an_event_that_is_sent_again_is_in_the_same_shard_and_the_first_has_the_old_name() -> None:
    words = [f"event-{number}" for number in range(200)]
    assert {shard_of(word, SHARDS) for word in words} == set(range(SHARDS))
    assert [shard_of(word, SHARDS) for word in words] == [shard_of(word, SHARDS) for word in words]
    assert {shard_of(word, 1) for word in words} == {0}
    assert partition(hour_of(0), 0) == hour_of(0) == "1970-01-01T00"
    assert len({partition(hour_of(0), shard) for shard in range(SHARDS)}) == SHARDS


def test_a_page_that_began_without_shards_goes_on_with_them(primary: Site, log: EventLog, now: int) -> None:
    before = {f"before-{number}": now - 10 - number // 3 for number in range(9)}
    write(primary, before, shards=1)
    first = kept(primary, 1).page(now_ms=now, limit=4)
    assert first.following is not None
    assert first.following.mark == first.following.id, "the cursors of today"
    write(primary, {f"after-{number}": now - number for number in range(5)}, shards=SHARDS)
    rest = read(log, now=now, limit=2, before=first.following)
    assert sorted([entry["id"] for entry in first.entries] + [word for _, word in rest]) == sorted(before)
    assert len(read(log, now=now, limit=3)) == len(before) + 5


def test_a_filtered_page_finds_its_events_in_every_shard(
    primary: Site, log: EventLog, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_log, "EXAMINED", 8)
    mine = {f"mine-{number}": now - 7 * number for number in range(6)}
    write(primary, mine, shards=SHARDS, repository="group/mine")
    write(primary, {f"other-{number}": now - number for number in range(40)}, shards=SHARDS)
    found = read(log, now=now, limit=4, wanted=Filter(repository="group/mine"))
    assert [word for _, word in found] == list(mine)


def test_the_newest_event_is_found_in_whichever_shard_it_is(primary: Site, log: EventLog, now: int) -> None:
    for number in range(2 * SHARDS):
        write(primary, {f"event-{number}": now + number}, shards=SHARDS)
        last = log.last(now_ms=now + 100)
        assert last is not None
        assert last.id == f"event-{number}"


def test_the_pages_of_the_admin_api_bring_them_all(
    primary: Site, ask: Ask, now: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENT_LOG_SHARDS", str(SHARDS))
    monkeypatch.setenv("EVENT_RETENTION_DAYS", "1")
    app.api.cache_clear()
    moments = {f"event-{number}": now - HOUR - number // 4 for number in range(11)}
    write(primary, moments, shards=SHARDS)
    found, cursor = [], None
    while True:
        answer = ask("GET", EVENTS, query={"per_page": 3, **({"cursor": cursor} if cursor else {})})
        assert answer.status == 200, answer.text
        found += [node["sender_id"] for node in answer.json["nodes"]]
        cursor = answer.json["page_info"]["end_cursor"]
        if cursor is None:
            break
    assert sorted(found) == sorted(moments)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("shards", [1, SHARDS])
def test_a_quiet_page_costs_a_query_for_each_hour_and_shard(
    primary: Site, now: int, monkeypatch: pytest.MonkeyPatch, shards: int
) -> None:
    asked: list[dict[str, Any]] = []
    query = primary.dynamodb.query

    def counted(**given: Any) -> Any:
        asked.append(given)
        return query(**given)

    monkeypatch.setattr(primary.dynamodb, "query", counted)
    quiet = EventLog(primary.dynamodb, EVENTS_TABLE, retention_days=30, shards=shards)
    assert quiet.page(now_ms=now, limit=20).following is not None
    assert len(asked) == event_log.HOURS * shards
    said = f"with {'one' if shards == 1 else 'four'}, at most {len(asked)}"
    assert said in (ROOT / "docs" / "costs.md").read_text().replace("\n", " ")


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("repository", ["", "group/app"])
def test_only_events_since_the_given_moment_are_read(
    primary: Site, log: EventLog, now: int, limit: int, repository: str
) -> None:
    moments = {f"event-{number}": now - number // 3 for number in range(20)}
    write(primary, moments, shards=SHARDS)
    since_ms = now - 3
    found = read(log, now=now, limit=limit, wanted=Filter(repository=repository, since_ms=since_ms))
    assert sorted(word for _, word in found) == sorted(word for word, at in moments.items() if at >= since_ms)
