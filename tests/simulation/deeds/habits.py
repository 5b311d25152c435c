"""Registries are configured anew: they check, mount, list, redirect otherwise than before."""

from __future__ import annotations

from dataclasses import replace

from tests.simulation.registry.habits import CHANGES
from tests.simulation.story import Deed, Story


def change_habit(story: Story) -> None:
    """A registry does something otherwise from now on; one that lost its catalogue gets it back after a while."""
    site = story.site()
    server = site.server
    change = story.random.choice(
        [one for one in CHANGES if any(getattr(server.habits, name) != one[name] for name in one)]
    )
    story.tell(f"{site.name}: the registry changes its habits: {change}")
    server.habits = replace(server.habits, **change)

    def end() -> None:
        server.habits = replace(server.habits, has_catalogue=True, refuses_signed=0.0)

    story.later(story.random.random() * 200, end)


DEEDS: list[tuple[float, Deed]] = [(0.4, change_habit)]
