"""How an attempt at one owed reference ended, and how a run of a verification did, where no error ended it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from geosync.copying.copy import CopyResult


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


class VerificationEnding(Enum):
    """How a run of a verification ended."""

    VERIFIED = "verified"
    FAILED = "failed"
    LATER = "later"
    """It goes on in a later invocation."""
    OVERTAKEN = "overtaken"
    """Something was pushed meanwhile: it begins anew when that is synced."""
    NOT_NOW = "not_now"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationResult:
    """How a run ended, why, and what it cost (requests to both registries)."""

    ending: VerificationEnding
    reason: str = ""
    requests: int = 0
