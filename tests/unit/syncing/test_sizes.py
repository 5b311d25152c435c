"""The size of an image is kept beside its digest, by the write that discharges the tag and by no other."""

from __future__ import annotations

from tests.support.ahead_clock import AheadClock
from tests.unit.syncing.test_holder import REPOSITORY, Site

from geosync.oci.manifests import Manifest
from geosync.sync_registry.items import Reference, Seen
from geosync.sync_registry.table.changes import Key, Update
from geosync.sync_registry.timing import Timing
from geosync.sync_registry.transitions.marks import Mark
from geosync.syncing.ending import Ending

TAG = Reference.tag("v1")


class World(Site):
    """A site whose pushes are far apart."""

    def __init__(self) -> None:
        self.ahead = AheadClock()
        super().__init__(clock=self.ahead, timing=Timing(polls_s=()))


def push(site: World, image: Manifest | None) -> None:
    """Mark the tag and have a holder make it equal; None: nobody says what it is."""
    site.ahead.ahead += 3_600_000
    site.sync_registry.mark(REPOSITORY, TAG, Mark(expects=image.digest if image is not None else None))
    assert site.hold() is Ending.FINISHED


def seen(site: World) -> Seen:
    (found,) = (one for reference, one in site.sync_registry.seen_tags(REPOSITORY, limit=9) if reference == TAG)
    return found


def test_a_copy_leaves_the_size_of_the_tag() -> None:
    site = World()
    push(site, site.primary.add_image(b"layer", b"other", config=b"config", tag="v1"))
    assert seen(site).size_bytes == len(b"layer" + b"other" + b"config")
    image = site.primary.add_image(b"longer layer", tag="v2")
    push(site, site.primary.add_index(image, tag="v1"))
    assert seen(site).size_bytes == len(b"longer layer" + b"{}")


def test_an_index_that_is_only_looked_at_keeps_its_size_under_another_primary_too() -> None:
    site = World()
    push(site, site.primary.add_index(site.primary.add_image(b"layer"), tag="v1"))
    size = seen(site).size_bytes
    push(site, None)
    assert seen(site).size_bytes == size == len(b"layer" + b"{}")
    site.follow("another primary")
    push(site, None)
    assert seen(site).size_bytes == size


def test_an_image_that_was_there_before_has_a_size_because_its_referrers_are_asked_for() -> None:
    site = World()
    for registry in (site.primary, site.secondary):
        image = registry.add_image(b"layer", tag="v1")
    push(site, None)
    assert site.secondary.count("PUT manifest") == 0
    assert seen(site).size_bytes == sum(blob.size for blob in image.blobs)


def test_another_digest_never_has_the_size_of_the_one_before_whoever_wrote_it() -> None:
    site = World()
    push(site, site.primary.add_image(b"layer", tag="v1"))
    # As the version before writes what it saw, while a stack is updated.
    site.store.write(Update(key=Key(REPOSITORY, TAG.seen_key), set={"digest": f"sha256:{'b' * 64}"}))
    assert seen(site).size_bytes is None
    push(site, site.primary.add_image(b"another", tag="v1"))
    assert seen(site).size_bytes == len(b"another" + b"{}")
