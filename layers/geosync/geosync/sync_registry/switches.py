"""Pause and holds, carried out: they stop the work of a site, or all that needs one registry."""

from __future__ import annotations

from collections.abc import Iterable

from geosync.errors import Contended
from geosync.sync_registry.access import ATTEMPTS, TableAccess
from geosync.sync_registry.failures import cut
from geosync.sync_registry.items import SITE
from geosync.sync_registry.site import holds
from geosync.sync_registry.site.holds import Hold
from geosync.sync_registry.site.pause import Pauses
from geosync.sync_registry.table.changes import ConditionFailed, Delete
from geosync.sync_registry.timing import ms


class Switches(TableAccess):
    """The site's pause, and the holds of its registries."""

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
