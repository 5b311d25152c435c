"""The number of requests that wait for one another: in a status, and on the way of a push."""

from __future__ import annotations

import math
from typing import Any

import pytest
from tests.functional.sync_registry.conftest import TABLE
from tests.support.clock import FakeClock
from tests.support.filled import backlog, fill
from tests.support.rounds import Rounds

from geosync.intake.intake import Intake
from geosync.intake.marking import IntakeContext
from geosync.messages.geo_event import GeoEvent
from geosync.operating import status
from geosync.pair.selection import EVERYTHING
from geosync.sync_registry.items import PARKED_DUE_MS, Reference
from geosync.sync_registry.site.history import Observed
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Key
from geosync.sync_registry.table.dynamodb import DynamoStore
from geosync.sync_registry.transitions.marks import Mark

OWED = 10_000
"""More in each partition of the index than a status reads of it: of 50,000 it reads the same."""
DIGEST = "sha256:" + "a" * 64


def test_a_status_of_a_large_backlog_is_read_in_few_rounds(
    client: Any, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled, parked = backlog(clock, OWED), Key("backlog/app-7", "owed#tag#parked")
    like = filled.table[Key("backlog/app-7", "owed#tag#v0")]
    filled.table[parked] = {**like, "item": parked.item, "due": PARKED_DUE_MS, "parked": True}
    fill(client, TABLE, filled)
    rounds = Rounds(client, monkeypatch)
    sync_registry = SyncRegistry(DynamoStore(client, TABLE, clock=clock), clock=clock, threads=rounds.threads)
    sync_registry.history.record(Observed(), now_ms=clock.now_ms())

    found: list[status.Status] = []
    counted = rounds.of(lambda: found.append(status.read(sync_registry, clock=clock)))

    assert counted.rounds == 5  # the site; the index; behind each full partition; items and leases; what was seen
    # 16 partitions, 8 again for what is parked in them and 8 for leases; the holds and the last hour.
    assert counted.requests == {"Query": 34, "BatchGetItem": 3 + 11 + 11}
    assert [(len(one.owed), one.more_owed, len(one.parked), one.more_parked) for one in found] == [
        (1000, True, 1, False)
    ]


def _push(number: int) -> str:
    return GeoEvent(
        id=f"event-{number}",
        site="dublin",
        event_name="created",
        repository=f"team/app-{number}",
        tag="v2",
        digest=DIGEST,
        media_type=None,
        occurred_at=None,
        received_at=1_795_000_000_000,
        source="distribution",
        correlation_id=f"event-{number}",
    ).to_json()


@pytest.mark.parametrize(("pushes", "rounds"), [(1, 3), (7, 3)])
def test_pushes_are_taken_in_in_three_rounds(
    client: Any, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, pushes: int, rounds: int
) -> None:
    """One read of all that they depend on, the marks, then the knocks and the cursor: a mark is always first."""
    counting = Rounds(client, monkeypatch)
    sync_registry = SyncRegistry(DynamoStore(client, TABLE, clock=clock), clock=clock, threads=counting.threads)
    nothing: Any = None
    context = IntakeContext(
        role="secondary", sync_registry=sync_registry, selection=EVERYTHING, registry_names=("a:5000", "b:5000")
    )
    intake = Intake(context, nothing, logger=nothing, metrics=nothing, clock=clock, threads=counting.threads)
    sync_registry.subscription.note_selection(EVERYTHING.fingerprint)
    intake._noted_until_s = math.inf
    for number in range(pushes):
        sync_registry.tell(f"team/app-{number}")

    taken: list[Any] = []
    counted = counting.of(lambda: taken.append(intake.take([_push(number) for number in range(pushes)])))

    assert sorted(taken[0].wakes) == sorted(f"team/app-{number}" for number in range(pushes))
    assert counted.rounds == rounds
    assert counted.requests == {"BatchGetItem": 1, "UpdateItem": 2 * pushes + 1}


def test_a_holder_has_its_references_after_four_rounds(
    client: Any, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a wake depends on, the lease, what is due, and what was seen of it: only then is a mark read to look after.

    docs/decisions/0059 says what one round less would cost.
    """
    counting = Rounds(client, monkeypatch)
    sync_registry = SyncRegistry(DynamoStore(client, TABLE, clock=clock), clock=clock, threads=counting.threads)
    sync_registry.mark("team/app", Reference.tag("v1"), Mark(expects=DIGEST))
    sync_registry.tell("team/app")

    due: list[Any] = []

    def wake() -> None:
        glance = sync_registry.look("team/app", Reference.whole(), holds=("a:5000", "b:5000"))
        assert sync_registry.acquire("team/app", believed=glance.row) is not None
        due.extend(sync_registry.due("team/app", 50))

    counted = counting.of(wake)
    assert [one.reference for one in due] == [Reference.tag("v1")]
    assert counted.rounds == 4
    assert counted.requests == {"BatchGetItem": 2, "UpdateItem": 1, "Query": 1}
