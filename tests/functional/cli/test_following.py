"""Commands that go on: status --watch, events --follow, logs, and --wait of resync and reverify."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from tests.functional.cli.conftest import REGION, PlayedClock, Site
from tests.functional.cli.test_look import A, event_log, failed, synced

from geosync.cli import logs, registries
from geosync.cli.site import StackSite as DeployedSite
from geosync.cli.status import command
from geosync.cli.status import look as status_look
from geosync.clock import SYSTEM_CLOCK
from geosync.errors import AdminApiUnavailable
from geosync.messages.work import WorkMessage
from geosync.sync_registry.items import Reference, Seen
from geosync.sync_registry.site import catalogue
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key, Update

__all__ = ["event_log"]


def leave_after(clock: PlayedClock, *steps: Callable[[], object]) -> None:
    """Set what happens in the pauses between looks; the last pause ends with Ctrl-C."""
    left = list(steps)

    def meanwhile() -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop(0)()

    clock.meanwhile = meanwhile


# ── status --watch ──


def test_a_status_that_is_watched_is_written_again_when_something_changed(secondary: Site, clock: PlayedClock) -> None:
    secondary.well()
    leave_after(clock, lambda: None, lambda: secondary.sync_registry.mark("group/app", Reference.tag("v1")))
    answer = secondary.run("status", "--watch", "-o", "json")
    documents = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [one["owed_references_count"] for one in documents] == [0, 1]
    assert answer.exit_code == 1


def test_a_look_that_fails_is_said_and_made_again(
    secondary: Site, clock: PlayedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    secondary.well()
    answers: list[Any] = [AdminApiUnavailable("no answer"), None]
    look = status_look.look_at

    def sometimes(site: Any) -> Any:
        error = answers.pop(0) if answers else None
        if error is not None:
            raise error
        return look(site)

    monkeypatch.setattr(command, "look_at", sometimes)
    leave_after(clock, lambda: None)
    answer = secondary.run("status", "--watch")
    assert (answer.exit_code, "cannot be read, trying again: no answer" in answer.stderr) == (0, True)
    assert answer.stdout.startswith("site\tfrankfurt")


# ── events --follow ──


def test_events_that_come_are_written_below_the_first_ones_each_once(
    secondary: Site, clock: PlayedClock, event_log: Any
) -> None:
    def put(name: str) -> None:
        event_log(id=name, event_name="created", repository="group/app", tag=name, outcome="accepted")

    put("e1")
    leave_after(clock, lambda: put("e2"), lambda: None)
    answer = secondary.run("events", "--hours", "1", "--follow", "-o", "json")
    assert [json.loads(line)["sender_id"] for line in answer.stdout.splitlines()] == ["e1", "e2"]
    leave_after(clock)
    table = secondary.run("events", "--hours", "1", "--follow")
    assert [line.split("\t")[-1] for line in table.stdout.splitlines()] == ["id", "e1", "e2"]


# ── logs ──


@pytest.fixture
def log(secondary: Site) -> Callable[..., None]:
    client = boto3.client("logs", region_name=REGION)
    secondary.outputs["SyncFunction"] = "sync"
    client.create_log_group(logGroupName="/aws/lambda/sync")
    client.create_log_stream(logGroupName="/aws/lambda/sync", logStreamName="one")

    def put(message: str, **more: str) -> None:
        text = json.dumps({"level": "INFO", "message": message, "location": "x:1", **more})
        event: Any = {"timestamp": SYSTEM_CLOCK.now_ms(), "message": text}
        client.put_log_events(logGroupName="/aws/lambda/sync", logStreamName="one", logEvents=[event])

    return put


def test_the_logs_of_a_repository_or_of_one_push(secondary: Site, log: Callable[..., None]) -> None:
    log("copied", repository="group/app", correlation_id="c1", tag="v1")
    log("copied", repository="group/app2", correlation_id="c2", text="group/app c1")
    log("discharged", repository="group/app", correlation_id="c3")

    def messages(*options: str) -> list[tuple[str, str]]:
        found = json.loads(secondary.run("logs", "-o", "json", *options).stdout)
        return [(line["message"], line["correlation_id"]) for line in found]

    assert messages("--repository", "group/app") == [("copied", "c1"), ("discharged", "c3")]
    assert messages("--correlation-id", "c1") == [("copied", "c1")]
    assert messages("--limit", "1") == [("discharged", "c3")]
    assert messages("--function", "reconcile") == []
    shown = secondary.run("logs", "--correlation-id", "c1").stdout.splitlines()[1].split("\t")
    assert shown[1:] == ["sync", "INFO", "copied", "repository=group/app correlation_id=c1 tag=v1"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", shown[0])
    nothing = secondary.run("logs", "--repository", "group/none")
    assert (nothing.exit_code, "logged no such line" in nothing.stdout) == (0, True)
    assert secondary.run("logs", "--correlation-id", 'a" b').exit_code == 2


def test_logs_that_come_are_written_each_once(secondary: Site, log: Callable[..., None], clock: PlayedClock) -> None:
    log("one")
    leave_after(clock, lambda: log("two"), lambda: None)
    answer = secondary.run("logs", "--function", "sync", "--follow", "-o", "name")
    assert answer.stdout.split() == ["one", "two"]


@pytest.mark.parametrize(("command", "asks"), [("events", "dynamodb"), ("logs", "logs")])
def test_who_leaves_during_the_first_look_ends_it_as_later(
    secondary: Site, monkeypatch: pytest.MonkeyPatch, command: str, asks: str
) -> None:
    make_client = DeployedSite.client

    def client(site: DeployedSite, service: str, region: str | None = None) -> Any:
        if service == asks:
            raise KeyboardInterrupt
        return make_client(site, service, region)

    monkeypatch.setattr(DeployedSite, "client", client)
    assert [secondary.run(command, *follow).exit_code for follow in (["--follow"], [])] == [0, 1]


@pytest.fixture
def short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look reads one answer of three events."""
    monkeypatch.setattr(logs, "PAGES", 1)
    client = DeployedSite.client

    def small(site: DeployedSite, service: Any, region: str | None = None) -> Any:
        found = client(site, service, region)
        if service != "logs":
            return found
        asked = partial(found.filter_log_events, limit=3)
        return SimpleNamespace(filter_log_events=asked)

    monkeypatch.setattr(DeployedSite, "client", small)


def test_lines_that_a_look_does_not_come_to_are_not_said_to_be_none(
    secondary: Site, log: Callable[..., None], short_looks: None
) -> None:
    for number in range(5):
        log(f"line-{number}")
    part = secondary.run("logs", "--function", "sync", "-o", "name")
    assert part.stdout.split() == ["line-0", "line-1", "line-2"]
    assert "functions/sync logged more than one look reads: this is a part up to 2" in part.stderr
    nothing = secondary.run("logs", "--function", "sync", "--repository", "group/app")
    assert "logged no such line" in nothing.stdout, "all was read"


def test_a_part_without_lines_does_not_say_that_there_are_none(
    secondary: Site, log: Callable[..., None], short_looks: None
) -> None:
    for number in range(5):
        log(f"line-{number}", text="group/app", repository="group/other")
    answer = secondary.run("logs", "--function", "sync", "--repository", "group/app")
    assert ("logged no such line" in answer.stdout, "in what was read" in answer.stdout) == (False, True)


def test_a_follower_comes_to_every_line(
    secondary: Site, log: Callable[..., None], short_looks: None, clock: PlayedClock
) -> None:
    for number in range(7):
        log(f"line-{number}")
    leave_after(clock, lambda: None, lambda: None, lambda: log("line-7"), lambda: None, lambda: None)
    answer = secondary.run("logs", "--function", "sync", "--follow", "-o", "name")
    assert answer.stdout.split() == [f"line-{number}" for number in range(8)]


def test_a_follower_gets_no_line_that_was_older_than_the_newest_asked_for(
    secondary: Site, log: Callable[..., None], clock: PlayedClock
) -> None:
    for number in range(4):
        log(f"line-{number}")
    leave_after(clock, lambda: log("new"), lambda: None)
    answer = secondary.run("logs", "--function", "sync", "--follow", "--limit", "2", "-o", "name")
    assert answer.stdout.split() == ["line-2", "line-3", "new"]


# ── resync and reverify, until it is done ──


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "primary_knows", lambda *_: True)


def settle(sync_registry: SyncRegistry, repository: str) -> None:
    """See what is owed in a repository equal."""
    lease = sync_registry.knock(repository)
    assert lease is not None
    for owed in sync_registry.owed(repository):
        assert sync_registry.discharge(lease, owed, Seen(digest=A, looked_at=1, seen_at=1))
    assert sync_registry.finish(lease)


def test_a_resync_waits_until_nothing_of_it_is_owed(secondary: Site, clock: PlayedClock, known: None) -> None:
    synced(secondary, "group/app")
    leave_after(clock, lambda: None, lambda: settle(secondary.sync_registry, "group/app"))
    answer = secondary.run("resync", "group/app", "v1", "--wait", "-o", "json")
    document = json.loads(answer.stdout)
    assert (answer.exit_code, document["done"], document["left"], len(clock.slept)) == (0, True, 0, 2)
    (wake,) = secondary.bodies("WorkQueueUrl")
    assert wake == json.loads(WorkMessage(repository="group/app", reason="resync").to_json())


def test_a_resync_that_is_not_done_in_time_or_is_parked_ends_with_1(
    secondary: Site, clock: PlayedClock, known: None
) -> None:
    synced(secondary, "group/app")
    late = secondary.run("resync", "group/app", "v1", "--wait", "--timeout", "5s")
    assert (late.exit_code, "Not done after 5 s: 1 reference is owed" in late.stdout) == (1, True)

    def park() -> None:
        (owed,) = secondary.sync_registry.owed("group/app")
        secondary.sync_registry.fail(owed, "schema 1 is refused", parked=True)

    leave_after(clock, park)
    parked = secondary.run("resync", "group/app", "v1", "--wait")
    assert (parked.exit_code, "failed: group/app:v1: schema 1 is refused" in parked.stderr) == (1, True)


def test_a_resync_of_all_that_failed_marks_it_anew_and_waits_for_it(secondary: Site, clock: PlayedClock) -> None:
    for name in ("group/a", "group/b"):
        failed(secondary, name, "503")

    def settled() -> None:
        for name in ("group/a", "group/b"):
            settle(secondary.sync_registry, name)

    leave_after(clock, settled)
    answer = secondary.run("resync", "--failed", "--wait")
    assert (answer.exit_code, "2 failed references are enqueued" in answer.stdout) == (0, True), answer.output
    (entry,) = secondary.audit()
    assert (entry["action"], entry["detail"]) == ("geosync resync", "--failed")


def test_a_resync_of_everything_asks_for_a_comparison_and_waits_for_it(secondary: Site, clock: PlayedClock) -> None:
    secondary.well()
    asked = secondary.run("resync", "--all", "--wait", "--timeout", "4s")
    assert (asked.exit_code, "another comparison was requested" in asked.stdout) == (1, True)
    assert len(secondary.bodies("WorkQueueUrl")) == 1

    def compared() -> None:
        secondary.sync_registry._store.write(Update(key=catalogue.KEY, remove=("asked_for",)))
        secondary.well()

    leave_after(clock, compared)
    assert secondary.run("resync", "--all", "--wait", "--timeout", "4s").exit_code == 0


@pytest.mark.parametrize(
    "line",
    ["resync", "resync --all --failed", "resync group/app --all", "resync --all --keep", "reverify --all --failed"],
)
def test_conflicting_or_missing_targets_are_refused_and_nothing_is_sent(secondary: Site, line: str) -> None:
    assert secondary.run(*line.split()).exit_code == 2
    assert secondary.bodies("WorkQueueUrl") == []


def verified(site: Site, repository: str, at_ms: int) -> None:
    change = Update(key=Key(repository, "row"), set={"verified_at": at_ms, "verification_state": "2"})
    site.sync_registry._store.write(change)


def test_a_reverify_waits_until_each_was_verified_since(secondary: Site, clock: PlayedClock) -> None:
    for name in ("group/a", "group/b"):
        synced(secondary, name)
        verified(secondary, name, SYSTEM_CLOCK.now_ms() - 60_000)
    later_ms = SYSTEM_CLOCK.now_ms() + 30_000
    leave_after(
        clock, lambda: verified(secondary, "group/a", later_ms), lambda: verified(secondary, "group/b", later_ms)
    )
    answer = secondary.run("reverify", "--all", "--wait", "-o", "json")
    assert (answer.exit_code, json.loads(answer.stdout)["done"], len(clock.slept)) == (0, True, 2), answer.output
    (message,) = secondary.bodies("WorkQueueUrl")
    assert message["scope"] == "all"
    clock.meanwhile = lambda: None
    clock.ahead_s = 60
    late = secondary.run("reverify", "group/a", "--wait", "--timeout", "3s")
    assert (late.exit_code, "1 repository is not verified yet" in late.stdout) == (1, True)
