"""A copy that broke off, and left the selection before it was whole: selected again, it is not taken for whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.unit.copying.fakes import FakeRegistry
from tests.unit.syncing.test_half_copied import TAG, World
from tests.unit.syncing.test_holder import REPOSITORY

from geosync.comparing.missing import Removals
from geosync.comparing.rows import Rows
from geosync.pair.selection import EVERYTHING, Selection
from geosync.sync_registry.half_copies import HalfCopy
from geosync.sync_registry.held_lease import HeldLease
from geosync.sync_registry.items import Reference
from geosync.sync_registry.transitions.marks import Mark
from geosync.syncing.ending import Ending

WITHOUT_TAG = Selection.parse(exclude_tags="v1")
WITHOUT_REPOSITORY = Selection.parse(exclude_repositories=REPOSITORY)


@pytest.fixture(params=[False, True], ids=["what is outside stays", "what is outside goes"])
def world(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> World:
    """A world in which the copy of a tag broke off, and whose registries list their tags."""

    def tags(registry: FakeRegistry, repository: str, *, last: str | None = None) -> Iterator[list[str]]:
        yield sorted(tag for tag in registry.tagged if last is None or tag > last)

    monkeypatch.setattr(FakeRegistry, "tags", tags)
    monkeypatch.setattr(FakeRegistry, "repositories", lambda *_, **__: iter([[REPOSITORY]]))
    world = World()
    world.site.removes_outside = request.param
    return world


def select(world: World, selection: Selection) -> None:
    world.site.selection = selection
    world.settle()
    assert world.site.hold() is Ending.FINISHED


def compare(world: World) -> None:
    """Have the whole repository compared, and what that finds worked off."""
    world.site.sync_registry.mark(REPOSITORY, Reference.whole())
    assert world.site.hold() is Ending.FINISHED
    world.settle()
    assert world.site.hold() is Ending.FINISHED


def halves(world: World) -> list[HalfCopy]:
    return world.site.sync_registry.half_copies.of(REPOSITORY, limit=10)


@pytest.mark.parametrize("narrow", [WITHOUT_TAG, WITHOUT_REPOSITORY], ids=["its tag", "its repository"])
@pytest.mark.parametrize("is_announced", [True, False], ids=["of an event", "of a comparison"])
def test_half_a_copy_that_left_the_selection_is_brought_once_it_is_selected_again(
    world: World, narrow: Selection, *, is_announced: bool
) -> None:
    world.mark(expects=world.image if is_announced else None)
    world.settle()
    world.break_off()
    select(world, narrow)
    assert world.owed() is None
    compare(world)
    assert not world.is_whole(), "nothing outside the selection is brought"
    assert [(one.digest, one.tags) for one in halves(world)] == [(world.image.digest, frozenset({"v1"}))]

    world.site.selection = EVERYTHING
    compare(world)
    assert world.secondary.tagged["v1"] == world.image.digest
    assert world.is_whole()
    assert (world.site.sync_registry.owed(REPOSITORY), halves(world)) == ([], [])


def test_half_a_copy_is_brought_even_after_a_mark_cleared_its_failure(world: World) -> None:
    """A comparison marks what is parked in a repository outside, so that it goes from what is owed."""
    world.mark(expects=world.image)
    world.break_off()
    owed = world.owed()
    assert owed is not None
    world.site.sync_registry.fail(owed, "a blob did not come", parked=True)
    world.site.selection = WITHOUT_REPOSITORY
    compare(world)
    assert world.site.sync_registry.owed(REPOSITORY) == []
    world.site.selection = EVERYTHING
    compare(world)
    assert world.is_whole()


def test_half_a_copy_of_a_push_by_digest_is_brought_too(world: World) -> None:
    reference = Reference.digest(world.image.digest)
    world.primary.tagged.pop("v1")
    world.mark(reference)
    world.break_off()
    select(world, WITHOUT_REPOSITORY)
    assert world.owed(reference) is None
    select(world, WITHOUT_TAG)
    compare(world)
    assert not world.is_whole(), "where tags are selected, what has none is not"
    world.site.selection = EVERYTHING
    compare(world)
    assert world.is_whole()
    assert halves(world) == []


def test_half_a_copy_of_two_tags_is_brought_when_one_of_them_is_selected_again(world: World) -> None:
    world.primary.tagged["v2"] = world.image.digest
    world.mark()
    world.mark(Reference.tag("v2"))
    world.settle()
    world.break_off()
    select(world, Selection.parse(exclude_tags="v1, v2"))
    assert [one.tags for one in halves(world)] == [frozenset({"v1", "v2"})]
    world.site.selection = WITHOUT_TAG
    compare(world)
    assert world.is_whole()
    assert halves(world) == []


def test_a_manifest_that_nobody_began_to_copy_leaves_nothing_behind(world: World) -> None:
    """Where tags are selected, each child of each push leaves so."""
    world.site.selection = WITHOUT_TAG
    world.mark(Reference.digest(world.image.digest), expects=world.image)
    assert world.site.hold() is Ending.FINISHED
    assert world.site.sync_registry.owed(REPOSITORY) == []
    assert halves(world) == []


def test_half_a_copy_from_one_primary_is_brought_from_another(world: World) -> None:
    world.mark(expects=world.image)
    world.break_off()
    select(world, WITHOUT_TAG)
    world.site.follow("another primary")
    world.site.sync_registry.mark(REPOSITORY, TAG, Mark())
    world.site.selection = EVERYTHING
    compare(world)
    assert world.is_whole()


def forget(world: World) -> None:
    """Forget the repository, as the walk does after the change of the selection."""
    removals = Removals(breaker=world.site.sync_registry.breaker)
    rows = Rows(world.site.sync_registry, WITHOUT_REPOSITORY, removals, check=lambda: None, on_death=lambda _: None)
    assert rows.forget(REPOSITORY)
    assert (world.site.sync_registry.row(REPOSITORY), world.site.sync_registry.owed(REPOSITORY)) == (None, [])


@pytest.mark.parametrize("by_digest", [False, True], ids=["a tag", "a digest"])
@pytest.mark.parametrize("is_recorded", [False, True], ids=["it is still owed", "it was discharged"])
def test_half_a_copy_is_brought_even_after_its_repository_was_forgotten(
    world: World, *, is_recorded: bool, by_digest: bool
) -> None:
    world.mark(Reference.digest(world.image.digest) if by_digest else TAG, expects=world.image)
    world.break_off()
    if is_recorded:
        select(world, WITHOUT_REPOSITORY)
    forget(world)
    assert [one.digest for one in halves(world)] == [world.image.digest]

    world.site.selection = EVERYTHING
    compare(world)
    assert world.secondary.tagged.get("v1") == world.image.digest
    assert world.is_whole()
    assert (world.site.sync_registry.owed(REPOSITORY), halves(world)) == ([], [])


def test_forgetting_records_what_a_vanished_holder_may_have_left_half_and_nothing_else(world: World) -> None:
    registry = world.site.sync_registry
    half, whole = Reference.digest(world.image.digest), Reference.digest("sha256:" + "0" * 64)
    for reference in (half, whole):
        registry.mark(REPOSITORY, reference, Mark(expects=reference.value))
    lease = registry.acquire(REPOSITORY)
    assert lease is not None
    HeldLease(registry, lease).work_on(frozenset({half.seen_key}), at_once=True)
    world.settle()
    forget(world)
    assert [one.digest for one in halves(world)] == [world.image.digest]
