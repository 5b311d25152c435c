"""`geosync backfill`: how far it is, and a new one."""

from __future__ import annotations

import json
import time

import boto3
from tests.functional.cli.conftest import REGION, Site

from geosync.replication import catalogue
from geosync.sync_registry import walks
from geosync.sync_registry.changes import Update
from geosync.sync_registry.store import DynamoStore


def store(site: Site) -> DynamoStore:
    return DynamoStore(boto3.client("dynamodb", region_name=REGION), site.outputs["SyncRegistryTable"])


def walk(site: Site, **values: int) -> int:
    """A walk that began 100 s ago through 200 repositories, of which 50 are compared."""
    started_at = time.time_ns() // 1_000_000 - 100_000
    times = {"started_at": started_at, "touched_at": started_at, "repositories": 200}
    table = store(site)
    table.write(Update(key=catalogue.KEY, set=times | values, remove=("asked_for",)))
    for number in range(50):
        repository = f"group/app-{number}"
        counts = {walks.COMPARED: 1, walks.TAGS: 4, walks.FOUND: 2, walks.SETTLED: 1}
        table.write(walks.count(started_at, repository, counts, now=started_at))
    return started_at


def test_before_the_first_one_there_is_none(secondary: Site) -> None:
    answer = secondary.run("backfill")
    assert (answer.exit_code, "None has begun" in answer.output) == (1, True)
    assert json.loads(secondary.run("backfill", "--json").output) == {"progress": None}


def test_it_shows_done_total_rate_and_time_left(secondary: Site) -> None:
    started_at = walk(secondary, finished_at=1)
    answer = secondary.run("backfill", "--json")
    assert answer.exit_code == 1
    found = json.loads(answer.output)["progress"]
    assert found["started_at"] == started_at
    assert (found["repositories"], found["compared"]) == (200, 50)
    assert (found["tags"], found["found"], found["settled"]) == (200, 100, 50)
    assert 0.4 < found["rate"] <= 0.5
    # 150 repositories at half of one a second take longer than 50 tags do.
    assert 299 < found["seconds_left"] < 400
    shown = secondary.run("backfill").output
    assert "50 of 200" in shown
    assert "5 min" in shown


def test_while_the_catalogue_goes_on_nobody_knows_how_long_it_takes(secondary: Site) -> None:
    walk(secondary)
    assert json.loads(secondary.run("backfill", "--json").output)["progress"]["seconds_left"] is None
    assert "50 of 200 so far" in secondary.run("backfill").output


def test_a_complete_one_is_well(secondary: Site) -> None:
    started_at = walk(secondary, finished_at=1)
    store(secondary).write(Update(key=catalogue.KEY, set={"settled_at": started_at, "proved_at": started_at}))
    answer = secondary.run("backfill")
    assert (answer.exit_code, "complete" in answer.output) == (0, True)


def test_start_begins_the_next_one_now_and_leaves_one_that_goes_on(secondary: Site) -> None:
    assert secondary.run("backfill", "start").exit_code == 0
    assert secondary.bodies("WorkQueueUrl") == [{"version": "1", "kind": "catalogue"}]
    # Dropped, because the site is paused? The next minute asks again, and again until it has begun.
    assert catalogue.is_due(catalogue.latest(store(secondary)), now=0, every=0)
    walk(secondary)
    assert "goes on" in secondary.run("backfill", "start").output
    assert secondary.bodies("WorkQueueUrl") == []
