"""Worlds in which AWS throttles: python -m tests.simulation.throttling

Any of the services that a site uses refuses some calls or nearly all of them, does batches in part, and answers
transactions with conflicts; Lambda refuses invocations. It ends by itself after a while.
Nothing may be false meanwhile, and at rest nothing is lost. The other worlds know whole refusals alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest.mock import patch

from tests.simulation import run
from tests.simulation.broken_seeds import run_seeds
from tests.simulation.calls import Caller, Calls, Weather
from tests.simulation.run import Focus
from tests.simulation.site import SecretsClient, Site
from tests.simulation.story import Deed, Story, rules_of
from tests.simulation.world import World

from geosync.intake.intake import Intake
from geosync.notifications.publish import TopicWriter
from geosync.sync_registry.items import Item
from geosync.sync_registry.table.changes import Key

OFTEN = 4.0
"""The weight of throttling beside the other deeds'."""
LONGEST_S = 240.0
REGISTRY, ANONYMOUS = "primary-registry", '{"type": "anonymous"}'
"""A secret of the primary's registry, and what is in it."""


def throttle(story: Story) -> None:
    """Throttle one service of a site."""
    random, site = story.random, story.site()
    name = random.choice(("dynamodb", "dynamodb", "sqs", "sns", "secrets"))
    weather: Weather = getattr(site, name)
    weather.refused, weather.partial = random.choice(((0.3, 0.3), (0.0, 0.8), (0.9, 0.05), (1.0, 0.0)))
    story.tell(f"{site.name}: {name} is throttled: {weather}")
    story.later(random.random() * LONGEST_S, weather.calm)


def throttle_functions(story: Story) -> None:
    """Lambda refuses invocations at a site: the account has too many."""
    site, share = story.site(), story.random.choice((0.3, 0.9))
    story.tell(f"{site.name}: Lambda refuses {share} of the invocations")

    def set_to(throttled: float) -> None:
        for function in site.functions.values():
            function.throttled = throttled

    set_to(share)
    story.later(story.random.random() * LONGEST_S / 4, partial(set_to, 0.0))


DEEDS: Sequence[tuple[float, Deed]] = ((OFTEN, throttle), (OFTEN / 4, throttle_functions))


class ThrottledWorld(World):
    """A world whose sites read a secret before they read the primary's registry."""

    def _parameters(self) -> dict[str, str]:
        return {**super()._parameters(), "PRIMARY_REGISTRY_SECRET_ARN": REGISTRY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled:
    """One seed's end: what was false (None: nothing), and what happened in it, by name."""

    violation: str | None
    happened: Counter[str]


def throttled(seed: int, minutes: float) -> Throttled:
    """Run one seed."""
    world = ThrottledWorld(seed, rules_of(seed))
    story = Story(world, [*Focus(without=("dynamodb", "sqs", "sns")).deeds(), *DEEDS])
    happened: Counter[str] = Counter()
    in_part, get = Calls.is_in_part, SecretsClient.get_secret_value

    def is_in_part(calls: Calls, weather: Weather) -> bool:
        happened["in part"] += weather.partial > 0
        return in_part(calls, weather)

    def get_secret_value(client: SecretsClient, **given: Any) -> dict[str, str]:
        try:
            answer = get(client, **given)
            return answer | {"SecretString": ANONYMOUS} if given["SecretId"] == REGISTRY else answer
        except Exception:
            happened["secrets refused"] += 1
            _note_not_served(world)
            raise

    def written(_site: Site, key: Key, _before: Item | None, after: Item | None) -> None:
        if key.item.startswith("hold#") and "its secret cannot be read" in (after or {}).get("reason", ""):
            happened["held for a secret"] += 1

    def tell() -> None:
        for site in world.sites.values():
            site.table.listeners.append(partial(written, site))
        run.tell(story, minutes)

    violation = None
    try:
        with (
            patch.object(Calls, "is_in_part", is_in_part),
            patch.object(SecretsClient, "get_secret_value", get_secret_value),
        ):
            world.run(tell)
    except AssertionError as error:
        violation = f"{type(error).__name__}: {error}"
    return Throttled(violation=violation, happened=happened)


def _note_not_served(world: World) -> None:
    """Note each reference that met an unreadable secret: it may hold the registry, as one that serves nobody."""
    place = world.scheduler.current.place
    if isinstance(place, Caller):
        place.tally.did["was not served"] += 1


# --------------------------------------------------------------------------------------------------- rules taken out


def _send(topic: TopicWriter, messages: Sequence[Any]) -> None:
    entries = [
        {"Id": str(position), "Message": message.to_json(), "MessageGroupId": message.message_group_id}
        for position, message in enumerate(messages)
    ]
    topic._sns.publish_batch(TopicArn=topic._topic_arn, PublishBatchRequestEntries=entries)  # type: ignore[arg-type]


BREAKS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "topic": lambda: patch.object(TopicWriter, "send", _send),
    "again": lambda: patch.object(Intake, "_not_marked", lambda *_: None),
}
"""The library without one of its rules: what SNS did not take of a batch is sent again; a message that could not be
marked comes again."""


def main() -> int:
    """Run seeds. Exit code 1: something was false; with `--break` that ends it."""
    ended = run_seeds(throttled, BREAKS, minutes=2.0, about=__doc__)
    happened = Counter[str]()
    for one in ended:
        happened.update(one.happened)
    false = sum(one.violation is not None for one in ended)
    print(f"{dict(sorted(happened.items()))}, {false} false")
    return int(false > 0)


if __name__ == "__main__":
    raise SystemExit(main())
