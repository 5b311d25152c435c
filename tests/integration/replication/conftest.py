"""The copier between real registries, seen through a counting proxy at each end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.integration.conftest import Place
from tests.integration.replication.ways import Way


@pytest.fixture
def ways() -> Iterator[Callable[..., Way]]:
    """Make ways between registries that end with the test."""
    made: list[Way] = []

    def way(source: Place, destination: Place, repository: str, *, latency: float = 0.0) -> Way:
        made.append(Way(source, destination, repository, latency=latency))
        return made[-1]

    yield way
    for one in made:
        one.close()


@pytest.fixture
def way(ways: Callable[..., Way], plain_registry: Place, second_registry: Place, repository: str) -> Way:
    """From the file system to the file system; nobody is asked."""
    return ways(plain_registry, second_registry, repository)
