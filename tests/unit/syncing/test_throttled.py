"""A holder that AWS throttles: it says so of one reference, and lets the repository go before its time is over."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from tests.support.patience import PATIENCE_S
from tests.unit.syncing.test_deaths import REPOSITORY, Site

from geosync.aws.errors import WAY_OUT, tells_of_throttling
from geosync.errors import Contended
from geosync.oci.deadline import Deadline
from geosync.sync_registry.items import Reference
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key
from geosync.sync_registry.table.dynamodb import DynamoStore
from geosync.syncing.ending import Ending
from geosync.syncing.holder import Holder

TAGS = ("v1", "v2", "v3", "v4")
LEFT_S = 50.0
"""Seconds until Lambda ends the function; a write to the throttled table takes 20."""


class LeavesUnread:
    """DynamoDB that answers a batch with nothing, again and again."""

    def batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803 - as boto3 names it
        return {"Responses": {}, "UnprocessedKeys": RequestItems}


def throttle_discharges(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse what all references end with, once all are there."""
    all_there = threading.Barrier(len(TAGS))

    def discharge(*_: Any, **__: Any) -> bool:
        all_there.wait(PATIENCE_S)
        DynamoStore(LeavesUnread(), "table", clock=site.clock).batch_get([Key(REPOSITORY, "row")])
        raise AssertionError

    monkeypatch.setattr(SyncRegistry, "discharge", discharge)


def run(site: Site, left_s: float) -> Ending:
    deadline = Deadline(site.clock)
    deadline.set(left_s)
    return Holder(replace(site.invocation(), deadline=deadline), site.acquire()).run()


def failures(site: Site) -> list[str]:
    found = (site.owed(Reference.tag(tag)) for tag in TAGS)
    return [one.failure for one in found if one is not None and one.failure is not None]


def test_a_batch_left_unread_is_recorded_at_one_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site()
    site.push(*TAGS)
    throttle_discharges(site, monkeypatch)
    with pytest.raises(Contended):
        run(site, 900)
    (said,) = failures(site)
    assert f"AWS throttles DynamoDB BatchGetItem, which left items unread; {WAY_OUT}" in said
    assert tells_of_throttling(said)


def test_after_the_deadline_no_failure_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site()
    site.push(*TAGS)
    throttle_discharges(site, monkeypatch)
    with pytest.raises(Contended):
        run(site, 0.1)  # the pauses of the refused batches take longer
    assert failures(site) == []


def test_the_next_holder_counts_no_death_where_the_table_was_throttled(monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site()
    site.push(*TAGS)
    end_s = site.clock.monotonic_s() + LEFT_S
    with monkeypatch.context() as throttling:
        throttle_discharges(site, throttling)

        def hold_back(*_: Any, **__: Any) -> None:
            site.clock.pass_(20)
            if site.clock.monotonic_s() > end_s:
                raise SystemExit  # Lambda ends the function
            raise Contended("most likely it is the same table")

        throttling.setattr(SyncRegistry, "hold_back", hold_back)
        with pytest.raises(Contended):
            run(site, LEFT_S)
    site.clock.pass_(site.sync_registry.timing.lease_s + site.sync_registry.timing.suspect_s + 1)
    assert site.hold() is Ending.FINISHED
    assert site.reports.counts.get("HoldersVanished", 0) == 0
    assert set(site.secondary.tagged) == set(TAGS)
