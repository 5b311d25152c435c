"""The share of a site's slots that one namespace may have: who pushes many slow images delays their own only.

A slot is an invocation of functions/sync. A namespace that has its share gets no other: what is owed in it stays due,
and whoever the sweep wakes once a slot is given back takes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from botocore.exceptions import BotoCoreError, ClientError

from geosync.messages.groups import namespace
from geosync.sync_registry.site.slots import Pool
from geosync.working.workplace import SlotBounds, Workplace

LONGEST_S = 900.0
"""Lambda ends an invocation by then."""
MARGIN_S = 60.0
"""Seconds by which a slot outlives its invocation."""


class NamespaceShare:
    """Gives out slots to the work of one invocation. For one thread."""

    def __init__(self, place: Workplace, bounds: SlotBounds) -> None:
        self._place = place
        self._bounds = bounds
        self.pool: Pool = "live"
        """The queue that woke this invocation."""
        self._full: set[str] = set()

    def begin(self) -> None:
        """Ask anew about namespaces that had their share."""
        self._full.clear()

    def is_full(self, repository: str) -> bool:
        """True if the repository's namespace had its share since `begin`."""
        return namespace(repository) in self._full

    @contextmanager
    def slot(self, repository: str) -> Iterator[bool]:
        """Take a slot for the repository's namespace until the end; False where it has its share; the log says so."""
        most = self._bounds.live if self.pool == "live" else self._bounds.work
        if most is None:
            yield True
            return
        lasting_s = min(self._place.deadline.left(), LONGEST_S) + MARGIN_S
        name = namespace(repository)
        slot = self._place.sync_registry.take_slot(self.pool, name, most=most, lasting_s=lasting_s)
        if slot is None:
            self._full.add(name)
            self._place.logger.info("namespace_has_its_share", extra={"repository": repository, "queue": self.pool})
            yield False
            return
        try:
            yield True
        finally:
            with suppress(BotoCoreError, ClientError):  # then its time ends it
                self._place.sync_registry.give_slot_back(slot)
