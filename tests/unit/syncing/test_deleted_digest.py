"""A deletion that is announced by its digest alone: its tags go one DeletionDelay later, whether seen or still owed."""

from __future__ import annotations

import pytest
from tests.support.ahead_clock import AheadClock
from tests.unit.copying.fakes import FakeRegistry
from tests.unit.syncing.test_holder import REPOSITORY, Site

from geosync.oci.manifests import Manifest
from geosync.sync_registry.items import ABSENT, Reference
from geosync.sync_registry.timing import Timing
from geosync.sync_registry.transitions.marks import Mark
from geosync.syncing.ending import Ending

TAG = Reference.tag("v1")
SETTLE_S, DELAY_S = 3_600, 864_000


class World:
    """A site with a DeletionDelay, and the image of a tag that its primary deletes by digest."""

    def __init__(self) -> None:
        self.clock = AheadClock()
        timing = Timing(settle_s=SETTLE_S, polls_s=(), deletion_delay_s=DELAY_S)
        self.site = Site(clock=self.clock, timing=timing)
        self.image = self.site.primary.add_image(b"layer", tag="v1")

    def mark(self, reference: Reference, expects: str) -> None:
        self.site.sync_registry.mark(REPOSITORY, reference, Mark(expects=expects))

    def push(self, *announced: Manifest) -> None:
        """Have events name `announced` under the tag, and a holder bring what the primary shows."""
        for one in announced:
            self.mark(TAG, one.digest)
        assert self.site.hold() is Ending.FINISHED
        assert self.is_here()

    def delete(self) -> None:
        """Delete the image at the primary, by its digest, and its tag with it, as Distribution does."""
        self.site.primary.tagged.clear()
        del self.site.primary.manifests[self.image.digest]

    def hold_after(self, seconds: int) -> None:
        self.clock.ahead += seconds * 1000
        assert self.site.hold() is Ending.FINISHED

    def is_here(self) -> bool:
        return self.site.secondary.tagged.get("v1") == self.image.digest

    def owed(self) -> list[Reference]:
        return [one.reference for one in self.site.sync_registry.owed(REPOSITORY)]


@pytest.mark.parametrize("is_owed", [False, True], ids=["its tag was seen", "its tag is still owed"])
def test_a_tag_goes_one_deletion_delay_after_its_digest(monkeypatch: pytest.MonkeyPatch, *, is_owed: bool) -> None:
    monkeypatch.setattr(FakeRegistry, "tags", lambda registry, *_, **__: iter([sorted(registry.tagged)]))
    monkeypatch.setattr(FakeRegistry, "repositories", lambda *_, **__: iter([[REPOSITORY]]))
    world = World()
    if is_owed:
        world.push(world.site.primary.add_image(b"another"), world.image)  # no answer is proof before the settle time
    else:
        world.push(world.image)
    assert world.owed() == [TAG] * is_owed
    world.delete()
    if is_owed:
        world.hold_after(2 * SETTLE_S)
        assert world.owed() == [TAG], "it waits for its own delay, as nobody said that it was deleted"

    world.mark(Reference.digest(world.image.digest), ABSENT)
    world.hold_after(2 * SETTLE_S)
    assert (world.owed(), world.is_here()) == ([TAG], True), "its digest is proved to be gone"
    world.hold_after(DELAY_S - 4 * SETTLE_S)
    assert world.is_here()
    world.hold_after(6 * SETTLE_S)
    assert not world.is_here()
    assert TAG not in world.owed()
