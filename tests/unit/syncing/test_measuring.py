"""What workers measure: the lag from push to seen, and bytes and requests; sent once a repository is let go."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.clock import FakeClock

from geosync.errors import MalformedMessage
from geosync.messages.measurements import MOST_LAGS, Measurements
from geosync.messages.queues import Queue
from geosync.sync_registry.items import ABSENT, Owed, Reference, Seen
from geosync.syncing.measuring import Measuring

NOW = 1_700_000_000_000


class Sqs:
    """A queue that keeps what is sent, or refuses it."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.refuses = False

    def send_message(self, **sent: Any) -> None:
        if self.refuses:
            raise ClientError({"Error": {"Code": "ServiceUnavailable"}}, "SendMessage")
        assert sent["MessageGroupId"] == "site"
        self.bodies.append(sent["MessageBody"])

    def taken(self) -> Measurements:
        (body,) = self.bodies
        self.bodies.clear()
        return Measurements.parse(body)


@pytest.fixture
def sqs() -> Sqs:
    return Sqs()


@pytest.fixture
def measuring(sqs: Sqs) -> Measuring:
    client: Any = sqs
    return Measuring(Queue(client, "measurements"), FakeClock(NOW))


def owed(lag_ms: int, *expects: str) -> Owed:
    return Owed(
        repository="group/app",
        reference=Reference.tag("v1"),
        mark="m",
        expects=frozenset(expects or ("sha256:a",)),
        marked_at=NOW,
        owed_since=NOW,
        due=NOW,
        pushed_at=NOW - lag_ms,
    )


def test_pushes_are_measured_and_neither_deletes_nor_what_nobody_announced(measuring: Measuring, sqs: Sqs) -> None:
    for one in (owed(1000), owed(1000, ABSENT), owed(3000, ABSENT, "sha256:b"), owed(-5000), owed(1000)):
        measuring.note_synced(one)
    measuring.note_synced(
        Owed(repository="a", reference=Reference.tag("b"), mark="m", marked_at=0, owed_since=0, due=0)
    )
    measuring.note_bytes(70)
    measuring.note_requests(3)
    measuring.send()
    assert sqs.taken() == Measurements(lags_ms={0: 1, 1000: 2, 3000: 1}, synced=6, bytes=70, requests=3)


def test_a_lag_counts_from_the_push_that_an_event_told_of(measuring: Measuring, sqs: Sqs) -> None:
    """It was known to be equal, or was deleted, 90 s ago; it was pushed, and announced, 4 s ago."""
    measuring.note_synced(replace(owed(90_000), told_at=NOW - 4000))
    measuring.note_synced(replace(owed(90_000, ABSENT, "sha256:b"), told_at=NOW - 4000))
    earlier = Seen(digest="sha256:a", looked_at=NOW - 80_000, seen_at=NOW - 70_000)
    measuring.note_synced(replace(owed(90_000), told_at=NOW - 4000, seen=earlier))
    measuring.note_synced(replace(owed(90_000), told_at=NOW - 4000, seen=replace(earlier, counted_lost=True)))
    measuring.send()
    assert sqs.taken().lags_ms == {4000: 4}


def test_a_copy_by_a_comparison_before_the_event_has_the_lag_of_that_look(measuring: Measuring, sqs: Sqs) -> None:
    pushed_at = NOW - 90_000
    seen = Seen(digest="sha256:a", looked_at=pushed_at + 4000, seen_at=pushed_at + 5000)
    earlier = replace(seen, looked_at=pushed_at - 1)
    for one in (
        replace(owed(90_000), seen=seen),
        replace(owed(90_000), seen=earlier),  # it was pushed once more since
        replace(owed(90_000, "sha256:b"), seen=seen),
        replace(owed(90_000, "sha256:a", "sha256:b"), seen=seen),
    ):
        measuring.note_synced(one)
    measuring.send()
    assert sqs.taken().lags_ms == {5000: 1, 90_000: 3}


def test_without_new_measurements_no_message_is_sent(measuring: Measuring, sqs: Sqs) -> None:
    measuring.note_requests(0)
    measuring.send()
    assert sqs.bodies == []


def test_measurements_that_the_queue_refused_are_sent_once_the_next_time(measuring: Measuring, sqs: Sqs) -> None:
    measuring.note_synced(owed(1000))
    measuring.note_bytes(5)
    sqs.refuses = True
    measuring.send()
    sqs.refuses = False
    measuring.note_synced(owed(1000))
    measuring.send()
    assert sqs.taken() == Measurements(lags_ms={1000: 2}, synced=2, bytes=5)
    measuring.send()
    assert sqs.bodies == []


def test_many_lags_are_several_messages_that_sqs_takes(measuring: Measuring, sqs: Sqs) -> None:
    for lag_ms in range(10**9, 10**9 + 2 * MOST_LAGS + 1):
        measuring.note_synced(owed(lag_ms))
    measuring.send()
    assert max(map(len, sqs.bodies)) < 256 * 1024
    sent = [Measurements.parse(body) for body in sqs.bodies]
    assert sum(one.synced for one in sent) == sum(sum(one.lags_ms.values()) for one in sent) == 2 * MOST_LAGS + 1


def test_without_a_queue_nothing_is_measured() -> None:
    measuring = Measuring(None, FakeClock(NOW))
    measuring.note_synced(owed(1000))
    measuring.send()


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        '{"lags_ms":[[-1,1]],"synced":0,"bytes":0,"requests":0}',
        '{"lags_ms":[[1]],"synced":0,"bytes":0,"requests":0}',
        '{"lags_ms":[],"synced":true,"bytes":0,"requests":0}',
        '{"lags_ms":[],"synced":0.5,"bytes":0,"requests":0}',
        "[" * 100_000,
    ],
)
def test_a_message_that_no_worker_sent_is_malformed(body: str) -> None:
    with pytest.raises(MalformedMessage):
        Measurements.parse(body)


def test_measurements_are_read_as_they_were_sent() -> None:
    sent = Measurements(lags_ms={20: 1, 3: 7}, synced=9, bytes=10**15, requests=4)
    assert Measurements.parse(sent.to_json()) == sent
