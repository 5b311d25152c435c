"""How an attempt at one owed reference ended, where no error ended it."""

from __future__ import annotations

from dataclasses import dataclass

from geosync.replication.copy import CopyResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`discharged` False: it was marked again meanwhile (`marked_again`), or it can be proved only later."""

    discharged: bool
    marked_again: bool = False
    digest: str | None = None
    copied: CopyResult | None = None
    unannounced: bool = False
    """A comparison found it, and no notification had told of it."""
    outside: bool = False
    """It is not, or no longer, among what this site replicates: nothing was copied or removed."""
