"""Fixtures of the copier's tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from tests.unit.copying.sites import Site


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = {thread for thread in threading.enumerate() if thread.name.startswith("copy-")}
    yield
    assert {thread for thread in threading.enumerate() if thread.name.startswith("copy-")} == before
