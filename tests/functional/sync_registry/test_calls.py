"""What each operation costs, and what a store does when DynamoDB refuses or is slow."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from tests.functional.sync_registry.conftest import TABLE
from tests.support.clock import START, FakeClock
from tests.support.filled import fill
from tests.support.patience import PATIENCE_S

from geosync.errors import Contended
from geosync.operating import status
from geosync.sync_registry.items import Reference, Seen
from geosync.sync_registry.site.history import Observed
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Change, Check, Key, Update
from geosync.sync_registry.table.dynamodb import CONFLICT_PAUSES_S, DynamoStore
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.marks import Mark

REPOSITORY = "project/app"
V1 = Reference.tag("v1")
A = "sha256:" + "a" * 64


class Calls:
    """The requests that were sent, by operation."""

    def __init__(self, client: Any) -> None:
        self._seen: list[str] = []
        client.meta.events.register("before-call.dynamodb.*", self._count)

    def _count(self, model: Any, **_: Any) -> None:
        self._seen.append(model.name)

    def made(self) -> Counter[str]:
        made, self._seen = Counter(self._seen), []
        return made


@pytest.fixture
def dynamodb(client: Any, clock: FakeClock) -> tuple[SyncRegistry, Calls]:
    store = DynamoStore(client, TABLE)
    return SyncRegistry(store, clock=clock), Calls(client)


def test_requests_of_a_push_from_its_event_to_synced(dynamodb: tuple[SyncRegistry, Calls]) -> None:
    sync_registry, calls = dynamodb
    before = sync_registry.knock(REPOSITORY)  # the row is there already, and synced
    assert before is not None
    assert sync_registry.finish(before)
    calls.made()

    glance = sync_registry.look(REPOSITORY, V1, holds=["primary:5000", "secondary:5000"])
    assert calls.made() == {"BatchGetItem": 1}
    sync_registry.mark(REPOSITORY, V1, Mark(expects=A))
    lease = sync_registry.knock(REPOSITORY, believed=glance.row)
    assert lease is not None
    assert calls.made() == {"UpdateItem": 2}
    (owed,) = sync_registry.due(REPOSITORY)
    assert calls.made() == {"Query": 1, "BatchGetItem": 1}
    lease = sync_registry.renew(lease)
    assert calls.made() == {"UpdateItem": 1}
    sync_registry.discharge(lease, owed, Seen(digest=A, looked_at=START, seen_at=START))
    assert calls.made() == {"TransactWriteItems": 1}
    assert sync_registry.due(REPOSITORY) == []
    assert calls.made() == {"Query": 1}
    assert sync_registry.finish(lease)
    assert calls.made() == {"Query": 1, "UpdateItem": 1}


def test_requests_of_an_event_for_a_repository_that_somebody_holds(dynamodb: tuple[SyncRegistry, Calls]) -> None:
    sync_registry, calls = dynamodb
    sync_registry.knock(REPOSITORY)
    calls.made()

    glance = sync_registry.look(REPOSITORY, V1)
    sync_registry.mark(REPOSITORY, V1, Mark(expects=A))
    assert sync_registry.knock(REPOSITORY, believed=glance.row) is None

    assert calls.made() == {"BatchGetItem": 1, "UpdateItem": 2}


def test_a_mark_over_an_unreadable_item_needs_only_the_permissions_of_a_mark(
    dynamodb: tuple[SyncRegistry, Calls], client: Any
) -> None:
    """The roles of functions/log_cursor and functions/pull have no GetItem."""
    sync_registry, calls = dynamodb
    broken = Update(key=Key(REPOSITORY, V1.owed_key), set={"pushed_at": "never"})
    DynamoStore(client, TABLE).write(broken)
    calls.made()

    sync_registry.mark(REPOSITORY, V1, Mark(expects=A))

    made = calls.made()
    assert set(made) == {"BatchGetItem", "UpdateItem"}
    assert [owed.reference for owed in sync_registry.due(REPOSITORY) if owed.reference == V1] == [V1]


def test_a_new_repository_costs_two_more_requests_once(dynamodb: tuple[SyncRegistry, Calls]) -> None:
    sync_registry, calls = dynamodb

    sync_registry.knock(REPOSITORY)
    assert calls.made() == {"UpdateItem": 2, "TransactWriteItems": 1}


def test_ten_thousand_owed_cost_a_look_at_what_is_due_no_more_than_a_hundred(client: Any, clock: FakeClock) -> None:
    """Only a page is asked for; DynamoDB reads no more than it."""
    store = DynamoStore(client, TABLE)
    limits: list[int] = []
    client.meta.events.register(
        "provide-client-params.dynamodb.Query", lambda params, **_: limits.append(params["Limit"])
    )

    SyncRegistry(store, clock=clock).due(REPOSITORY, 50)

    assert limits == [51]


def test_requests_of_a_status_and_of_who_is_at_work_in_a_backlog(
    dynamodb: tuple[SyncRegistry, Calls], client: Any, clock: FakeClock
) -> None:
    sync_registry, calls = dynamodb
    before = MemoryStore()
    for number in range(300):
        SyncRegistry(before, clock=clock).mark(f"backlog/app-{number % 100}", Reference.tag(f"v{number // 100}"))
    fill(client, TABLE, before)
    for number in range(3):
        assert sync_registry.acquire(f"group/app-{number}") is not None
    calls.made()
    sync_registry.history.record(Observed(), now_ms=clock.now_ms())
    calls.made()
    # Each of 16 partitions, the holds and the last hour; the site's items, the counters of the
    # rows, the hour's counts, and what is owed by the hundred.
    assert status.read(sync_registry, clock=sync_registry._clock).worked_on == 3
    assert calls.made() == {"Query": 18, "BatchGetItem": 3 + 4}
    # With more than are read: 8 partitions for who is at work and their rows in each, whatever is owed.
    found = status.read(sync_registry, most=100, clock=sync_registry._clock)
    assert (found.more_owed, found.worked_on, found.open_repositories) == (True, 3, 3)
    assert calls.made() == {"Query": 18 + 8, "BatchGetItem": 3 + 1 + 3}
    # The minute reads without those, but for the counters.
    assert status.read(sync_registry, most=100, counts=False, clock=sync_registry._clock).more_owed
    assert calls.made() == {"Query": 17, "BatchGetItem": 1 + 1 + 1}


def test_threads_that_discharge_at_once_share_transactions(dynamodb: tuple[SyncRegistry, Calls], client: Any) -> None:
    sync_registry, calls = dynamodb
    references = [Reference.tag(f"t{number}") for number in range(40)]
    for reference in references:
        sync_registry.mark(REPOSITORY, reference, Mark(expects=A))
    lease = sync_registry.acquire(REPOSITORY)
    assert lease is not None
    owed = sync_registry.due(REPOSITORY)
    calls.made()
    asking = threading.Event()

    def wait_for_others(**_: Any) -> None:
        """Wait for the other writes, as DynamoDB's latency would: the fake answers at once."""
        if not asking.is_set():
            asking.set()
            ended = time.monotonic() + PATIENCE_S
            while len(sync_registry._discharges._queue) < len(owed) - 1 and time.monotonic() < ended:
                time.sleep(0.001)

    client.meta.events.register("before-call.dynamodb.TransactWriteItems", wait_for_others)

    def discharge(one: Any) -> bool:
        return sync_registry.discharge(lease, one, Seen(digest=A, looked_at=START, seen_at=START))

    with ThreadPoolExecutor(len(owed)) as pool:
        first = pool.submit(discharge, owed[0])
        assert asking.wait(PATIENCE_S)
        done = [first, *(pool.submit(discharge, one) for one in owed[1:])]
        assert all(one.result() for one in done)
    assert sync_registry.due(REPOSITORY) == []
    assert calls.made()["TransactWriteItems"] == 1 + 2, "the first alone, and the others in as few as take them"


# ------------------------------------------------------------------------------------------------------ refusals


@pytest.fixture
def stub(client: Any) -> Iterator[Stubber]:
    with Stubber(client) as stubber:
        yield stubber


def conflict(stub: Stubber) -> None:
    stub.add_client_error("update_item", "TransactionConflictException", http_status_code=400)


def test_a_write_waits_for_the_transaction_in_its_way(client: Any, stub: Stubber) -> None:
    clock = FakeClock()
    conflict(stub)
    conflict(stub)
    stub.add_response("update_item", {"Attributes": {"repository": {"S": "r"}, "item": {"S": "row"}}})

    store = DynamoStore(client, TABLE, clock=clock)
    store.write(Update(key=Key("r", "row"), add={"revision": 1}))

    assert len(clock.slept) == 2
    assert all(0 <= pause < 0.5 for pause in clock.slept)


def test_a_write_gives_up_after_a_bounded_time(client: Any, stub: Stubber) -> None:
    clock = FakeClock()
    for _ in range(len(CONFLICT_PAUSES_S) + 1):
        conflict(stub)

    with pytest.raises(Contended):
        DynamoStore(client, TABLE, clock=clock).write(Update(key=Key("r", "row"), add={"revision": 1}))
    assert sum(clock.slept) < 3


def cancelled(stub: Stubber, *codes: str) -> None:
    stub.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        http_status_code=400,
        modeled_fields={"CancellationReasons": [{"Code": code} for code in codes]},
    )


TRANSACTION: list[Change] = [
    Check(key=Key("r", "row"), when=Attr("lease_token").eq("mine")),
    Update(key=Key("r", "tag#v1"), set={"digest": A}),
]


def test_a_transaction_is_tried_again_only_after_a_conflict_with_another(client: Any, stub: Stubber) -> None:
    cancelled(stub, "TransactionConflict", "None")
    cancelled(stub, "None", "ThrottlingError")
    stub.add_response("transact_write_items", {})

    DynamoStore(client, TABLE, clock=FakeClock()).transact(TRANSACTION)

    stub.assert_no_pending_responses()


def test_an_error_that_is_no_conflict_is_raised_as_it_is(client: Any, stub: Stubber) -> None:
    stub.add_client_error("update_item", "AccessDeniedException", http_status_code=400)
    cancelled(stub, "ValidationError", "None")
    store = DynamoStore(client, TABLE, clock=FakeClock())

    with pytest.raises(ClientError, match="AccessDenied"):
        store.write(Update(key=Key("r", "row"), add={"revision": 1}))
    with pytest.raises(ClientError, match="TransactionCanceled"):
        store.transact(TRANSACTION)


def test_keys_left_unread_are_asked_for_again(client: Any, stub: Stubber) -> None:
    first = {"repository": {"S": "r"}, "item": {"S": "row"}}
    second = {"repository": {"S": "r"}, "item": {"S": "tag#v1"}}
    stub.add_response(
        "batch_get_item",
        {"Responses": {TABLE: [first]}, "UnprocessedKeys": {TABLE: {"Keys": [second], "ConsistentRead": True}}},
    )
    stub.add_response("batch_get_item", {"Responses": {TABLE: [second]}})

    found = DynamoStore(client, TABLE, clock=FakeClock()).batch_get([Key("r", "row"), Key("r", "tag#v1")])

    assert set(found) == {Key("r", "row"), Key("r", "tag#v1")}


def test_a_write_that_was_sent_twice_finds_its_own_lease(client: Any, clock: FakeClock) -> None:
    """The answer to the first was lost, and the SDK sent it again: the condition fails on our own token."""
    store = DynamoStore(client, TABLE)
    names = iter(["token"])
    sync_registry = SyncRegistry(store, clock=clock, names=lambda: next(names))
    store.write(
        Update(
            key=Key(REPOSITORY, "row"),
            set={"id": 1, "lease_token": "token", "lease_expires": START + 60_000, "revision": 4},
        )
    )

    lease = sync_registry.knock(REPOSITORY)

    assert lease is not None
    assert (lease.token, lease.revision) == ("token", 4)


def test_what_a_batch_leaves_unwritten_is_sent_again(client: Any, stub: Stubber) -> None:
    clock = FakeClock()
    item = {"repository": "blob#x", "item": "blob"}
    put = {"PutRequest": {"Item": {"repository": {"S": "blob#x"}, "item": {"S": "blob"}}}}
    stub.add_response("batch_write_item", {"UnprocessedItems": {TABLE: [put]}})
    stub.add_response("batch_write_item", {"UnprocessedItems": {}}, {"RequestItems": {TABLE: [put]}})
    DynamoStore(client, TABLE, clock=clock).batch_put([item])
    stub.assert_no_pending_responses()
    assert len(clock.slept) == 1
