"""What operators and pages ask the admin API: looks, and actions, each of which leaves its record."""

from __future__ import annotations

import json
from typing import Any

from tests.simulation.answers import Answered, false_fields, false_numbers, fields_of
from tests.simulation.calls import Caller
from tests.simulation.site import Site, token_of
from tests.simulation.story import Deed, Story

GEO = "/api/v4/geo"
LOOKS = (
    "/api/v4/geo_sites",
    "/api/v4/geo_sites/status",
    "/api/v4/geo_sites/status",
    "/api/v4/geo_sites/1/status",
    "/metrics",
    "/metrics",
    f"{GEO}/container_repositories",
    f"{GEO}/container_repositories/1/tags",
    f"{GEO}/findings",
    f"{GEO}/deletes",
    f"{GEO}/dead_letters",
    f"{GEO}/events",
    f"{GEO}/audit_events",
)
ACTIONS: tuple[tuple[str, Any], ...] = (
    (f"{GEO}/container_repositories/1/resync", {}),
    (f"{GEO}/container_repositories/1/reverify", {}),
    (f"{GEO}/container_repositories/resync", {"scope": "failed"}),
    (f"{GEO}/container_repositories/reverify", {"scope": "all"}),
    (f"{GEO}/dead_letters/replay", {"all": True}),
)


def ask(story: Story, site: Site, method: str, path: str, body: Any = None) -> None:
    """Ask a site, beside everything else that happens; an error of its own making is a fault."""
    token = token_of(f"{site.name}-{'read' if method == 'GET' else 'act'}")

    def run() -> None:
        world, began_s, was_settled = story.world, story.world.scheduler.now_s, story.world.is_settled(site)
        ended = story.world.ask(site, method, path, body, f"Bearer {token}")
        said = ended.answer if ended is not None and ended.crashed is None else None
        story.tell(f"{site.name}: {method} {path}: {said['statusCode'] if said else 'no answer'}")
        if said is not None and said["statusCode"] == 500:
            story.world.violated(f"{site.name}: {method} {path}: {said['body']}")
        if said is None or said["statusCode"] != 200 or not path.endswith(("status", "/metrics")):
            return
        if path.endswith("status"):
            _check_numbers(story, site, json.loads(said["body"]))
        if was_settled and world.is_settled(site) and not world.is_failing_over:
            answered = Answered(view=story.view(site), began_s=began_s)
            for text in false_fields(answered, fields_of(said["body"], site.name)):
                world.violated(f"{site.name}: {path}: {text}")

    story.world.scheduler.spawn(run, "operator", Caller("operator"))


def _check_numbers(story: Story, site: Site, found: list[dict[str, Any]] | dict[str, Any]) -> None:
    """No number is negative, no part larger than the whole, no percentage another one than that of its parts."""
    for one in found if isinstance(found, list) else [found]:
        for text in false_numbers(one):
            story.world.violated(f"{site.name} says of {one['name']}: {text}")


def look(story: Story) -> None:
    """Look at a page."""
    ask(story, story.site(), "GET", story.random.choice(LOOKS))


def act(story: Story) -> None:
    """Have something done by the API."""
    path, body = story.random.choice(ACTIONS)
    ask(story, story.secondary(), "POST", path, body)


def pause(story: Story) -> None:
    """Pause a secondary by the API, and let it go on after a while."""
    site = story.secondary()
    ask(story, site, "POST", f"{GEO}/pause", {"reason": "by the API"})
    story.later(story.random.random() * 60, lambda: resume(story, site))


def resume(story: Story, site: Site) -> None:
    """End a pause by the API."""
    ask(story, site, "POST", f"{GEO}/resume")


DEEDS: list[tuple[float, Deed]] = [(0.6, look), (0.3, act), (0.2, pause)]
