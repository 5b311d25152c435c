"""The numbers of verified rows: for the status, which reads counters and no rows."""

from __future__ import annotations

from dataclasses import dataclass

from geosync.sync_registry.site.counters import RowCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationCounts:
    """Rows of a site by how their last verification ended; the rest of `total` is still to be verified.

    A row counts from one verification's end to the next one's, or until a sync of it fails. `checksummed` are those
    with a checksum of their own (equal to the primary's or not), `checksum_failed` those whose checksum could not be
    made.
    """

    total: int = 0
    verified: int = 0
    failed: int = 0
    checksummed: int = 0
    checksum_failed: int = 0


def verification_counts_of(rows: RowCounts) -> VerificationCounts:
    """The counts of rows, by how their last verification ended."""
    return VerificationCounts(
        total=rows.rows,
        verified=rows.verified,
        failed=rows.verification_failed + rows.unreadable,
        checksummed=rows.verified + rows.verification_failed,
        checksum_failed=rows.unreadable,
    )
