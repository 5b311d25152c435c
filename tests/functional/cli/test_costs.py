"""`geosync costs` on a site in moto: the site's own counts, and what is not known."""

from __future__ import annotations

import json
from collections import Counter

import boto3
import pytest
from tests.functional.cli.conftest import REGION, Site

from geosync.cli import costs as command
from geosync.clock import DAY_MS, SYSTEM_CLOCK
from geosync.operating.costs import DAYS, SiteMonth, lines, total_usd
from geosync.sync_registry.site.history import Observed, bin_name

TABLE_BYTES = 2_000_000_000


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB says how large an index is; moto does not."""
    monkeypatch.setattr(command, "_bytes", lambda _: TABLE_BYTES)


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
    assert found["table_bytes"] == 2 * TABLE_BYTES
    month = SiteMonth(**{name: found[name] for name in SiteMonth.__dataclass_fields__})
    assert found["usd"] == pytest.approx(total_usd(lines(month)))
    shown = secondary.run("costs").output
    assert "pushes 8, GB copied 8.0" in shown
    assert "2 of 43,200 minutes were recorded" in shown
    assert f"{found['usd']:,.2f}" in shown


def test_without_a_history_the_sum_is_not_known(secondary: Site) -> None:
    answer = secondary.run("costs", "--json")
    assert answer.exit_code == 2
    found = json.loads(answer.output)
    assert (found["pushes"], found["usd"]) == (None, None)
    assert "not known" in secondary.run("costs").output


@pytest.mark.usefixtures("sizes")
def test_a_primary_counts_the_events_in_its_log(primary: Site) -> None:
    client = boto3.client("dynamodb", region_name=REGION)
    table = primary.outputs["EventsTable"]
    before = client.describe_table(TableName=table)["Table"]["ItemCount"]
    for number in range(4):
        item = {"id": {"S": f"event-{number}"}, "hour": {"S": "490000"}, "received_at": {"N": str(number)}}
        client.put_item(TableName=table, Item=item)
    answer = primary.run("costs", "--json")
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.output)
    assert (found["pushes"], found["minutes_recorded"]) == (before + 4, None)
    assert {one["what"] for one in found["parts"]} >= {"idle", "notifications", "storage of the tables"}


def test_a_table_whose_size_nobody_says_has_no_size() -> None:
    assert command._bytes({"TableSizeBytes": 5, "LocalSecondaryIndexes": [{"IndexSizeBytes": 2}]}) == 7
    assert command._bytes({"TableSizeBytes": 5, "GlobalSecondaryIndexes": [{}]}) is None
