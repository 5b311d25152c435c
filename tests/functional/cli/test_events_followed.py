"""`geosync events --follow`: new events below the first ones, and nothing else."""

from __future__ import annotations

import json
import re
from typing import Any

import boto3
import pytest
from tests.functional.cli.conftest import REGION, PlayedClock, Site
from tests.functional.cli.test_following import leave_after

from geosync.cli import events
from geosync.clock import SYSTEM_CLOCK
from geosync.messages.event_log import AUDIT, EventLog, Filter, hour_of


def put(site: Site, name: str, *, ago_ms: int = 0, outcome: str = "accepted", kind: str = "") -> None:
    at_ms = SYSTEM_CLOCK.now_ms() - ago_ms
    words = {"id": name, "hour": kind + hour_of(at_ms), "repository": "group/app", "outcome": outcome}
    item: dict[str, Any] = {key: {"S": word} for key, word in words.items()}
    item["received_at"] = {"N": str(at_ms)}
    boto3.client("dynamodb", region_name=REGION).put_item(TableName=site.outputs["EventsTable"], Item=item)


def followed(site: Site, *options: str) -> list[tuple[str, str]]:
    """The id and the outcome of each line."""
    answer = site.run("events", "--follow", "-o", "json", *options)
    found = [json.loads(line) for line in answer.stdout.splitlines()]
    return [(one.get("sender_id") or one["id"], one["outcome"]) for one in found]


def test_what_is_older_than_the_first_look_s_entries_does_not_come_below_them(
    secondary: Site, clock: PlayedClock
) -> None:
    for number in range(6):
        put(secondary, f"old-{number}", ago_ms=6000 - number * 1000)
    leave_after(clock, lambda: put(secondary, "new"), lambda: None, lambda: None)
    assert [name for name, _ in followed(secondary, "--limit", "2")] == ["old-4", "old-5", "new"]


def test_an_action_that_ends_is_written_again_however_long_it_took(secondary: Site, clock: PlayedClock) -> None:
    put(secondary, "audit#promote", ago_ms=300_000, outcome="begun", kind=AUDIT)
    put(secondary, "audit#pause", ago_ms=1000, outcome="done", kind=AUDIT)
    ended = {":done": {"S": "done"}}
    end: dict[str, Any] = {
        "Key": {"id": {"S": "audit#promote"}},
        "UpdateExpression": "SET outcome = :done",
        "ExpressionAttributeValues": ended,
    }
    dynamodb = boto3.client("dynamodb", region_name=REGION)
    table = secondary.outputs["EventsTable"]
    leave_after(clock, lambda: None, lambda: dynamodb.update_item(TableName=table, **end), lambda: None)
    found = followed(secondary, "--audit")
    assert found == [("audit#promote", "begun"), ("audit#pause", "done"), ("audit#promote", "done")]


def test_a_look_reads_what_came_since_the_last_one(
    secondary: Site, clock: PlayedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Filter, int]] = []
    page = EventLog.page

    def note(log: EventLog, **options: Any) -> Any:
        found = page(log, **options)
        asked.append((options["wanted"], found.examined))
        return found

    monkeypatch.setattr(EventLog, "page", note)
    for number in range(5):
        put(secondary, f"old-{number}", ago_ms=60_000 + number)
    put(secondary, "e1", ago_ms=2000)
    leave_after(clock, lambda: None)
    assert [name for name, _ in followed(secondary)][-1] == "e1"
    assert [examined for _, examined in asked][-1] == 1


def test_more_than_a_look_reads_is_said(secondary: Site, clock: PlayedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST_NEW", 2)

    def many() -> None:
        for number in range(3):
            put(secondary, f"new-{number}")

    leave_after(clock, many)
    answer = secondary.run("events", "--follow")
    assert "More than 2 entries came" in answer.stderr


def test_a_line_that_stays_has_the_moment_and_not_an_age(secondary: Site, clock: PlayedClock) -> None:
    put(secondary, "old", ago_ms=60_000)
    leave_after(clock, lambda: put(secondary, "new"), lambda: None, lambda: None)
    titles, *lines = secondary.run("events", "--follow").stdout.splitlines()
    assert titles.startswith("time\t")
    assert [bool(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\t", line)) for line in lines] == [True, True]
    assert secondary.run("events").stdout.startswith("ago\t")
