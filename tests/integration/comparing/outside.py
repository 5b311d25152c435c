"""A secondary whose selection changes, and helpers that look at the tags outside of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from local.registries import RegistrySpec
from tests.integration.conftest import Place, StartRegistry
from tests.integration.secondary import Secondary, pushed, quick
from tests.support.images import ImageMaker, Made

from geosync.messages.work import CatalogueMessage, WorkMessage
from geosync.pair.selection import Selection
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site.breaker import Limits
from geosync.sync_registry.site.findings import Finding

WINDOW = 0.3
QUICK = quick(settle=0.3, suspect=0.3)


@pytest.fixture
def primary(start_registry: StartRegistry) -> Place:
    """A registry with nothing in it but what the test pushes."""
    return Place(registry=start_registry(RegistrySpec(name="selected")))


@pytest.fixture
def secondary(primary: Place, second_registry: Place) -> Iterator[Secondary]:
    one = Secondary(primary, second_registry, timing=QUICK, limits=Limits(window_s=WINDOW), removes_outside=True)
    yield one
    one.close()


def select(secondary: Secondary, **patterns: str) -> None:
    secondary.registries = replace(secondary.registries, selection=Selection.parse(**patterns))
    secondary.open()


def fill(secondary: Secondary, make: ImageMaker, repository: str, *tags: str) -> dict[str, Made]:
    images = {tag: make.image(repository, tag, layers=1) for tag in tags}
    secondary.receive(*map(pushed, images.values()))
    return images


def work_off(secondary: Secondary) -> None:
    secondary.sweep_until(lambda: not any(key.item.startswith("owed#") for key in secondary.store.table))
    secondary.have_passed(WINDOW)


def walk(secondary: Secondary) -> None:
    """Compare everything, work off what that brings, and let the window pass."""
    secondary.receive(CatalogueMessage().to_json())
    work_off(secondary)


def resync(secondary: Secondary, repository: str, *tags: str, if_absent: str | None = None) -> None:
    references = tuple(map(Reference.tag, tags)) or (Reference.whole(),)
    message = WorkMessage(repository=repository, reason="resync", references=references, if_absent=if_absent)
    secondary.receive(message.to_json())
    work_off(secondary)


def here(secondary: Secondary, images: dict[str, Made]) -> list[str]:
    """The tags that the secondary has as they were pushed."""
    return [tag for tag, made in images.items() if secondary.digest(made.repository, tag) == made.digest]


def finding(secondary: Secondary, repository: str) -> Finding:
    found = secondary.sync_registry.findings.get(repository)
    assert found is not None
    return found
