"""Clients pull at the secondaries, and what they are given is not older than it may be."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.simulation.calls import Caller
from tests.simulation.invariants import Served, pulled
from tests.simulation.registry.storage import digest_of
from tests.simulation.site import Site
from tests.simulation.story import Deed, Story


def pull(story: Story) -> None:
    """Pull a tag at a secondary, most often one that the primary has."""
    random = story.random
    tags = list(story.primary.server.storage.all_tags())
    repository, tag = random.choice(story.repositories), random.choice(story.tags)
    if tags and random.random() < 0.8:
        repository, tag, _ = random.choice(tags)
    site = story.secondary()
    story.tell(f"pull {repository}:{tag} at {site.name}")
    story.world.scheduler.spawn(lambda: _pull(story, site, repository, tag), "pull", Caller("client"))


def _pull(story: Story, site: Site, repository: str, tag: str) -> None:
    """Pull, and judge the answer; not that of a site whose primary is another one meanwhile."""
    world = story.world
    began_s, primary, was_settled = world.scheduler.now_s, world.primary, world.is_settled(site)
    followed_s = dict(world.followed_s)
    ended = world.pull(site, f"/v2/{repository}/manifests/{tag}")
    if ended is None or ended.crashed is not None:
        return
    status = ended.answer["statusCode"]
    story.tell(f"pulled {repository}:{tag} at {site.name}: {status} after {world.scheduler.now_s - began_s:.1f} s")
    is_same = was_settled and world.is_settled(site) and primary is world.primary and followed_s == world.followed_s
    if status != 200 or not is_same or world.is_failing_over:
        return
    served = Served(
        repository=repository,
        tag=tag,
        digest=digest_of(ended.answer["body"].encode()),
        began_s=began_s,
        said_ms=_said_ms(ended.answer["headers"]),
        max_staleness_s=world.rules.max_staleness_s,
    )
    for text in pulled(story.view(site), served):
        world.violated(f"{site.name}: pulled: {text}")


def _said_ms(headers: dict[str, Any]) -> int | None:
    said = headers["X-Geosync-Recovery-Point"]
    return None if said == "not known" else round(datetime.fromisoformat(said).timestamp() * 1000)


DEEDS: list[tuple[float, Deed]] = [(4, pull)]
