"""A repository that GitLab's registry renamed: the new name is filled from the old one, the old one goes on proof."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from local.registries import RegistrySpec
from tests.integration.conftest import Place, StartRegistry
from tests.integration.secondary import Secondary, event, pushed, quick
from tests.support.images import ImageMaker

from geosync.messages.geo_event import RENAME_VERSION, GeoEvent


@pytest.fixture
def primary(start_registry: StartRegistry) -> Place:
    return Place(registry=start_registry(RegistrySpec(name="renamed")))


@pytest.fixture
def secondary(primary: Place, second_registry: Place) -> Iterator[Secondary]:
    one = Secondary(primary, second_registry, timing=quick(settle=0.3, suspect=0.3))
    yield one
    one.close()


def renamed(former: str, current: str) -> GeoEvent:
    return replace(event("deleted", current), event_name="updated", renamed_from=former, version=RENAME_VERSION)


def settle(secondary: Secondary) -> None:
    secondary.sweep_until(lambda: not any(key.item.startswith("owed#") for key in secondary.store.table))


def test_the_new_name_is_mounted_from_the_old_one_and_the_old_one_goes(
    secondary: Secondary, primary: Place, make: ImageMaker, repository: str
) -> None:
    former, current = f"{repository}/old", f"{repository}/new"
    image = make.image(former, "v1", layers=3)
    index = make.index(former, "multi", children=2)
    below = make.image(f"{former}/part/two", "v2", layers=1)
    sibling = make.image(f"{former}-er", "v1", layers=1)
    secondary.receive(*map(pushed, (image, index, below, sibling)))
    folder = next(primary.registry.folder.rglob(f"repositories/{former}"))
    folder.rename(folder.parent / "new")
    secondary.reset()

    secondary.receive(renamed(former, current))
    settle(secondary)

    assert secondary.digest(current, "v1") == image.digest
    assert secondary.digest(current, "multi") == index.digest
    assert secondary.digest(f"{current}/part/two", "v2") == below.digest
    assert [one for one in secondary.primary_proxy.exchanges if one.kind == "blob"] == [], "no byte came from far"
    for tag in ("v1", "multi"):
        assert secondary.digest(former, tag) is None
    assert secondary.digest(f"{former}/part/two", "v2") is None
    assert secondary.digest(sibling.repository, "v1") == sibling.digest
    assert secondary.row(former).missing_on_primary
    assert not secondary.registry.breaker.state().suspended


def test_a_rename_that_the_primary_does_not_bear_out_removes_nothing(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    image = make.image(f"{repository}/old", "v1", layers=1)
    secondary.receive(pushed(image))

    secondary.receive(renamed(f"{repository}/old", f"{repository}/new"))
    settle(secondary)

    assert secondary.digest(f"{repository}/old", "v1") == image.digest
    assert secondary.digest(f"{repository}/new", "v1") is None


def test_what_was_pushed_after_the_rename_comes_from_the_primary(
    secondary: Secondary, primary: Place, make: ImageMaker, repository: str
) -> None:
    former, current = f"{repository}/old", f"{repository}/new"
    secondary.receive(pushed(make.image(former, "v1", layers=1)))
    folder = next(primary.registry.folder.rglob(f"repositories/{former}"))
    folder.rename(folder.parent / "new")
    later = make.image(current, "v2", layers=1)

    secondary.receive(renamed(former, current))
    secondary.receive(pushed(later))
    settle(secondary)

    assert secondary.digest(current, "v2") == later.digest
