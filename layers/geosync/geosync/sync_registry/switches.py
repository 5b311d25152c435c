"""Pause, holds and slots, carried out: they stop the work of a site, what needs one registry, or one namespace's."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from geosync.errors import Contended
from geosync.sync_registry.access import ATTEMPTS, TableAccess
from geosync.sync_registry.failures import cut
from geosync.sync_registry.items import SITE
from geosync.sync_registry.site import holds, slots
from geosync.sync_registry.site.holds import Hold
from geosync.sync_registry.site.pause import Pauses
from geosync.sync_registry.site.slots import Pool, Slot
from geosync.sync_registry.table.changes import ConditionFailed, Delete
from geosync.sync_registry.timing import ms


class Switches(TableAccess):
    """The site's pause, the holds of its registries, and the slots of its namespaces."""

    def pause(self, reason: str = "") -> None:
        """Stop the syncs of this site, for an operator: events are still marked, nobody acquires anything.

        Raises RoleChanging.
        """
        Pauses(self._store, self._clock).pause(reason)

    def resume(self, *, abandoned: str | None = None) -> None:
        """Let the syncs go on after an operator's pause; what is due is found by the sweep.

        `abandoned` is the id of a change of the site's role that nobody makes any more: its pause ends, too. Raises
        RoleChanging.
        """
        Pauses(self._store, self._clock).resume(abandoned)

    def is_paused(self) -> bool:
        """True while the site is paused."""
        return Pauses(self._store, self._clock).read() is not None

    def hold(
        self, registry: str, *, reason: str, retry_after: float | None = None, credentials: str | None = None
    ) -> Hold:
        """Leave a registry alone: for longer each time it is held again after a hold had run out.

        `retry_after` (seconds) is what the registry asked for: at least so long. `credentials` is the version of those
        that it refused.
        """
        believed: Hold | None = None
        for _ in range(ATTEMPTS):
            now_ms = self._clock.now_ms()
            change = holds.hold(
                believed,
                registry,
                reason=cut(reason),
                now_ms=now_ms,
                retry_after=retry_after,
                credentials=credentials,
            )
            if change is None:
                break
            try:
                return Hold.from_item(self._written(change))
            except ConditionFailed as failed:
                believed = Hold.from_item(failed.item) if failed.item is not None else None
        if believed is None:
            raise Contended(f"{registry}: its hold changed {ATTEMPTS} times while it was to be set")
        return believed

    def held(self, registries: Iterable[str]) -> Hold | None:
        """The hold in force on any of `registries` that lasts longest."""
        found = self._store.batch_get(holds.hold_key(registry) for registry in registries)
        return holds.longest((Hold.from_item(item) for item in found.values()), self._clock.now_ms())

    def holds(self, *, ended_s: float = 0.0) -> list[Hold]:
        """The holds in force on any registry, with those that ran out in the last `ended_s` seconds."""
        since_ms = self._clock.now_ms() - ms(ended_s)
        items = self._store.items(SITE, holds.PREFIX, limit=holds.MOST_HOLDS)
        return [hold for hold in map(Hold.from_item, items) if hold.until > since_ms]

    def clear_hold(self, registry: str) -> None:
        """Forget the holds of a registry that answered. Worth a call only when `look` showed one."""
        self._store.write(Delete(key=holds.hold_key(registry)))

    def take_slot(self, pool: Pool, namespace: str, *, most: int, lasting_s: float) -> Slot | None:
        """Take one of the `most` slots of a namespace for so many seconds; None: all of them are taken.

        Two calls where nobody takes one at the same time; `give_slot_back` is one.
        """
        token = self._names()
        for _ in range(ATTEMPTS):
            items = self._store.items(slots.partition(namespace), slots.prefix(pool, namespace), limit=most)
            now_ms = self._clock.now_ms()
            number = slots.free(items, most, now_ms=now_ms, token=token)
            if number is None:
                return None
            slot = Slot.numbered(pool, namespace, number, token)
            with suppress(ConditionFailed):
                self._store.write(slots.take(slot, most, now_ms=now_ms, until_ms=now_ms + ms(lasting_s)))
                return slot
        return None

    def renew_slot(self, slot: Slot, *, lasting_s: float) -> bool:
        """Keep a slot for so many seconds from now; False: it ran out, and is somebody else's or nobody's."""
        with suppress(ConditionFailed):
            self._store.write(slots.renew(slot, until_ms=self._clock.now_ms() + ms(lasting_s)))
            return True
        return False

    def full_namespaces(self, pool: Pool) -> frozenset[str]:
        """The namespaces that have their share of a queue's slots: none in which anything could be begun now."""
        of_pool = slots.all_of(pool)
        items = [item for one in slots.SPREAD for item in self._store.items(one, of_pool, limit=slots.MOST)]
        return slots.full(items, now_ms=self._clock.now_ms())

    def give_slot_back(self, slot: Slot) -> None:
        """Give a slot back; one that ran out may be somebody else's."""
        with suppress(ConditionFailed):
            self._store.write(slots.give_back(slot))
