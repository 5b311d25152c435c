"""Backfill and comparison bring unannounced tags, and remove nothing where the primary lost everything."""

from __future__ import annotations

import pytest
from local.registries import RegistrySpec
from tests.integration.conftest import Place, StartRegistry
from tests.integration.secondary import Secondary, pushed
from tests.support.images import ImageMaker
from tests.support.proxy import Status

from geosync.comparing.catalogue import ABANDONED_AFTER_MS, is_due
from geosync.messages.work import CatalogueMessage
from geosync.sync_registry.items import SYNCED

WALK = CatalogueMessage().to_json()


@pytest.fixture
def primary(start_registry: StartRegistry) -> Place:
    """A registry with nothing in it but what the test pushes."""
    return Place(registry=start_registry(RegistrySpec(name="compared")))


def nothing_owed(secondary: Secondary, *repositories: str) -> bool:
    return not any(secondary.owed(repository) for repository in repositories)


def compare(secondary: Secondary, *repositories: str) -> None:
    secondary.receive(WALK)
    secondary.sweep_until(lambda: nothing_owed(secondary, *repositories), passing=0)


def test_a_backfill_finds_and_copies_what_was_there_before(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    repositories = [f"{repository}-{number}" for number in range(3)]
    images = [make.image(name, f"v{number}", layers=1) for name in repositories for number in range(3)]
    indexes = [make.index(name, "multi", children=2) for name in repositories]

    compare(secondary, *repositories)

    for made in (*images, *indexes):
        assert secondary.digest(made.repository, made.reference) == made.digest
    assert {secondary.row(name).state for name in repositories} == {SYNCED}
    walk = secondary.sync_registry.catalogue.latest()
    assert walk is not None
    assert walk.repositories == 3
    assert walk.finished_at is not None


@pytest.mark.parametrize(("there", "looks"), [((), 1), (("other",), 2)])
def test_a_tag_is_looked_for_here_before_its_copy_unless_none_was_listed(
    secondary: Secondary, second_registry: Place, make: ImageMaker, repository: str, there: tuple[str, ...], looks: int
) -> None:
    images = [make.image(repository, f"v{number}", layers=1) for number in range(3)]
    with second_registry.maker(seed=5) as somebody:
        for tag in there:
            somebody.image(repository, tag, layers=1)

    compare(secondary, repository)

    assert [secondary.digest(repository, one.reference) for one in images] == [one.digest for one in images]
    at_primary = secondary.primary_proxy.counts()
    assert (at_primary["GET", "tag"], ("HEAD", "tag") in at_primary) == (len(images), False)
    assert secondary.secondary_proxy.counts()["HEAD", "tag"] == looks * len(images)


def test_a_push_that_nobody_announced_is_healed(secondary: Secondary, make: ImageMaker, repository: str) -> None:
    secondary.receive(pushed(make.image(repository, "v1", layers=1)))
    moved = make.image(repository, "v1", layers=1)
    new = make.image(repository, "v2", layers=1)

    compare(secondary, repository)

    assert secondary.digest(repository, "v1") == moved.digest
    assert secondary.digest(repository, "v2") == new.digest


def test_what_somebody_changed_at_the_secondary_is_healed(
    secondary: Secondary, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    made = make.image(repository, "v1", layers=1)
    secondary.receive(pushed(made))
    with second_registry.maker(seed=5) as vandal:
        vandal.image(repository, "v1", layers=1)

    compare(secondary, repository)

    assert secondary.digest(repository, "v1") == made.digest


def test_a_tag_that_somebody_removed_at_the_secondary_is_healed(
    secondary: Secondary, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    images = [make.image(repository, f"v{number}", layers=1) for number in range(3)]
    secondary.receive(*map(pushed, images))
    with second_registry.maker() as vandal:
        vandal.delete(images[0])

    compare(secondary, repository)

    assert [secondary.digest(repository, one.reference) for one in images] == [one.digest for one in images]


def test_where_nothing_changed_a_tag_costs_one_look(secondary: Secondary, make: ImageMaker, repository: str) -> None:
    tags = 5
    secondary.receive(*(pushed(make.image(repository, f"v{number}", layers=1)) for number in range(tags)))
    secondary.reset()

    compare(secondary, repository)

    at_primary = {("GET", "catalog"): 1, ("GET", "tags"): 1, ("HEAD", "tag"): tags}
    # The first one finds out that there is no referrers API.
    assert secondary.primary_proxy.counts() == at_primary | {("GET", "referrers"): 1}
    assert secondary.secondary_proxy.counts() == {("GET", "tags"): 1, ("HEAD", "tag"): 1}, "one keeps watch"
    secondary.reset()

    compare(secondary, repository)

    assert secondary.primary_proxy.counts() == at_primary
    assert secondary.secondary_proxy.counts() == {("GET", "tags"): 1, ("HEAD", "tag"): 1}


def test_a_primary_that_comes_up_empty_takes_nothing_with_it(
    secondary: Secondary, start_registry: StartRegistry, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    made = make.image(repository, "v1", layers=1)
    secondary.receive(pushed(made))
    empty = Secondary(
        Place(registry=start_registry(RegistrySpec(name="emptied"))), second_registry, store=secondary.store
    )

    compare(empty, repository)
    empty.receive(
        '{"version":"1","kind":"work","repository":"' + repository + '","reason":"resync","references":["*"]}'
    )
    empty.sweep_until(lambda: nothing_owed(empty, repository))

    assert empty.digest(repository, "v1") == made.digest
    empty.close()


@pytest.mark.parametrize("status", [401, 400, 500])
def test_a_catalogue_that_cannot_be_read_changes_nothing(
    secondary: Secondary, make: ImageMaker, repository: str, status: int
) -> None:
    made = make.image(repository, "v1", layers=1)
    secondary.receive(pushed(made))
    secondary.primary_proxy.add(Status(status=status, kind="catalog", times=1000))

    secondary.receive(WALK)

    walk = secondary.sync_registry.catalogue.latest()
    assert walk is not None
    assert walk.finished_at is None
    assert secondary.digest(repository, "v1") == made.digest
    assert not secondary.owed(repository)


def test_a_walk_is_due_at_first_when_abandoned_and_when_its_time_has_come(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    assert is_due(secondary.sync_registry.catalogue.latest(), now_ms=0, every_s=0)
    make.image(repository, "v1", layers=1)
    secondary.primary_proxy.add(Status(status=400, kind="catalog"))
    secondary.receive(WALK)
    abandoned = secondary.sync_registry.catalogue.latest()
    assert abandoned is not None
    assert not is_due(abandoned, now_ms=abandoned.touched_at + ABANDONED_AFTER_MS - 1, every_s=0)
    assert is_due(abandoned, now_ms=abandoned.touched_at + ABANDONED_AFTER_MS, every_s=0)

    compare(secondary, repository)

    finished = secondary.sync_registry.catalogue.latest()
    assert finished is not None
    assert finished.started_at == abandoned.started_at
    assert not is_due(finished, now_ms=finished.started_at + 10**12, every_s=0)
    assert not is_due(finished, now_ms=finished.started_at + 59_999, every_s=60)
    assert is_due(finished, now_ms=finished.started_at + 60_000, every_s=60)


def test_a_walk_that_ran_out_of_time_goes_on_at_once(secondary: Secondary, make: ImageMaker, repository: str) -> None:
    made = make.image(repository, "v1", layers=1)
    secondary.deadline.set(0)
    secondary.receive(WALK)
    stopped = secondary.sync_registry.catalogue.latest()
    assert stopped is not None
    assert stopped.finished_at is None
    assert is_due(stopped, now_ms=stopped.started_at + 60_000, every_s=0)
    secondary.deadline.clear()

    compare(secondary, repository)

    finished = secondary.sync_registry.catalogue.latest()
    assert finished is not None
    assert finished.started_at == stopped.started_at
    assert secondary.digest(repository, "v1") == made.digest
