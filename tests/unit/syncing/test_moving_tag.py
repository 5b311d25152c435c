"""A tag that Geosync put at the secondary names a whole image until the next one is there, however it came there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.syncing.test_half_copied import World
from tests.unit.syncing.test_holder import REPOSITORY

from geosync.oci.manifests import Manifest
from geosync.sync_registry.items import UNNAMED, Reference
from geosync.sync_registry.transitions.marks import Mark
from geosync.syncing.ending import Ending


def put(world: World, *events: str) -> Manifest:
    """Have the tag be another image first, which events announce, and `events` before them."""
    first = world.primary.add_image(b"another", tag="v1")
    world.secondary.checks_blobs = True
    for expects in (*events, first.digest):
        world.site.sync_registry.mark(REPOSITORY, Reference.tag("v1"), Mark(expects=expects))
    assert world.site.hold() is Ending.FINISHED
    assert world.secondary.tagged["v1"] == first.digest
    world.stop_checking()
    world.primary.tagged["v1"] = world.image.digest
    return first


def seen(world: World) -> Manifest:
    return put(world)


def seen_under_another_primary(world: World) -> Manifest:
    first = put(world)
    world.site.follow("another primary")
    return first


def announced_and_never_proved(world: World) -> Manifest:
    """An event before it named another push: what the primary shows may change yet."""
    first = put(world, f"sha256:{1:064x}")
    assert world.owed() is not None
    return first


def noted_and_never_proved(world: World) -> Manifest:
    """An operator asks for it: nothing names the digest but the note of its copy."""
    first = world.primary.add_image(b"another", tag="v1")
    world.secondary.checks_blobs = True
    world.site.sync_registry.mark(REPOSITORY, Reference.tag("v1"), Mark(expects=UNNAMED))
    assert world.site.hold() is Ending.FINISHED
    assert world.secondary.tagged["v1"] == first.digest
    owed = world.owed()
    assert owed is not None
    assert not owed.named
    assert owed.copied == {first.digest}
    world.stop_checking()
    world.primary.tagged["v1"] = world.image.digest
    return first


def noted_under_another_primary(world: World) -> Manifest:
    first = noted_and_never_proved(world)
    world.site.follow("another primary")
    return first


@pytest.mark.parametrize(
    "put_before",
    [
        seen,
        seen_under_another_primary,
        announced_and_never_proved,
        noted_and_never_proved,
        noted_under_another_primary,
    ],
)
def test_a_copy_that_breaks_off_leaves_the_tag_that_geosync_put_there(put_before: Callable[[World], Manifest]) -> None:
    world = World()
    before = put_before(world)
    world.mark(expects=world.image)
    world.break_off()
    assert world.secondary.tagged["v1"] == before.digest
    assert world.site.hold() is Ending.FINISHED
    assert world.secondary.tagged["v1"] == world.image.digest
    assert world.is_whole()


def test_a_tag_that_nobody_put_there_is_put_at_once() -> None:
    world = World()
    world.mark(expects=world.image)
    world.break_off()
    assert world.secondary.tagged["v1"] == world.image.digest
    assert world.image.digest not in world.secondary.of("PUT manifest")
