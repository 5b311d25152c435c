"""Operators change what a secondary replicates, and what becomes of the rest."""

from __future__ import annotations

from tests.simulation.clients import Client, make_image
from tests.simulation.selections import SELECTIONS, Selection
from tests.simulation.site import Site
from tests.simulation.story import Deed, Story


def select(story: Story) -> None:
    """Have a secondary replicate something else; often it goes back after a while."""
    site, random = story.secondary(), story.random
    if story.world.is_failing_over or not story.world.stacks[site.name].is_quiet:
        return
    _update(story, site, random.choice(SELECTIONS), removes=random.random() < 0.6)
    if random.random() < 0.5:
        story.later(70 + random.random() * 300, lambda: _go_back(story, site))


def _go_back(story: Story, site: Site) -> None:
    if not story.world.is_failing_over and story.world.stacks[site.name].is_quiet and site is not story.primary:
        _update(story, site, SELECTIONS[0], removes=story.random.random() < 0.5)


def _update(story: Story, site: Site, selection: Selection, *, removes: bool) -> None:
    policy = "remove" if removes else "keep"
    story.tell(f"{site.name}: selects {dict(selection.patterns) or 'everything'}, what is outside: {policy}")
    site.selections.change(selection, removes=removes, now_s=story.world.scheduler.now_s)
    parameters = {**selection.parameters, "OUTSIDE_SELECTION": policy}
    story.world.stacks[site.name].update(parameters, f"selection {len(site.selections.periods)}")


def take_name(story: Story) -> None:
    """Somebody points a tag at a secondary, which is outside of its selection, at an image of their own."""
    random, site = story.random, story.secondary()
    names = [(name, tag) for name, tag, _ in site.server.storage.all_tags() if not site.selections.has(name, tag)]
    if story.world.is_failing_over or not names:
        return
    repository, tag = random.choice(names)
    story.tell(f"a stranger points {repository}:{tag} at {site.name} at another image")
    Client(site.server, story.world.scheduler, random).push(repository, tag, [make_image(random, story.shared)])


DEEDS: list[tuple[float, Deed]] = [(0.3, select), (0.2, take_name)]
