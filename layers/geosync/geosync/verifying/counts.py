"""How many rows are verified: for the status, which reads counters and no rows."""

from __future__ import annotations

from dataclasses import dataclass

from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.site import counters
from geosync.sync_registry.table.changes import Key, Store

ROWS = Key(SITE, "counter#rows")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationCounts:
    """Rows of a site by how their last verification ended; the rest of `total` is still to be verified.

    A row counts from one verification's end to the next one's, or until a sync of it fails. `checksummed` are those
    with a checksum of their own (equal to the primary's or not), `checksum_failed` those of which none could be made.
    """

    total: int = 0
    verified: int = 0
    failed: int = 0
    checksummed: int = 0
    checksum_failed: int = 0


def verification_counts(store: Store) -> VerificationCounts:
    """Read the counters: one request."""
    found = store.batch_get([ROWS, *counters.KEYS])
    verified, failed, unreadable = (
        sum(_number(found.get(key), name) for key in counters.KEYS)
        for name in (counters.VERIFIED, counters.FAILED, counters.UNREADABLE)
    )
    return VerificationCounts(
        total=_number(found.get(ROWS), "value"),
        verified=verified,
        failed=failed + unreadable,
        checksummed=verified + failed,
        checksum_failed=unreadable,
    )


def _number(item: Item | None, name: str) -> int:
    value = item.get(name, 0) if item is not None else 0
    return value if isinstance(value, int) else 0
