"""A copy that broke off after a registry took its manifest at once: no later attempt takes half of it for the whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.support.ahead_clock import AheadClock
from tests.unit.syncing.test_holder import REPOSITORY, Site

from geosync.copying.refusals import MANY_PARTS
from geosync.errors import OutcomeUnknown, OutOfTime
from geosync.oci.manifests import Manifest
from geosync.oci.memory import GRAPHS_BYTES
from geosync.pair.registries import Registries
from geosync.sync_registry.items import Owed, Reference
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.timing import Timing
from geosync.sync_registry.transitions.marks import Mark
from geosync.syncing.ending import Ending

TAG = Reference.tag("v1")
SETTLE_S = 3600.0


class World:
    """A site whose secondary took manifests only with their parts, and does so no more."""

    def __init__(self) -> None:
        self.clock = AheadClock()
        self.site = Site(clock=self.clock, timing=Timing(settle_s=SETTLE_S, polls_s=()))
        self.primary, self.secondary = self.site.primary, self.site.secondary
        self.site.sync_registry.mark(REPOSITORY, Reference.tag("v0"))
        self.primary.add_image(b"layer 0", tag="v0")
        assert self.site.hold() is Ending.FINISHED, "the repository is not new"
        self.image = self.primary.add_image(b"layer 1", b"layer 2", tag="v1")
        self.stop_checking()

    def stop_checking(self) -> None:
        self.secondary.checks_blobs = self.secondary.checks_children = False

    def mark(self, reference: Reference = TAG, expects: Manifest | None = None) -> None:
        self.site.sync_registry.mark(REPOSITORY, reference, Mark(expects=expects.digest if expects else None))

    def settle(self) -> None:
        self.clock.ahead += round(2 * SETTLE_S * 1000)

    def break_off(self) -> None:
        """Have a holder run out of time when it has put the manifest and begins to look below it."""

        def end(verb: str, _: str) -> None:
            if verb == "POST upload":
                raise OutOfTime("the end")

        self.secondary.before = end
        assert self.site.hold() is Ending.OUT_OF_TIME
        self.secondary.before = lambda *_: None
        assert self.image.digest in self.secondary.manifests
        assert not self.is_whole()

    def is_whole(self) -> bool:
        return all(blob.digest in self.secondary.blobs for blob in self.image.blobs)

    def has_parts(self) -> bool:
        return self.is_whole() and all(child.digest in self.secondary.manifests for child in self.image.children)

    def owed(self, reference: Reference = TAG) -> Owed | None:
        return self.site.sync_registry.look(REPOSITORY, reference).owed


def by_digest(world: World) -> Reference:
    """A comparison found a digest missing."""
    reference = Reference.digest(world.image.digest)
    world.mark(reference)
    world.break_off()
    return reference


def tag_that_moved(world: World) -> Reference:
    """A comparison found that the tag, seen equal before, moved."""
    moved = world.image
    first = world.primary.add_image(b"another", tag="v1")
    world.secondary.checks_blobs = True
    world.mark(expects=first)
    assert world.site.hold() is Ending.FINISHED
    world.stop_checking()
    world.settle()
    world.primary.tagged["v1"] = moved.digest
    world.mark()
    world.break_off()
    return TAG


def postponed_before(world: World) -> Reference:
    """An event named it, and the primary showed it only when that was postponed."""
    other = world.primary.add_image(b"another", tag="v1")
    world.mark(expects=world.image)
    assert world.site.hold() is Ending.FINISHED
    assert world.primary.tagged["v1"] == other.digest
    world.primary.tagged["v1"] = world.image.digest
    world.settle()
    world.break_off()
    return TAG


def postponed_after(world: World) -> Reference:
    """An event named it; the attempt after the one that broke off was shown something older, and wrote nothing."""
    world.mark(expects=world.image)
    world.break_off()
    world.primary.add_image(b"older", tag="v1")
    assert world.site.hold() is Ending.FINISHED
    world.primary.tagged["v1"] = world.image.digest
    world.settle()
    return TAG


def marked_after_it_failed(world: World) -> Reference:
    """An operator asks anew for a tag that failed: the failure is forgotten."""
    world.mark(expects=world.image)
    world.break_off()
    owed = world.owed()
    assert owed is not None
    world.site.sync_registry.fail(owed, "it broke off")
    world.mark()
    world.settle()
    return TAG


def under_another_primary(world: World) -> Reference:
    """An event of the former primary named it: under this one it counts for nothing."""
    world.mark(expects=world.image)
    world.break_off()
    world.site.follow("another primary")
    return TAG


def marked_under_another_primary(world: World) -> Reference:
    """The comparison with the new primary marks it again."""
    tag_that_moved(world)
    world.site.follow("another primary")
    world.mark()
    world.settle()
    return TAG


def under_yet_another_primary(world: World) -> Reference:
    marked_under_another_primary(world)
    world.site.follow("yet another primary")
    return TAG


@pytest.mark.parametrize(
    "broken_off",
    [
        by_digest,
        tag_that_moved,
        postponed_before,
        postponed_after,
        marked_after_it_failed,
        under_another_primary,
        marked_under_another_primary,
        under_yet_another_primary,
    ],
)
def test_the_next_attempt_looks_below_before_it_discharges(broken_off: Callable[[World], Reference]) -> None:
    world = World()
    reference = broken_off(world)
    assert not world.is_whole()

    assert world.site.hold() is Ending.FINISHED
    assert world.is_whole()
    assert world.owed(reference) is None


def noted_from_now_on(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The digests of the copies that are noted, in turn."""
    noted: list[str] = []
    note_copy = SyncRegistry.note_copy

    def note(registry: SyncRegistry, owed: Owed, digest: str) -> Owed:
        noted.append(digest)
        return note_copy(registry, owed, digest)

    monkeypatch.setattr(SyncRegistry, "note_copy", note)
    return noted


def test_a_push_is_noted_when_it_breaks_off_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    noted = noted_from_now_on(monkeypatch)
    world.mark(expects=world.image)
    world.break_off()
    assert noted == [world.image.digest]
    assert world.site.hold() is Ending.FINISHED
    assert world.is_whole()
    world.mark(expects=world.primary.add_image(b"another", tag="v1"))
    assert world.site.hold() is Ending.FINISHED
    assert noted == [world.image.digest]


@pytest.mark.parametrize("is_announced", [True, False], ids=["of an event", "of a comparison"])
def test_a_copy_that_only_waited_for_memory_is_not_noted(
    monkeypatch: pytest.MonkeyPatch, *, is_announced: bool
) -> None:
    world = World()
    noted = noted_from_now_on(monkeypatch)
    index = world.primary.add_index(world.image, tag="v1")
    world.mark(expects=index if is_announced else None)
    world.settle()
    graphs = world.primary.memory.graphs
    graphs.take(GRAPHS_BYTES, world.secondary.deadline)
    world.secondary.deadline.set(0)
    assert world.site.hold() is Ending.OUT_OF_TIME
    assert noted == []
    assert world.secondary.of("PUT manifest").count("v1") == 0

    graphs.give_back(GRAPHS_BYTES)
    world.secondary.deadline.clear()
    assert world.site.hold() is Ending.FINISHED
    assert noted == ([] if is_announced else [index.digest])
    assert world.secondary.tagged["v1"] == index.digest


def test_half_a_copy_under_another_primary_gives_no_right_to_remove_it() -> None:
    world = World()
    under_another_primary(world)
    world.primary.tagged.clear()
    world.settle()
    assert world.site.hold() is Ending.FINISHED
    assert (world.owed(), "v1" in world.secondary.tagged) == (None, True)


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("checks_children", [True, False], ids=["children are checked", "nothing is checked"])
def test_an_index_whose_copy_failed_is_looked_below_down_to_the_blobs_of_its_children(
    *, depth: int, checks_children: bool
) -> None:
    """A child was put before its blobs, by the copy of its own reference, beside that of the index."""
    world = World()
    world.mark(Reference.digest(world.image.digest))
    world.break_off()
    world.secondary.checks_children = checks_children
    child = world.owed(Reference.digest(world.image.digest))
    index = world.primary.add_index(world.image, tag="v1")
    for _ in range(depth - 1):
        index = world.primary.add_index(index, tag="v1")
    world.mark(expects=index)
    owed = world.owed()
    assert child is not None
    assert owed is not None
    world.site.sync_registry.fail(child, "a blob did not come", parked=True)  # nobody tries it by itself any more
    failed = world.site.sync_registry.fail(owed, "a blob did not come")
    assert failed is not None
    world.site.sync_registry.bring_forward(failed)

    assert world.site.hold() is Ending.FINISHED
    assert world.secondary.tagged["v1"] == index.digest
    assert world.is_whole()


def index_of_many(world: World) -> Manifest:
    """Push an index of as many images, each of one config, as `v1`."""
    images = (world.primary.add_image(config=f"config {number}".encode()) for number in range(MANY_PARTS))
    world.image = world.primary.add_index(*images, tag="v1")
    return world.image


def image_of_many(world: World) -> Manifest:
    """Push an image of as many blobs as a registry may look for too long, as `v1`."""
    world.image = world.primary.add_image(*(f"layer {number}".encode() for number in range(1, MANY_PARTS)), tag="v1")
    return world.image


@pytest.mark.parametrize("is_held", [False, True], ids=["it answers others", "it is held"])
@pytest.mark.parametrize("push_many", [image_of_many, index_of_many])
def test_parts_that_a_registry_does_not_refuse_in_time_come_with_the_next_attempt(
    push_many: Callable[[World], Manifest], monkeypatch: pytest.MonkeyPatch, *, is_held: bool
) -> None:
    """It looks for each of 1,000 layers before it refuses the image, and for each child of an index."""
    world = World()
    world.secondary.checks_blobs = world.secondary.checks_children = True
    pushed = push_many(world)
    world.mark(expects=pushed)

    def answer_late(verb: str, what: str) -> None:
        if (verb, what) == ("PUT manifest", "v1") and not world.has_parts():
            raise OutcomeUnknown("secondary:5000", "PUT manifest", detail="no answer within 20 s")

    world.secondary.before = answer_late
    monkeypatch.setattr(Registries, "answers", lambda *_: not is_held)
    world.site.hold()
    failed = world.owed()
    assert failed is not None
    assert (failed.attempts, world.secondary.tagged.get("v1")) == (0 if is_held else 1, None)

    world.settle()  # and no write is outstanding
    assert world.site.hold() is Ending.FINISHED
    assert (world.owed(), world.secondary.tagged["v1"]) == (None, pushed.digest)
    assert world.has_parts()


@pytest.mark.parametrize("is_counted", [True, False], ids=["it failed", "its registry was on hold"])
def test_a_hold_does_not_multiply_the_requests_of_the_next_attempt(*, is_counted: bool) -> None:
    world = World()
    world.secondary.checks_blobs = world.secondary.checks_children = True
    image = image_of_many(world)
    world.secondary.blobs |= {blob.digest: world.primary.blobs[blob.digest] for blob in image.blobs[:-1]}
    world.mark(expects=image)
    owed = world.owed()
    assert owed is not None
    if is_counted:
        world.site.sync_registry.fail(owed, "a blob did not come")
    else:
        world.site.sync_registry.hold_back(owed, world.clock.now_ms(), "429")
    world.settle()
    assert world.site.hold() is Ending.FINISHED
    assert world.secondary.tagged["v1"] == image.digest
    assert len(world.secondary.of("POST upload")) == 2 + (MANY_PARTS if is_counted else 1), "two are of v0"


def forgotten_when_the_tag_moved(world: World) -> None:
    world.primary.add_image(b"another", tag="v1")


def forgotten_when_the_tag_was_deleted(world: World) -> None:
    world.primary.tagged.clear()
    world.primary.tags = lambda *_, **__: iter((["another"],))  # type: ignore[method-assign]


@pytest.mark.parametrize("forgotten", [forgotten_when_the_tag_moved, forgotten_when_the_tag_was_deleted])
def test_half_a_copy_is_owed_by_its_digest_once_its_tag_is_another_one(forgotten: Callable[[World], None]) -> None:
    """No event named it. An index that names it takes it for whole where it is found."""
    world = World()
    world.mark()
    world.settle()
    world.break_off()
    forgotten(world)
    world.settle()
    for _ in range(3):
        assert world.site.hold() is Ending.FINISHED
        world.settle()
    assert world.owed() is None
    assert world.is_whole()
    assert world.owed(Reference.digest(world.image.digest)) is None


def test_the_children_of_an_index_that_did_not_break_off_are_not_looked_below() -> None:
    world = World()
    world.mark(Reference.digest(world.image.digest))
    world.settle()
    assert world.site.hold() is Ending.FINISHED
    index = world.primary.add_index(world.image, tag="v1")
    world.mark(expects=index)
    before = len(world.secondary.requests)
    assert world.site.hold() is Ending.FINISHED
    made = world.secondary.requests[before:]
    assert ("HEAD manifest", world.image.digest) in made
    assert not {what for _, what in made} & {blob.digest for blob in world.image.blobs}
