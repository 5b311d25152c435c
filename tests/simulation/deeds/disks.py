"""What happens to a registry's storage: garbage collection, a backup that is restored, an empty disk."""

from __future__ import annotations

from tests.simulation.registry.server import NO_SUCH_VERB, UNAVAILABLE
from tests.simulation.site import Site
from tests.simulation.story import Deed, Story


def collect_garbage(story: Story) -> None:
    """A registry is read-only for a while, and its garbage goes."""
    site, random = story.site(), story.random
    untagged = random.random() < 0.5
    story.tell(f"{site.name}: garbage collection{', with untagged manifests' if untagged else ''}")
    site.server.is_read_only = True
    site.server.refuses_writes = NO_SUCH_VERB if untagged else UNAVAILABLE

    def end() -> None:
        site.server.storage.collect_garbage(untagged=untagged, checks_blobs=site.server.habits.checks_blobs)
        site.server.is_read_only = False

    story.later(2 + random.random() * 20, end)


def back_up(story: Story) -> None:
    """A registry's disk is backed up."""
    site = story.site()
    story.tell(f"{site.name}: a backup of the registry")
    story.backups[site.name] = site.server.storage.snapshot()


def restore(story: Story) -> None:
    """A registry comes up again with what was on its disk at the last backup."""
    site = story.site()
    backup = story.backups.get(site.name)
    if backup is not None and not story.world.is_failing_over:
        story.tell(f"{site.name}: the registry is restored from its backup")
        _restart(story, site)
        site.server.storage.restore(backup, "restore")


def empty(story: Story) -> None:
    """A registry comes up with an empty disk."""
    site = story.site()
    if not story.world.is_failing_over:
        story.tell(f"{site.name}: the registry comes up with an empty disk")
        _restart(story, site)
        site.server.storage.restore(({}, {}), "restore")


def lose_layer(story: Story) -> None:
    """A layer cannot be found at the primary for a while: what needs it is refused for good, and parked.

    Only in a run that is about it.
    """
    random, storage = story.random, story.primary.server.storage
    there = [one for repository in storage.repositories.values() for one in sorted(repository.blobs & {*storage.blobs})]
    if not there or story.world.is_failing_over:
        return
    digest = random.choice(there)
    story.tell(f"{story.primary.name}: the layer {digest} is not found")
    content = storage.blobs.pop(digest)
    storage.lost_at_s.append(storage.now_s())
    storage.changes += 1

    def end() -> None:
        storage.blobs.setdefault(digest, content)
        storage.changes += 1

    story.later(random.random() * 240, end)


def _restart(story: Story, site: Site) -> None:
    site.server.is_down = True
    site.notifier.restart()

    def end() -> None:
        site.server.is_down = False

    story.later(story.random.random() * 30, end)


DEEDS: list[tuple[float, Deed]] = [
    (0.3, collect_garbage),
    (0.3, back_up),
    (0.3, restore),
    (0.05, empty),
    (0.0, lose_layer),
]
