"""Secondaries whose registry can be broken: its storage is a folder, and it remembers blobs or does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from local.registries import FileSystem, RegistrySpec
from tests.integration.conftest import Place, StartRegistry
from tests.integration.secondary import Secondary, quick
from tests.support.images import ImageMaker

TIMING = quick(settle=10.0, suspect=10.0)


@dataclass(frozen=True, kw_only=True)
class Breakable:
    """A registry and where its blobs are."""

    place: Place
    root: Path

    def blob(self, digest: str) -> Path:
        """The file of a blob or a manifest."""
        algorithm, _, hexadecimal = digest.partition(":")
        return self.root / "docker/registry/v2/blobs" / algorithm / hexadecimal[:2] / hexadecimal / "data"


@pytest.fixture(scope="session")
def forgetful(start_registry: StartRegistry, tmp_path_factory: pytest.TempPathFactory) -> Breakable:
    """A registry without a cache of blob descriptors: each HEAD looks at the storage."""
    root = tmp_path_factory.mktemp("forgetful-data")
    storage = {
        "filesystem": {"rootdirectory": str(root)},
        "delete": {"enabled": True},
        "maintenance": {"uploadpurging": {"enabled": False}},
    }
    spec = RegistrySpec(name="forgetful", more={"storage": storage}, foreign_urls=("^https://example\\.com/",))
    return Breakable(place=Place(registry=start_registry(spec)), root=root)


@pytest.fixture(scope="session")
def remembering(start_registry: StartRegistry, tmp_path_factory: pytest.TempPathFactory) -> Breakable:
    """A registry with the Debian package's cache of descriptors: a blob that was there once is reported for ever."""
    root = tmp_path_factory.mktemp("remembering-data")
    spec = RegistrySpec(name="remembering", storage=FileSystem(root=root))
    return Breakable(place=Place(registry=start_registry(spec)), root=root)


@pytest.fixture
def make(plain_registry: Place) -> Iterator[ImageMaker]:
    with plain_registry.maker(seed=time.time_ns()) as maker:
        yield maker


@pytest.fixture
def follow(plain_registry: Place) -> Iterator[Callable[..., Secondary]]:
    """Make secondaries of `plain_registry` that end with the test."""
    made: list[Secondary] = []

    def secondary(breakable: Breakable, **more: Any) -> Secondary:
        made.append(Secondary(plain_registry, breakable.place, timing=TIMING, **more))
        return made[-1]

    yield secondary
    for one in made:
        one.close()


@pytest.fixture
def secondary(follow: Callable[..., Secondary], forgetful: Breakable) -> Secondary:
    return follow(forgetful)
