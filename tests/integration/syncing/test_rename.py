"""A repository that GitLab's registry renamed: the new name is mounted from the old one, which goes on proof."""

from __future__ import annotations

import shutil
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
    assert secondary.sync_registry.breaker.state().doubts == 0


def test_a_rename_of_a_group_removes_nothing_where_the_primary_is_empty(
    secondary: Secondary, primary: Place, make: ImageMaker, repository: str
) -> None:
    """The primary has nothing under the new name either: the tags are counted as those that a comparison misses."""
    images = [make.image(f"{repository}/old/{name}", "v1", layers=1) for name in ("a", "b", "c/d")]
    secondary.receive(*map(pushed, images))
    shutil.rmtree(next(primary.registry.folder.rglob("docker")))

    secondary.receive(renamed(f"{repository}/old", f"{repository}/new"))
    settle(secondary)
    secondary.decide_about_deletes()

    assert [secondary.digest(one.repository, "v1") for one in images] == [one.digest for one in images]
    state = secondary.sync_registry.breaker.state()
    assert state.suspended
    assert "1 of the 1 tags of" in str(state.reason)
    assert "DELETE" not in {method for method, _ in secondary.secondary_proxy.counts()}


def test_tags_that_the_renamed_repository_has_not_at_the_primary_are_missing_and_stay(
    secondary: Secondary, primary: Place, make: ImageMaker, repository: str
) -> None:
    """The primary was restored from a backup that knows the new name with one of its three tags."""
    former, current = f"{repository}/old", f"{repository}/new"
    images = [make.image(former, tag, layers=1) for tag in ("v1", "v2", "v3")]
    secondary.receive(*map(pushed, images))
    for one in images[1:]:
        make.delete(one)
    folder = next(primary.registry.folder.rglob(f"repositories/{former}"))
    folder.rename(folder.parent / "new")

    secondary.receive(renamed(former, current))
    settle(secondary)

    assert secondary.digest(former, "v1") is None
    assert [secondary.digest(former, one.reference) for one in images[1:]] == [one.digest for one in images[1:]]
    finding = secondary.sync_registry.findings.get(former)
    assert finding is not None
    assert finding.missing_names == ("v2", "v3")


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
