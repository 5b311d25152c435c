"""What nobody of ours sends: posts with a wrong token or without sense, and messages that cannot be read."""

from __future__ import annotations

from tests.simulation.calls import Caller
from tests.simulation.story import Deed, Story

ENDPOINT = Caller("stranger")
POSTS = (
    ("a-wrong-token-0123456789", '{"events": []}', 401),
    (None, "no JSON", 400),
    (None, '{"events": "none"}', 400),
)
"""A token (None: the right one), a body, and what it is answered with at a primary."""
UNREADABLE = ('{"version":"99"}', "no JSON", '{"kind":"nonsense"}')


def nonsense(story: Story) -> None:
    """Somebody posts to the primary's notification endpoint what it has to refuse."""
    world, site = story.world, story.primary
    token, body, status = story.random.choice(POSTS)
    story.tell(f"a stranger posts {body} to {site.name}")

    def post() -> None:
        ended = world.notify(site, body, 29.0, token=token)
        if ended is None or ended.crashed is not None or site is not world.primary or world.is_failing_over:
            return
        if ended.answer["statusCode"] not in (status, 503):
            world.violated(f"{site.name} answered {ended.answer['statusCode']} to {body}")

    world.scheduler.spawn(post, "stranger", ENDPOINT)


def unreadable(story: Story) -> None:
    """A message that nobody can read is in a secondary's events queue: it ends in the DLQ, and spoils no other."""
    site = story.secondary()
    body = story.random.choice(UNREADABLE)
    story.tell(f"{site.name}: {body} is in the events queue")
    site.queues["events"].send(body)


DEEDS: list[tuple[float, Deed]] = [(0.15, nonsense), (0.1, unreadable)]
