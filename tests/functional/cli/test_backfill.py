"""`geosync backfill`: progress, following it, and starting a new one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, EndpointConnectionError
from tests.functional.cli.conftest import REGION, PlayedClock, Site
from tests.support.aws_calls import counted
from tests.support.terminal import LINES, stdout_on_a_terminal, without_escapes

from geosync.cli import backfill, following
from geosync.cli.main import main
from geosync.cli.site import StackSite
from geosync.comparing import catalogue
from geosync.sync_registry.site import catalogue as catalogue_item
from geosync.sync_registry.site import walks
from geosync.sync_registry.table.changes import Update
from geosync.sync_registry.table.dynamodb import DynamoStore


def store(site: Site) -> DynamoStore:
    return DynamoStore(boto3.client("dynamodb", region_name=REGION), site.outputs["SyncRegistryTable"])


def walk(site: Site, clock: PlayedClock, **values: int) -> int:
    """A walk that began 100 s ago through 200 repositories, of which 50 are compared."""
    started_at = clock.now_ms() - 100_000
    times = {"started_at": started_at, "touched_at": started_at, "repositories": 200}
    table = store(site)
    table.write(Update(key=catalogue_item.KEY, set=times | values, remove=("asked_for",)))
    for number in range(50):
        repository = f"group/app-{number}"
        counts = {walks.COMPARED: 1, walks.TAGS: 4, walks.FOUND: 2, walks.SETTLED: 1}
        table.write(walks.count(started_at, repository, counts, now_ms=started_at))
    return started_at


def test_before_the_first_one_there_is_none(secondary: Site) -> None:
    answer = secondary.run("backfill")
    assert (answer.exit_code, "No comparison has begun" in answer.output) == (1, True)
    assert json.loads(secondary.run("backfill", "--json").output)["progress"] is None


def test_it_shows_done_total_rate_and_time_left(secondary: Site, clock: PlayedClock) -> None:
    started_at = walk(secondary, clock, finished_at=1)
    before = clock.now_ms() - 80_000  # ten repositories in the last 80 s
    store(secondary).write(Update(key=catalogue_item.KEY, set={"paces": [[before, 40, 0]]}))
    answer = secondary.run("backfill", "--json")
    assert answer.exit_code == 1
    found = json.loads(answer.output)["progress"]
    assert found["started_at"] == started_at
    assert (found["repositories"], found["compared"]) == (200, 50)
    assert (found["tags"], found["found"], found["settled"]) == (200, 100, 50)
    assert found["rate"] == 0.5
    # 150 repositories, ten in some 80 s, take longer than 50 tags do.
    assert 1200 <= found["seconds_left"] < 2400
    assert found["state"] == "running"
    shown = secondary.run("backfill").output
    assert "50 of 200" in shown
    assert " min" in shown.rpartition("time left")[2]


def test_while_the_catalogue_goes_on_nobody_knows_how_long_it_takes(secondary: Site, clock: PlayedClock) -> None:
    walk(secondary, clock)
    assert json.loads(secondary.run("backfill", "--json").output)["progress"]["seconds_left"] is None
    assert "50 of 200 so far" in secondary.run("backfill").output


def test_a_complete_one_is_well(secondary: Site, clock: PlayedClock) -> None:
    started_at = walk(secondary, clock, finished_at=1)
    store(secondary).write(Update(key=catalogue_item.KEY, set={"settled_at": started_at, "proved_at": started_at}))
    answer = secondary.run("backfill")
    assert (answer.exit_code, "complete" in answer.output) == (0, True)


def test_start_begins_the_next_one_now_and_leaves_one_that_goes_on(secondary: Site, clock: PlayedClock) -> None:
    assert secondary.run("backfill", "start").exit_code == 0
    assert secondary.bodies("WorkQueueUrl") == [{"version": "1", "kind": "catalogue"}]
    # Dropped, because the site is paused? The next minute asks again, and again until it has begun.
    assert catalogue.is_due(catalogue_item.CatalogueItem(store(secondary)).latest(), now_ms=0, every_s=0)
    walk(secondary, clock)
    assert "goes on" in secondary.run("backfill", "start").output
    assert secondary.bodies("WorkQueueUrl") == []
    # Until it has begun, what is complete is not what was asked for.
    complete(secondary)
    catalogue_item.CatalogueItem(store(secondary)).ask()
    answer = secondary.run("backfill")
    assert (answer.exit_code, "another comparison was requested" in answer.output) == (1, True)


# ── as it goes on ──


Steps = Callable[..., list[float]]


@pytest.fixture
def steps(clock: PlayedClock) -> Steps:
    """Set what happens in the pauses between looks; return the lengths of the pauses."""

    def happen(*what: Callable[[], object]) -> list[float]:
        left = list(what)

        def next_step() -> None:
            left.pop(0)()

        clock.meanwhile = next_step
        return clock.slept

    return happen


def nothing() -> None:
    """Do nothing in this pause."""


def interrupt() -> None:
    """Ctrl-C."""
    raise KeyboardInterrupt


def complete(site: Site) -> None:
    walk = catalogue_item.CatalogueItem(store(site)).latest()
    assert walk is not None
    values = {"finished_at": walk.started_at + 1, "settled_at": walk.started_at, "proved_at": walk.started_at}
    store(site).write(Update(key=catalogue_item.KEY, set=values))


def failing(*errors: Exception) -> Any:
    """Answer the next reads of DynamoDB with these errors."""
    left, original = list(errors), BaseClient._make_api_call  # type: ignore[attr-defined]

    def call(client: BaseClient, operation: str, parameters: Any) -> Any:
        if operation == "BatchGetItem" and left:
            raise left.pop(0)
        return original(client, operation, parameters)

    return patch.object(BaseClient, "_make_api_call", call)


def refused(code: str, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "BatchGetItem")


def test_in_a_pipe_it_writes_a_line_when_something_changed_until_it_is_complete(
    secondary: Site, steps: Steps, clock: PlayedClock
) -> None:
    def pause() -> None:
        secondary.sync_registry.pause("storage is moved")

    def resume() -> None:
        secondary.sync_registry.resume()
        complete(secondary)

    pauses = steps(lambda: walk(secondary, clock), nothing, pause, nothing, resume)
    answer = secondary.run("backfill", "--follow")
    assert answer.exit_code == 0
    none, first, paused, end = answer.stdout.splitlines()
    assert none == "no comparison has begun yet"
    assert first == "repositories 50 of 200 so far, tags copied 50 of 100, time left not known yet"
    assert paused.startswith(f"{first}; the site is paused for ")
    assert paused.endswith(": storage is moved (geosync resume)")
    assert end == "repositories 50 of 200, tags copied 50 of 100, complete"
    assert pauses == [following.POLL_SECONDS] * 5


def test_followed_by_a_program_each_line_is_a_document(secondary: Site, steps: Steps, clock: PlayedClock) -> None:
    walk(secondary, clock)
    steps(nothing, lambda: complete(secondary))
    answer = secondary.run("backfill", "--follow", "--json")
    first, last = map(json.loads, answer.stdout.splitlines())
    assert (answer.exit_code, first["progress"]["complete"], last["progress"]["complete"]) == (0, False, True)


def test_a_look_costs_three_requests_whatever_there_is_to_do(
    secondary: Site, stacks: dict[str, StackSite], clock: PlayedClock
) -> None:
    walk(secondary, clock)
    site = stacks[secondary.stack]
    with counted() as calls:
        backfill.look(site)
    assert (calls["dynamodb:BatchGetItem"], calls["dynamodb:Query"], calls.total()) == (2, 1, 3 + calls["items read"])


@pytest.mark.parametrize(
    "error",
    [
        refused("ThrottlingException"),
        refused("InternalServerError", 500),
        EndpointConnectionError(endpoint_url="https://dynamodb.example.com"),
    ],
    ids=["throttled", "failing", "not reached"],
)
def test_a_look_that_fails_is_said_once_and_made_again_later_each_time(
    secondary: Site, steps: Steps, error: Exception, clock: PlayedClock
) -> None:
    walk(secondary, clock)
    complete(secondary)
    pauses = steps(*[nothing] * 6)
    with failing(*[error] * 6):
        answer = secondary.run("backfill", "--follow")
    assert (answer.exit_code, answer.stdout.count("complete")) == (0, 1)
    assert answer.stderr == f"The progress cannot be read, trying again: {error}\n"
    assert pauses == [4, 8, 16, 30, 30, 30]


def test_an_error_that_no_later_look_can_mend_ends_the_command(
    secondary: Site, steps: Steps, clock: PlayedClock
) -> None:
    walk(secondary, clock)
    assert steps() == []
    with failing(refused("AccessDeniedException")):
        answer = secondary.run("backfill", "--follow")
    assert (answer.exit_code, "AccessDenied" in answer.stderr) == (2, True)


def test_ctrl_c_ends_the_command_alone_and_names_the_one_to_look_again(
    secondary: Site, steps: Steps, clock: PlayedClock
) -> None:
    walk(secondary, clock)
    steps(interrupt)
    answer = secondary.run("backfill", "--follow")
    assert answer.exit_code == 1
    again = "geosync --stack geosync-test --region eu-central-1 backfill"
    assert answer.stderr == f"The backfill goes on at frankfurt. To see its progress: {again}\n"
    assert catalogue_item.CatalogueItem(store(secondary)).latest() is not None


def test_the_reasons_why_a_backfill_stands_still_are_shown(secondary: Site, clock: PlayedClock) -> None:
    walk(secondary, clock, touched_at=1, started_at=clock.now_ms() - catalogue.STALLED_AFTER_MS)
    store(secondary).write(Update(key=catalogue_item.KEY, set={"failure": "GET /v2/_catalog: 401"}))
    secondary.sync_registry.hold("registry.example.com", reason="503")
    shown = secondary.run("backfill", "--no-follow").output
    assert "the primary's catalogue cannot be read: GET /v2/_catalog: 401" in shown
    assert "no requests go to registry.example.com until 20" in shown
    assert "the comparison has not moved for 10 min: see geosync status" in shown
    found = json.loads(secondary.run("backfill", "--json").output)
    assert (found["failure"], found["holds"][0]["registry"]) == ("GET /v2/_catalog: 401", "registry.example.com")
    assert found["stands_since"] is not None
    # Complete, it stands still by right.
    complete(secondary)
    assert json.loads(secondary.run("backfill", "--json").output)["stands_since"] is None


def test_a_window_that_is_closed_is_said_with_when_it_opens(
    secondary: Site, stacks: dict[str, StackSite], clock: PlayedClock
) -> None:
    begins = datetime.now(UTC) + timedelta(hours=3)
    window = f"{begins:%H:%M}-{begins + timedelta(hours=1):%H:%M} UTC"
    site = stacks[secondary.stack]
    stacks[secondary.stack] = replace(site, parameters={**site.parameters, "BackfillWindow": window})
    walk(secondary, clock)
    shown = secondary.run("backfill", "--no-follow").output
    assert f"its window (BackfillWindow) is closed until {begins:%Y-%m-%dT%H:%M}:00Z" in shown
    found = json.loads(secondary.run("backfill", "--json").output)
    assert found["window_opens_at"] == f"{begins:%Y-%m-%dT%H:%M}:00.000Z"
    assert found["window_opens_at_ms"] == begins.replace(second=0, microsecond=0).timestamp() * 1000
    store(secondary).write(Update(key=catalogue_item.KEY, set={"asked_for": True}))
    shown = secondary.run("backfill", "--no-follow").output
    assert "another comparison was requested and begins within a minute" in shown
    assert "its window" not in shown


def on_a_terminal(*options: str, kind: str = "xterm-256color") -> tuple[int, str]:
    with stdout_on_a_terminal(kind=kind) as shown, pytest.raises(SystemExit) as ended:
        main(["--stack", "geosync-test", "--region", REGION, "backfill", *options])
    return int(str(ended.value.code)), shown[0]


def test_on_a_terminal_it_is_drawn_in_place_until_it_is_complete(
    secondary: Site, steps: Steps, clock: PlayedClock
) -> None:
    walk(secondary, clock)
    steps(*[nothing] * LINES, lambda: complete(secondary))
    with failing(refused("ThrottlingException")):
        code, shown = on_a_terminal()
    assert code == 0
    assert "cannot be read, trying again: " in shown
    assert shown.count("\x1b[1A") >= LINES  # back to its first line, for each look
    last = without_escapes(shown).rsplit("begun", 1)[1]
    assert "complete" in last
    assert "50 of 200," in last
    assert "trying again" not in last


@pytest.mark.parametrize("option", ["--no-follow", "--json"])
def test_on_a_terminal_it_looks_once_if_told_so_and_for_a_program(
    secondary: Site, steps: Steps, option: str, clock: PlayedClock
) -> None:
    walk(secondary, clock)
    assert steps() == []
    code, shown = on_a_terminal(option)
    assert (code, "50" in shown) == (1, True)


def test_a_terminal_that_cannot_go_back_gets_lines(secondary: Site, steps: Steps, clock: PlayedClock) -> None:
    walk(secondary, clock)
    steps(nothing, lambda: complete(secondary))
    code, shown = on_a_terminal(kind="dumb")
    assert (code, len(shown.splitlines()), "\x1b" in shown) == (0, 2, False)


def test_options_of_the_look_are_refused_before_start(secondary: Site) -> None:
    answer = secondary.run("backfill", "--follow", "start")
    assert (answer.exit_code, "without start" in answer.output) == (2, True)
    assert secondary.bodies("WorkQueueUrl") == []
