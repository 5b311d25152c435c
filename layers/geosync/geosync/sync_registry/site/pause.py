"""The item `pause`: nothing is acquired at this site; events are still marked.

An operator pauses a site, or a command that changes its role: a promotion, or `follow`. While such a command runs,
nobody else ends the pause, since a copy from the old primary could land on what is pushed to the new one. Its pause is
told by the reason. The reason of an operator's pause that it found waits in `before`, and is the reason again then.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass

from boto3.dynamodb.conditions import Attr, ConditionBase

from geosync.clock import Clock
from geosync.errors import Contended, RoleChanging
from geosync.sync_registry.access import ATTEMPTS
from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.table.attributes import text_in, whole_number
from geosync.sync_registry.table.changes import ConditionFailed, Delete, Key, Store, Update

KEY = Key(SITE, "pause")
_ROLE_CHANGE = re.compile(r"(promotion|following [a-z0-9-]+) \[([0-9a-f]{8})\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """The site is paused since `since` (milliseconds since the epoch).

    `before` is the reason of an operator's pause that a change of the site's role found; None where there was none.
    """

    since: int
    reason: str
    before: str | None = None

    @classmethod
    def from_item(cls, item: Item | None) -> Pause | None:
        """Read the item `pause`; None when there is none."""
        if item is None:
            return None
        return cls(
            since=whole_number(item, "since"),
            reason=str(item.get("reason", "")),
            before=text_in(item, "before"),
        )

    @property
    def role_change(self) -> str | None:
        """The id of the change of the site's role that made it; None for an operator's pause."""
        made = _ROLE_CHANGE.fullmatch(self.reason)
        return made[2] if made is not None else None

    @property
    def way_out(self) -> str:
        """The command that ends it."""
        if self.role_change is None:
            return "geosync resume"
        command = "geosync promote" if self.reason.startswith("promotion") else "geosync follow"
        return f"{command}, run again, ends it; if it runs no more and is not to: {self.abandoning}"

    @property
    def abandoning(self) -> str:
        """The command that ends the pause of a change of role that nobody makes any more."""
        return f"geosync resume --abandoned {self.role_change}"


def role_change(what: str, token: str) -> str:
    """Return the reason of the pause of a change of role: `what` is `promotion`, or `following` and a site's name."""
    return f"{what} [{token[-8:]}]"


class Pauses:
    """Pauses the site, and ends its pause. Every write holds only for the pause that was read."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def read(self) -> Pause | None:
        """The site's pause, None while it is not paused."""
        return Pause.from_item(self._store.get(KEY))

    def pause(self, reason: str) -> None:
        """Pause the site for an operator. Raises RoleChanging, Contended."""
        for _ in range(ATTEMPTS):
            found = self.read()
            _refuse_role_change(found)
            if self._set(found, reason):
                return
        raise Contended(f"the site's pause changed {ATTEMPTS} times while it was to be set")

    def resume(self, abandoned: str | None = None) -> None:
        """End an operator's pause; with `abandoned` (its id) also that of a change of role that nobody makes any more.

        Raises RoleChanging, Contended.
        """
        for _ in range(ATTEMPTS):
            found = self.read()
            if abandoned is None or (found is not None and found.role_change != abandoned):
                _refuse_role_change(found)
            if found is None or self._end(found):
                return
        raise Contended(f"the site's pause changed {ATTEMPTS} times while it was to be ended")

    def take(self, reason: str) -> None:
        """Pause the site for a change of its role, in place of one that was interrupted. Raises Contended."""
        for _ in range(ATTEMPTS):
            found = self.read()
            is_operators = found is not None and found.role_change is None
            if self._set(found, reason, before=found.reason if found is not None and is_operators else None):
                return
        raise Contended(f"the site's pause changed {ATTEMPTS} times while it was to be taken over")

    def give_back(self, reason: str | None = None) -> None:
        """End the pause of a change of role that has this very reason (None: any); an operator's goes on after it.

        Without effect where somebody has taken it over.
        """
        found = self.read()
        if found is None or found.role_change is None or (reason is not None and found.reason != reason):
            return
        if found.before is None:
            self._end(found)
            return
        theirs = Update(key=KEY, set={"reason": found.before}, remove=("before",), when=_is_still(found))
        with suppress(ConditionFailed):
            self._store.write(theirs)

    def clear(self) -> None:
        """End whatever pause there is: the site has become the primary, which copies nothing."""
        self._store.write(Delete(key=KEY))

    def _set(self, found: Pause | None, reason: str, *, before: str | None = None) -> bool:
        values = {"reason": reason, **({"before": before} if before is not None else {})}
        since = {"since": self._clock.now_ms()}
        with suppress(ConditionFailed):
            self._store.write(Update(key=KEY, set=values, set_once=since, when=_is_still(found)))
            return True
        return False

    def _end(self, found: Pause) -> bool:
        with suppress(ConditionFailed):
            self._store.write(Delete(key=KEY, when=_is_still(found)))
            return True
        return False


def _is_still(found: Pause | None) -> ConditionBase:
    """The pause is as it was read."""
    reason = Attr("reason")
    if found is None:
        return Attr("since").not_exists()
    return reason.eq(found.reason) | reason.not_exists() if not found.reason else reason.eq(found.reason)


def _refuse_role_change(found: Pause | None) -> None:
    if found is not None and found.role_change is not None:
        raise RoleChanging(
            f"the site is paused by a change of its role ({found.reason}), so that no copy from the old primary lands "
            f"on what is pushed to the new one: {found.way_out}"
        )
