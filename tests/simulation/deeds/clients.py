"""What clients of the primary do."""

from __future__ import annotations

from tests.simulation.clients import Client, make_image
from tests.simulation.story import Deed, Story


def push(story: Story) -> None:
    """Push an image, or an index of two, under a tag or by its digest alone."""
    random = story.random
    repository, tag = random.choice(story.repositories), random.choice((*story.tags, None))
    images = [make_image(random, story.shared) for _ in range(random.choice((1, 1, 1, 2)))]
    story.tell(f"push {repository}:{tag} ({len(images)})")
    digest = story.client().push(repository, tag, images)
    story.tell(f"pushed {repository}:{tag} {digest}")


def push_many(story: Story) -> None:
    """Push several images to one tag, one right after the other."""
    random = story.random
    repository, tag = random.choice(story.repositories), random.choice(story.tags)
    for _ in range(random.randrange(2, 5)):
        digest = story.client().push(repository, tag, [make_image(random, story.shared)])
        story.tell(f"pushed {repository}:{tag} {digest}")


def retag(story: Story) -> None:
    """Put a manifest under another tag."""
    random = story.random
    tags = list(story.primary.server.storage.all_tags())
    if tags:
        repository, _, digest = random.choice(tags)
        tag = random.choice(story.tags)
        story.tell(f"retag {repository}:{tag} to {digest}")
        story.client().retag(repository, digest, tag)


def delete_tag(story: Story) -> None:
    """Delete a tag."""
    tags = list(story.primary.server.storage.all_tags())
    if tags:
        repository, tag, _ = story.random.choice(tags)
        story.tell(f"delete {repository}:{tag}")
        story.client().delete(repository, tag)


def delete_manifest(story: Story) -> None:
    """Delete a manifest by its digest, with all its tags."""
    tags = list(story.primary.server.storage.all_tags())
    if tags:
        repository, tag, digest = story.random.choice(tags)
        story.tell(f"delete {repository}@{digest} ({tag})")
        story.client().delete(repository, digest)


def stranger(story: Story) -> None:
    """Somebody pushes to a secondary's registry a tag that it has not; the primary may have it for a moment."""
    random = story.random
    site = story.secondary()
    repository, tag = random.choice(story.repositories), random.choice((*story.tags, "local"))
    found = site.server.storage.repositories.get(repository)
    if story.world.is_failing_over or (found is not None and tag in found.tags):
        return
    story.tell(f"a stranger pushes {repository}:{tag} to {site.name}")
    Client(site.server, story.world.scheduler, random).push(repository, tag, [make_image(random, story.shared)])
    if random.random() < 0.5 and story.client().push(repository, tag, [make_image(random, story.shared)]):
        story.client().delete(repository, tag)


DEEDS: list[tuple[float, Deed]] = [
    (8, push),
    (2, push_many),
    (2, retag),
    (1, delete_tag),
    (0.5, delete_manifest),
    (0.4, stranger),
]
