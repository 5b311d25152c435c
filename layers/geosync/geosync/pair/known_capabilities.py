"""The habits of the secondary's registry, asked once and kept in the sync registry for every function."""

from __future__ import annotations

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.oci.repository import Repository
from geosync.pair.capabilities import Capabilities, probe
from geosync.sync_registry.site.capabilities import RegistryHabits

FORGET_AFTER_S = 30 * 86_400
"""Seconds until a registry is asked again: it may have been upgraded."""
ASK_AGAIN_S = 3_600
"""The same for one whose habits are not all known."""


class KnownCapabilities:
    """Gives the capabilities of one registry. For one thread."""

    def __init__(self, habits: RegistryHabits, clock: Clock = SYSTEM_CLOCK) -> None:
        self._habits = habits
        self._clock = clock
        self._known: Capabilities | None = None
        self._asked_at_s = 0

    def __call__(self, repository: Repository) -> Capabilities:
        """The capabilities: remembered, read, or asked of the registry in `repository`. Raises what `probe` raises."""
        if self._known is None or self._is_old(self._known, self._asked_at_s):
            self._known, self._asked_at_s = self._read(repository.client.name) or self._ask(repository)
        return self._known

    def forget(self, repository: Repository) -> None:
        """Have the next call ask the registry of `repository` again: its habits were seen to differ."""
        self._known = None
        self._habits.forget(repository.client.name)

    def _read(self, registry: str) -> tuple[Capabilities, int] | None:
        kept = self._habits.get(registry)
        if kept is None:
            return None
        habits, asked_at_s = Capabilities.from_dict(kept[0]), kept[1]
        return None if self._is_old(habits, asked_at_s) else (habits, asked_at_s)

    def _ask(self, repository: Repository) -> tuple[Capabilities, int]:
        asked, now_s = probe(repository), self._now_s()
        self._habits.put(repository.client.name, asked.to_dict(), asked_at_s=now_s)
        return asked, now_s

    def _is_old(self, habits: Capabilities, asked_at_s: int) -> bool:
        return self._now_s() - asked_at_s >= (ASK_AGAIN_S if habits.unsure else FORGET_AFTER_S)

    def _now_s(self) -> int:
        return self._clock.now_ms() // 1000
