"""The copier, and a whole secondary, between real registries, seen through a counting proxy at each end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from tests.integration.conftest import Place
from tests.integration.secondary import Secondary
from tests.integration.ways import Way
from tests.support.images import ImageMaker


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
    """A way between two registries on the file system, without passwords."""
    return ways(plain_registry, second_registry, repository)


@pytest.fixture
def primary(plain_registry: Place) -> Place:
    """The primary's registry, which other tests push to as well."""
    return plain_registry


@pytest.fixture
def secondary(primary: Place, second_registry: Place) -> Iterator[Secondary]:
    one = Secondary(primary, second_registry)
    yield one
    one.close()


@pytest.fixture
def make(primary: Place) -> Iterator[ImageMaker]:
    """An image maker for the primary's registry, past the proxy."""
    with primary.maker(seed=time.time_ns()) as maker:
        yield maker
