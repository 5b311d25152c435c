"""The two stores: in memory, and DynamoDB by moto. Each test runs on both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from tests.support.clock import FakeClock
from tests.support.filled import fill

from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table import tables
from geosync.sync_registry.table.changes import Store
from geosync.sync_registry.table.dynamodb import DynamoStore
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.timing import Timing

Make = Callable[[SyncRegistry], object]
TABLE = "sync-sync_registry"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        dynamodb = boto3.client("dynamodb", region_name="eu-west-1")
        tables.create(dynamodb, TABLE)
        yield dynamodb


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return MemoryStore()
    return DynamoStore(request.getfixturevalue("client"), TABLE, clock=FakeClock())


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def put(store: Store, request: pytest.FixtureRequest) -> Callable[[MemoryStore], None]:
    """Copy the items of another store into `store`."""

    def put(other: MemoryStore) -> None:
        if isinstance(store, MemoryStore):
            store.table.update(other.table)
        else:
            fill(request.getfixturevalue("client"), TABLE, other)

    return put


@pytest.fixture
def beforehand(put: Callable[[MemoryStore], None], clock: FakeClock) -> Callable[[Make], None]:
    """Fill a table with the items that `make` writes to a sync registry in memory."""

    def write(make: Make) -> None:
        memory = MemoryStore()
        make(SyncRegistry(memory, timing=Timing(), clock=clock))
        put(memory)

    return write


@pytest.fixture
def sync_registry(store: Store, clock: FakeClock) -> SyncRegistry:
    return SyncRegistry(store, timing=Timing(), clock=clock)
