"""What a site's counters say of its verifications."""

from __future__ import annotations

from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.verifying.counts import VerificationCounts, verification_counts_of


def verification_counts(sync_registry: SyncRegistry) -> VerificationCounts:
    rows = sync_registry.counters.read()
    assert rows is not None, "the rows are not counted yet"
    return verification_counts_of(rows)
