"""The pushes that an owed reference speaks of, by the primary's clocks. Pure functions.

    pushed_at       the earliest push that it stands for; of what no event announced, the last moment at which it is
                    known to have been equal. Nothing of it that was pushed before is missing: the recovery point
    told_at         the earliest push that an event told of: lags count from it
    differs_since   since when it may be different, says a comparison that met it owed already

A comparison and an event may speak of one reference in any order, and a tag may be deleted before it is pushed. So the
two moments are apart.
"""

from __future__ import annotations

from geosync.sync_registry.items import ABSENT, Owed


def announced_at(owed: Owed) -> int | None:
    """Return the earliest push (ms) that an event told of; None: none did.

    An item that a former version marked has no `told_at`: then it is what that version took it for, until another event
    of a push marks it. Its lag may be too short then, once.
    """
    if not owed.expects - {ABSENT}:
        return None
    return owed.pushed_at if owed.told_at is None else owed.told_at


def is_only_deleted(owed: Owed) -> bool:
    """Tell whether events or comparisons said that it is gone, or should go, and nobody told of a push."""
    return owed.expects == {ABSENT} or (not owed.expects and bool(owed.if_absent))
