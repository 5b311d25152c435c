"""The values that a row is counted as by the site's counters (site/counters.py)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The values that the site's counters count a row as; None: as nothing.

    `state` is SYNCED or FAILED, `verification` how its last verification ended (site/counters.py). A row that is in
    state SYNCED or FAILED counts as that. One that was knocked at since counts as what it was, until it is let go.
    """

    state: str | None = None
    verification: str | None = None
