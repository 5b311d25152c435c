"""Fixtures of the copier's tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from tests.support.clock import FakeClock
from tests.unit.copying.asked import OWN, SMALL, large_layers
from tests.unit.copying.sites import Site
from tests.unit.copying.tables import CountingStore

from geosync.copying.sharing import Sharing
from geosync.oci.manifests import Manifest
from geosync.sync_registry.shared_blobs import SharedBlobItems


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = {thread for thread in threading.enumerate() if thread.name.startswith("copy-")}  # they may end meanwhile
    yield
    assert {thread for thread in threading.enumerate() if thread.name.startswith("copy-")} <= before


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@pytest.fixture
def items(store: CountingStore, clock: FakeClock) -> SharedBlobItems:
    return SharedBlobItems(store, clock)


@pytest.fixture
def sharing(items: SharedBlobItems, clock: FakeClock) -> Sharing:
    return Sharing(items, repository=OWN, token="mine", clock=clock)


@pytest.fixture
def image(site: Site) -> Manifest:
    """Ten layers of 360 to 400 bytes; 3,600 in all."""
    return site.source.add_image(*large_layers(), config=SMALL)
