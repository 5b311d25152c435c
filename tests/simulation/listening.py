"""Worlds in which somebody listens: each arrival is told, whoever dies when. python -m tests.simulation.listening

The truth is what was written of a reference at a secondary: seen for the first time, or with a new digest. After each
minute of a site such an arrival is told already, or in the outbox. At the end the outbox is empty, and the bus and the
topic know them all. The other worlds have `Arrivals=off`, and stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple
from unittest.mock import patch

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError
from tests.simulation import run
from tests.simulation.broken_seeds import run_seeds
from tests.simulation.calls import Caller, Calls
from tests.simulation.run import Focus
from tests.simulation.site import Site
from tests.simulation.story import Story, rules_of
from tests.simulation.topics import Topic
from tests.simulation.world import Violation, World

from geosync.announcing.announcer import Announcer
from geosync.errors import SyncRegistryError
from geosync.sync_registry.items import Item, Reference
from geosync.sync_registry.site.outbox import SPREAD, Outbox, ReplicationEvent
from geosync.sync_registry.table.changes import Key

ARN = "arn:aws:sns:world:000000000000:arrivals"
REST_S = 900.0
"""After the rest of a story, whatever is left over is told by then: a minute tells what is 15 s old."""
SEEN = ("tag#", "digest#")
KILLED, KILLS, MOST_CALLS = ("sync", "reconcile"), 0.5, 45
"""Who is killed, in what share of its invocations until the faults end, and at which of its calls at the latest: a copy
makes some 30."""
KILLS_WHILE_TELLING, CALLS_OF_TELLING = 0.3, 3
"""The share of tellings that whoever makes them is killed in, until the faults end, and how many calls one is."""


class Arrived(NamedTuple):
    """A reference that was seen at a site, as a digest."""

    site: str
    repository: str
    reference: str
    digest: str


@dataclass(slots=True)
class Heard:
    """The arrivals, and the events on the bus and the topic."""

    happened: set[Arrived] = field(default_factory=set)
    bus: set[Arrived] = field(default_factory=set)
    topic: set[Arrived] = field(default_factory=set)
    crashes: int = 0
    """Invocations that were killed at one of their calls."""

    def written(self, site: str, key: Key, before: Item | None, after: Item | None) -> None:
        """Note the table's record of a reference from now on."""
        if not key.item.startswith(SEEN) or key.repository.startswith("#") or after is None:
            return
        is_the_primarys = after.get("looked_at", 0) > 0 and not {"gone_since", "missing_since", "outside_since"} & {
            *after
        }
        if is_the_primarys and after["digest"] != (before or {}).get("digest"):
            self.happened.add(Arrived(site, key.repository, key.item, str(after["digest"])))

    def lost(self, sites: dict[str, Site]) -> set[Arrived]:
        """The arrivals that were not announced and are in no outbox."""
        return self.happened - (self.bus & self.topic) - set(_left_over(sites))


def _left_over(sites: dict[str, Site]) -> Iterator[Arrived]:
    for name, site in sites.items():
        for item in (one for partition in SPREAD for one in site.table.partitions.get(partition, {}).values()):
            event = ReplicationEvent.from_item(item)
            yield Arrived(name, event.repository, event.reference.seen_key, str(event.digest))


def _arrived(detail: dict[str, Any]) -> Arrived:
    tag, digest = detail["tag"], detail["digest"]
    reference = Reference.tag(tag) if tag is not None else Reference.digest(str(digest))
    return Arrived(detail["site"], detail["repository"], reference.seen_key, str(digest))


class ArrivalsTopic(Topic):
    """The topic of all sites: it remembers its messages."""

    heard: Heard

    def publish(self, body: str) -> None:
        """Take a message; the bus took it before."""
        self._calls.note("told")
        told = json.loads(json.loads(body)["default"])
        if told["detail-type"] == "Image Replicated":
            self.heard.topic.add(_arrived(told["detail"]))


class EventsClient:
    """A boto3 client of EventBridge, as far as Geosync uses one."""

    def __init__(self, heard: Heard, calls: Calls, site: Site) -> None:
        self._heard = heard
        self._calls = calls
        self._site = site
        self._weather = site.sns

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        """Put events on the bus; some may be refused."""

        def put() -> dict[str, Any]:
            answers = [self._put(entry) for entry in Entries]
            return {"FailedEntryCount": sum("ErrorCode" in one for one in answers), "Entries": answers}

        self._draw_a_kill()
        with self._calls.noting("not told"):
            return self._calls.make(put, self._weather, refused=_refused, lost=_silent, late_s=0.5)

    def _draw_a_kill(self) -> None:
        place, random = self._calls._scheduler.check().place, self._calls._random
        if isinstance(place, Caller) and self._site.functions["sync"].kills and random.random() < KILLS_WHILE_TELLING:
            place.kill_in = place.calls + 1 + random.randrange(CALLS_OF_TELLING)

    def _put(self, entry: dict[str, Any]) -> dict[str, str]:
        if self._calls.is_repeated(self._weather):
            return {"ErrorCode": "InternalFailure"}
        if entry["DetailType"] == "Image Replicated":
            self._heard.bus.add(_arrived(json.loads(entry["Detail"])))
        return {"EventId": "1"}


def _refused() -> Exception:
    return ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "PutEvents")


def _silent() -> Exception:
    return ReadTimeoutError(endpoint_url="https://events.invalid")


class ListeningWorld(World):
    """A world whose sites have `Arrivals=on`."""

    heard: Heard

    def _build(self) -> None:
        self.heard = Heard()
        topic = ArrivalsTopic(ARN, self.scheduler, self.scheduler.random, self.calls)
        topic.heard = self.heard
        self.commons.topics[ARN] = topic
        super()._build()
        for name, site in self.sites.items():
            for kind in KILLED:
                site.functions[kind].kills, site.functions[kind].most_calls = KILLS, MOST_CALLS
            site.table.listeners.append(partial(self.heard.written, name))

    def _parameters(self) -> dict[str, str]:
        return {**super()._parameters(), "ARRIVALS_TOPIC_ARN": ARN}

    def clients(self) -> AbstractContextManager[Any]:
        """Have each site's boto3 make clients of EventBridge, too."""
        client = Site.client

        def make(site: Site, service: str) -> Any:
            return EventsClient(self.heard, self.calls, site) if service == "events" else client(site, service)

        return patch.object(Site, "client", make)

    def crashes(self) -> AbstractContextManager[Any]:
        """Count the invocations that are killed at a call."""
        kill = Calls._kill

        def counted(calls: Calls, *given: Any) -> None:
            self.heard.crashes += 1
            kill(calls, *given)

        return patch.object(Calls, "_kill", counted)


class ListeningStory(Story):
    """A story in which each site's minute is also judged by the announced arrivals."""

    def judge_site(self, site: Site) -> None:
        """Judge a site whose minute has ended."""
        super().judge_site(site)
        assert isinstance(self.world, ListeningWorld)
        _judge(self.world)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listened:
    """One seed's end: what was false (None: nothing), how many references arrived, how many invocations were killed."""

    violation: str | None
    arrived: int
    crashes: int


def listen(seed: int, minutes: float) -> Listened:
    """Run one seed, in which half of the invocations are killed, and SNS and EventBridge fail often."""
    world = ListeningWorld(seed, rules_of(seed))
    story = ListeningStory(world, Focus(often=("sns",), without=("kills",)).deeds())

    def tell() -> None:
        run.tell(story, minutes)
        until_s = world.scheduler.now_s + REST_S
        while (left := list(_left_over(world.sites))) and world.scheduler.now_s < until_s:
            world.scheduler.sleep(60.0)
            _judge(world)
        _judge(world)
        if left:
            raise Violation(f"nobody tells of {left[0]}")

    violation = None
    try:
        with world.clients(), world.crashes():
            world.run(tell)
    except AssertionError as error:
        violation = f"{type(error).__name__}: {error}"
    return Listened(violation=violation, arrived=len(world.heard.happened), crashes=world.heard.crashes)


def _judge(world: ListeningWorld) -> None:
    for lost in sorted(world.heard.lost(world.sites)):
        raise Violation(f"nobody was told, and nobody will be, that {lost} arrived")


# --------------------------------------------------------------------------------------------------- rules taken out


def _forget_first(announcer: Announcer, events: list[ReplicationEvent], **until: float) -> int:
    announcer._outbox.forget(events)
    return _TELL(announcer, events, **until)


def _count_twice(announcer: Announcer, events: list[ReplicationEvent], **until: float) -> int:
    told = _TELL(announcer, events, **until)
    announcer._metrics.put({"ReplicationEventsTold": told})
    return told


def _hush(announcer: Announcer) -> int:
    with suppress(BotoCoreError, ClientError, SyncRegistryError):
        return _TELL_LEFT_OVER(announcer)
    return 0


_TELL: Callable[..., int] = Announcer._tell
_TELL_LEFT_OVER = Announcer.tell_left_over
BREAKS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "apart": lambda: patch.object(Outbox, "puts", lambda *_: []),
    "forget first": lambda: patch.object(Announcer, "_tell", _forget_first),
    "no minute": lambda: patch.object(Announcer, "tell_left_over", lambda _: 0),
    "count twice": lambda: patch.object(Announcer, "_tell", _count_twice),
    "hush": lambda: patch.object(Announcer, "tell_left_over", _hush),
}
"""The library without one of its rules: an event is kept with its discharge; it is forgotten once it was told; a minute
tells what nobody told; an event counts as told once; a minute that could not tell says so."""


def main() -> int:
    """Run seeds. Exit code 1: something was false; with `--break` that ends it."""
    ended = run_seeds(listen, BREAKS, minutes=1.0, about=__doc__, crashes=lambda one: one.crashes)
    arrived, crashes = sum(one.arrived for one in ended), sum(one.crashes for one in ended)
    false = sum(one.violation is not None for one in ended)
    print(f"{len(ended)} seeds: {arrived} arrivals, {crashes} crashes, {false} false")
    return 1 if false or not arrived else 0


if __name__ == "__main__":
    raise SystemExit(main())
