"""`geosync costs` on a site in moto: the site's own counts, and what is not known."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, replace
from typing import Any

import boto3
import pytest
from tests.functional.cli.conftest import REGION, PlayedClock, Site

from geosync.cli import costs as command
from geosync.cli.site import StackSite as DeployedSite
from geosync.clock import DAY_MS, SYSTEM_CLOCK
from geosync.operating.costs import DAYS, Settings, SiteMonth, lines, total_usd
from geosync.sync_registry.site.history import Observed, bin_name
from geosync.sync_registry.site.promotions import Promotion

TABLE_BYTES = 1_000_000_000
EVENTS = 4


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB says how large an index is; moto does not. Here each is as large as the table."""
    monkeypatch.setattr(command, "_bytes", lambda tables, *kinds: len(tables) * (1 + len(kinds)) * TABLE_BYTES)


def pushed(site: Site, pushes: int, *, days_ago: int) -> None:
    observed = Observed(counts=Counter({bin_name(13): pushes, "bytes": pushes * 1_000_000_000}))
    site.sync_registry.history.record(observed, now_ms=SYSTEM_CLOCK.now_ms() - days_ago * DAY_MS)


@pytest.mark.usefixtures("sizes")
def test_a_secondary_has_its_own_counts_of_30_days(secondary: Site) -> None:
    pushed(secondary, 7, days_ago=DAYS + 2)
    pushed(secondary, 5, days_ago=DAYS - 2)
    pushed(secondary, 3, days_ago=0)
    lease = secondary.sync_registry.acquire("group/app")
    assert lease is not None
    answer = secondary.run("costs", "--json", "--tags", "4")
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.output)
    assert (found["pushes"], found["copied_bytes"], found["minutes_recorded"]) == (8, 8_000_000_000, 2)
    assert found["tags"] == 4 * found["repositories"]
    assert (found["table_bytes"], found["recovery_bytes"]) == (6 * TABLE_BYTES, 4 * TABLE_BYTES)
    fields = {name: found[name] for name in SiteMonth.__dataclass_fields__}
    month = SiteMonth(**fields | {"settings": Settings(**found["settings"])})
    assert found["usd"] == pytest.approx(total_usd(lines(month)))
    shown = secondary.run("costs").output
    assert "pushes 8, GB copied 8.0" in shown
    assert "2 of 43,200 minutes were recorded" in shown
    assert f"{found['usd']:,.2f}" in shown


def test_the_stack_s_parameters_are_reckoned_with(secondary: Site, stacks: dict[str, DeployedSite]) -> None:
    def reckoned() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(secondary.run("costs", "--json").output)["settings"]
        return found

    assert reckoned() == asdict(Settings())
    set_parameters(stacks, SyncMemory="1769")
    assert reckoned() == asdict(Settings())
    set_parameters(stacks, Architecture="x86_64", SyncMemory="4096", ComparisonSeconds="3600", VerificationSeconds="0")
    assert reckoned() == {"architecture": "x86_64", "sync_gb": 4.0, "comparison_s": 3_600, "verification_s": 0}


def test_without_a_history_the_sum_is_not_known(secondary: Site) -> None:
    answer = secondary.run("costs", "--json")
    assert answer.exit_code == 2
    found = json.loads(answer.output)
    assert (found["pushes"], found["usd"]) == (None, None)
    assert "not known" in secondary.run("costs").output


@pytest.fixture
def events(primary: Site) -> None:
    """Put EVENTS into the primary's log."""
    client = boto3.client("dynamodb", region_name=REGION)
    for number in range(EVENTS):
        item = {"id": {"S": f"event-{number}"}, "hour": {"S": "490000"}, "received_at": {"N": str(number)}}
        client.put_item(TableName=primary.outputs["EventsTable"], Item=item)


def set_parameters(stacks: dict[str, DeployedSite], **parameters: str) -> None:
    (name,) = stacks
    stacks[name] = replace(stacks[name], parameters={**stacks[name].parameters, **parameters})


@pytest.mark.usefixtures("sizes", "events")
@pytest.mark.parametrize(
    ("retention", "age", "days"), [(30, 400, 30), (3650, 20, 20), (3650, 90, 90), (1, 400, 1), (7, 400, 7), (30, 2, 2)]
)
def test_a_primary_s_pushes_are_those_of_30_days_at_the_pace_of_its_log(
    primary: Site, stacks: dict[str, DeployedSite], clock: PlayedClock, retention: int, age: int, days: int
) -> None:
    """The log is as old as its retention lets it be, or as its table is."""
    set_parameters(stacks, EventRetentionDays=str(retention))
    clock.ahead_s = age * 86_400
    answer = primary.run("costs", "--json")
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.output)
    assert (found["pushes"], found["minutes_recorded"]) == (round(EVENTS * DAYS / days), None)
    assert {one["what"] for one in found["parts"]} >= {"idle", "notifications", "storage of the tables"}
    assert "At the pace of the event log, in 30 days" in primary.run("costs").output


@pytest.mark.usefixtures("sizes", "events")
def test_a_log_that_is_younger_than_a_day_has_no_pace(primary: Site, clock: PlayedClock) -> None:
    clock.ahead_s = 0.9 * 86_400
    answer = primary.run("costs", "--json")
    assert (answer.exit_code, json.loads(answer.output)["pushes"]) == (2, None)


@pytest.mark.usefixtures("sizes", "events")
def test_a_log_in_whose_time_the_site_was_promoted_has_no_pace(primary: Site, clock: PlayedClock) -> None:
    """It has no events of the time before, or those of an earlier time as the primary."""
    promotion = Promotion(token="token", began_at=SYSTEM_CLOCK.now_ms(), events_waiting=0, dead_letters=0)
    primary.sync_registry.promotions.begin(promotion)
    clock.ahead_s = 29 * 86_400
    answer = primary.run("costs", "--json")
    assert (answer.exit_code, json.loads(answer.output)["pushes"]) == (2, None)
    clock.ahead_s = 31 * 86_400
    answer = primary.run("costs", "--json")
    assert (answer.exit_code, json.loads(answer.output)["pushes"]) == (0, EVENTS)


def test_a_size_is_of_the_tables_with_the_indexes_that_are_asked_for() -> None:
    table = {
        "TableSizeBytes": 5,
        "LocalSecondaryIndexes": [{"IndexSizeBytes": 2}],
        "GlobalSecondaryIndexes": [{"IndexSizeBytes": 1}],
    }
    assert command._bytes([table, {"TableSizeBytes": 10}], command.LOCAL) == 17
    assert command._bytes([table, {"TableSizeBytes": 10}], command.LOCAL, command.GLOBAL) == 18


def test_a_table_whose_size_nobody_says_has_no_size() -> None:
    table = {"TableSizeBytes": 5, "GlobalSecondaryIndexes": [{}]}
    assert command._bytes([table], command.GLOBAL) is None
    assert command._bytes([table], command.LOCAL) == 5
    assert command._bytes([{}]) is None
