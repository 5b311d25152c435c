"""Verify now: for the command line and the admin API, which send a message, and for functions/sync, which gets it.

Whoever asks needs sqs:SendMessage on the work queue, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr

from geosync.messages.queues import Queue
from geosync.messages.work import Scope, VerifyMessage
from geosync.sync_registry.items import (
    PARKED_DUE,
    ROW,
    VERIFICATION_FAILED,
    VERIFICATION_PENDING,
    VERIFICATION_SUCCEEDED,
    Item,
)
from geosync.sync_registry.registry import wall_clock
from geosync.sync_registry.table.changes import ConditionFailed, Key, Store, Update
from geosync.sync_registry.table.shards import VERIFICATION_SHARDS

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

PAGE = 100
"""Rows read at once."""


def reverify(sqs: SQSClient, work_queue_url: str, repository: str) -> None:
    """Have `repository` (its name at the primary) verified now; nothing happens while something is owed in it."""
    _send(sqs, work_queue_url, VerifyMessage(repository=repository, asked_at=wall_clock()))


def reverify_all(sqs: SQSClient, work_queue_url: str, scope: Scope) -> None:
    """Have all synced repositories, or (`failed`) those whose verification failed, verified when the pace allows."""
    _send(sqs, work_queue_url, VerifyMessage(scope=scope, asked_at=wall_clock()))


def _send(sqs: SQSClient, work_queue_url: str, message: VerifyMessage) -> None:
    Queue(sqs, work_queue_url).send(message)


def make_due(store: Store, scope: Scope, asked_at: int, *, check: Callable[[], None] = lambda: None) -> int:
    """Make the rows of `scope` due that were not verified since `asked_at` (ms); returns how many. Can be repeated.

    One read per hundred rows that wait for a later verification, and a write for each that is made due. `check` is
    called before each read and may raise, to stop.
    """
    states = {VERIFICATION_FAILED} if scope == "failed" else {VERIFICATION_FAILED, VERIFICATION_SUCCEEDED}
    made = 0
    for shard in VERIFICATION_SHARDS:
        keys = iter(store.due_keys(shard, PARKED_DUE, start=asked_at + 1))
        for page in _pages(keys):
            check()
            for item in store.batch_get(page).values():
                if item.get("verification_state") in states and _number(item, "verified_at") < asked_at:
                    made += _make_due(store, item, asked_at)
    return made


def _make_due(store: Store, item: Item, asked_at: int) -> bool:
    change = Update(
        key=Key(item["repository"], ROW),
        set={"verification_state": VERIFICATION_PENDING, "verification_due": asked_at, "due": asked_at},
        remove=("verification_retry_at",),
        when=Attr("due").eq(item["due"])
        & Attr("due_shard").eq(item["due_shard"])
        & Attr("verification_state").eq(item["verification_state"]),
    )
    with suppress(ConditionFailed):  # somebody is at it
        store.write(change)
        return True
    return False


def _pages(keys: Iterator[Key]) -> Iterator[list[Key]]:
    while page := list(islice(keys, PAGE)):
        yield page


def _number(item: Item, name: str) -> int:
    value = item.get(name, 0)
    return value if isinstance(value, int) else 0
