"""A holder and a minute that are killed at any call, over a table in memory and listeners that remember.

Every call to the table, the bus and the topic may be the last of whoever makes it, before or after it has its effect.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

from tests.support.clock import FakeClock

from geosync.announcing.announcer import Announcer, Listeners
from geosync.sync_registry.items import Owed, Reference, Seen
from geosync.sync_registry.site.outbox import SPREAD
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.memory import MemoryStore
from geosync.sync_registry.transitions.marks import Mark

REPOSITORY = "group/app"
A = f"sha256:{'a' * 64}"
METHODS = ("get", "batch_get", "write", "transact", "batch_delete", "items", "due")


class KilledError(Exception):
    """The process is killed."""


class Fate:
    """Kills the caller of each given call by number: before its effect, or after it for a negative number."""

    def __init__(self, *kills: int) -> None:
        self.kills = list(kills)
        self.calls = 0
        self.killed = 0

    def meet(self, call: Callable[[], Any]) -> Any:
        self.calls += 1
        kill = self.kills[0] if self.kills else 0
        if kill == self.calls:
            self._kill()
        try:
            return call()
        finally:  # a call that is refused is one as well
            if kill == -self.calls:
                self._kill()

    def _kill(self) -> None:
        self.kills.pop(0)
        self.calls, self.killed = 0, self.killed + 1
        raise KilledError


class MortalStore(MemoryStore):
    """A table in memory whose callers may be killed."""

    fate: Fate


def _mortal(name: str) -> Callable[..., Any]:
    def method(self: MortalStore, *given: Any, **more: Any) -> Any:
        return self.fate.meet(lambda: getattr(MemoryStore, name)(self, *given, **more))

    return method


for _name in METHODS:
    setattr(MortalStore, _name, _mortal(_name))


class Listening:
    """EventBridge and SNS: remember what they took. `refuses` says which entries of a request they do not take."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate
        self.put: list[dict[str, Any]] = []
        self.published: list[dict[str, Any]] = []
        self.requests: list[int] = []
        self.refuses: Callable[[int], bool] = lambda _: False

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        def put() -> dict[str, Any]:
            self.requests.append(len(Entries))
            refused = [self.refuses(position) for position in range(len(Entries))]
            self.put += [one for one, no in zip(Entries, refused, strict=True) if not no]
            entries = [{"ErrorCode": "InternalFailure"} if no else {"EventId": "1"} for no in refused]
            return {"FailedEntryCount": sum(refused), "Entries": entries}

        answer: dict[str, Any] = self._fate.meet(put)
        return answer

    def publish_batch(self, *, TopicArn: str, PublishBatchRequestEntries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        def publish() -> dict[str, Any]:
            self.published += PublishBatchRequestEntries
            return {"Successful": [], "Failed": []}

        answer: dict[str, Any] = self._fate.meet(publish)
        return answer


class Nothing:
    """Takes whatever it is told."""

    def __getattr__(self, _: str) -> Any:
        return lambda *_, **__: None


class CrashingSite:
    """One repository of a secondary, in which references are owed; whoever works may be killed."""

    def __init__(self, *kills: int, tags: int = 3) -> None:
        self.clock = FakeClock()
        self.store = MortalStore()
        self.store.fate = Fate()
        self.fate = Fate(*kills)
        self.listening = Listening(self.fate)
        names = count(1)
        self._names = lambda: f"{next(names):x}"
        registry = self._registry()
        for number in range(tags):
            registry.mark(REPOSITORY, Reference.tag(f"v{number}"), Mark(expects=A, pushed_at=self.clock.now_ms()))
        self.store.fate = self.fate

    def _registry(self) -> SyncRegistry:
        return SyncRegistry(self.store, clock=self.clock, names=self._names, tells=True)

    def announcer(self, registry: SyncRegistry) -> Announcer:
        """The announcer of a new process."""
        listening: Any = self.listening
        nothing: Any = Nothing()
        listeners = Listeners(lambda _: listening, topic_arn="arn", site="oregon")
        logger: Any = logging.getLogger("announcing")
        return Announcer(registry.outbox, listeners, logger=logger, metrics=nothing, clock=self.clock)

    def run(self, most: int = 20) -> None:
        """Have holders and minutes come, each a new process, until nothing is owed and nothing is left to tell."""
        for _ in range(most):
            for process in (self._hold, self._minute):
                with suppress(KilledError):
                    process()
                self.clock.pass_(120)
            if not self.fate.kills and not self.owed() and not self.untold():
                return

    def _hold(self) -> None:
        registry = self._registry()
        announcer = self.announcer(registry)
        lease = registry.acquire(REPOSITORY)
        if lease is None:
            return
        for owed in registry.due(REPOSITORY):
            now = self.clock.now_ms()
            if str(owed.reference) == "v0" and not owed.attempts:
                self._fail(registry, owed)
            else:
                registry.discharge(lease, owed, Seen(digest=A, looked_at=now, seen_at=now))
        announcer.tell_fresh(all_of_them=True)
        registry.finish(lease)

    def _fail(self, registry: SyncRegistry, owed: Owed) -> None:
        registry.outbox.put_failure(owed, "503", parked=False)
        registry.fail(owed, "503")

    def _minute(self) -> None:
        registry = self._registry()
        self.announcer(registry).tell_left_over()

    def owed(self) -> list[str]:
        return [key.item for key in self.store.table if key.item.startswith("owed#")]

    def untold(self) -> list[str]:
        return [key.item for key in self.store.table if key.repository in SPREAD]

    def lost(self) -> set[str]:
        """The changes of references in the table that never reached the bus or the topic."""
        happened = {f"{key.item} replicated" for key in self.store.table if key.item.startswith("tag#")}
        happened |= {"tag#v0 failed"}
        return happened - (_told(self.listening.put) & _published(self.listening.published))


def _told(entries: list[dict[str, Any]]) -> set[str]:
    kinds = {"Image Replicated": "replicated", "Image Replication Failed": "failed"}
    return {f"tag#{json.loads(one['Detail'])['tag']} {kinds[one['DetailType']]}" for one in entries}


def _published(entries: list[dict[str, Any]]) -> set[str]:
    default = [json.loads(json.loads(one["Message"])["default"]) for one in entries]
    return _told([{"Detail": json.dumps(one["detail"]), "DetailType": one["detail-type"]} for one in default])
