"""The share of a site's slots that one namespace may have: its slow images delay only that namespace.

A slot is an invocation of functions/sync. A namespace that has its share gets no more: what is owed in it stays due
until a slot is free and the sweep wakes a worker. The slot of an invocation that vanished expires within a lease.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Event

from botocore.exceptions import BotoCoreError, ClientError

from geosync.messages.groups import namespace
from geosync.sync_registry.access import TABLE_ERRORS
from geosync.sync_registry.site.slots import Pool, Slot
from geosync.working.workplace import SlotBounds, Workplace

RENEWALS = 3
"""A slot lasts as long as a lease, and is renewed so many times in that time: a copy of 20 s renews none."""


class NamespaceShare:
    """Gives out slots to the work of one invocation. For one thread."""

    def __init__(self, place: Workplace, bounds: SlotBounds) -> None:
        self._place = place
        self._bounds = bounds
        self.pool: Pool = "live"
        """The queue that woke this invocation."""
        self._full: set[str] = set()

    def begin(self) -> None:
        """Forget which namespaces had their share."""
        self._full.clear()

    def is_full(self, repository: str) -> bool:
        """True if the repository's namespace was seen to have its share since `begin`."""
        return namespace(repository) in self._full

    @contextmanager
    def slot(self, repository: str) -> Iterator[bool]:
        """Take a slot for the repository's namespace until the end; False where it has its share; the log says so."""
        most = self._bounds.live if self.pool == "live" else self._bounds.work
        if most is None:
            yield True
            return
        name = namespace(repository)
        slot = self._place.sync_registry.take_slot(self.pool, name, most=most, lasting_s=self._lasting_s)
        if slot is None:
            self._full.add(name)
            self._place.logger.info("namespace_has_its_share", extra={"repository": repository, "queue": self.pool})
            yield False
            return
        over = self._place.threads.event()
        keeper = self._place.threads.start(partial(self._keep, slot, over), name="slot-renewal")
        try:
            yield True
        finally:
            over.set()
            keeper.join()
            with suppress(BotoCoreError, ClientError):  # then it expires
                self._place.sync_registry.give_slot_back(slot)

    @property
    def _lasting_s(self) -> float:
        return self._place.sync_registry.timing.lease_s

    def _keep(self, slot: Slot, over: Event) -> None:
        """Renew a slot until its work is over. One that ran out meanwhile is not taken again: the work goes on."""
        while not over.wait(self._lasting_s / RENEWALS):
            with suppress(*TABLE_ERRORS):  # then the next renewal tries again
                if not self._place.sync_registry.renew_slot(slot, lasting_s=self._lasting_s):
                    return
