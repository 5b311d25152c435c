"""Findings as a comparison notes them, without a lease."""

from __future__ import annotations

from geosync.sync_registry.site import findings
from geosync.sync_registry.site.findings import Finding
from geosync.sync_registry.table.changes import Store


def note_finding(store: Store, finding: Finding, before: Finding | None) -> None:
    """Note a finding in place of the one `before` it, whoever has the repository."""
    change = findings.change(finding, before)
    if change is not None:
        store.write(change)
