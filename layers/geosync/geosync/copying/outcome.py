"""The ends of an attempt at one owed reference, and of a run of a verification, where no error ended it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyResult:
    """The cost of one call of `Copier.copy`. A part that two calls share counts for the one that came first."""

    bytes_copied: int
    blobs_copied: int
    blobs_there: int
    """Blobs below something missing that were looked for, and found there or mounted from another repository."""
    manifests_put: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The end of an attempt.

    One that is not `discharged` was marked again meanwhile (`marked_again`), or can be proved only later.
    """

    discharged: bool
    marked_again: bool = False
    digest: str | None = None
    copied: CopyResult | None = None
    unannounced: bool = False
    """A comparison found the difference, and no notification had told of it yet."""
    outside: bool = False
    """This site does not, or no longer, replicate the reference: nothing was copied."""
    removed: bool = False
    """A tag outside the selection was removed at the secondary."""
    absent: bool = False
    """The primary is proved not to have it."""


class VerificationEnding(Enum):
    """The ways in which a run of a verification ends."""

    VERIFIED = "verified"
    FAILED = "failed"
    LATER = "later"
    """It goes on in a later invocation."""
    OVERTAKEN = "overtaken"
    """Something was pushed meanwhile: it begins anew when that is synced."""
    NOT_NOW = "not_now"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationResult:
    """The end of a run, its reason, and its cost (requests to both registries)."""

    ending: VerificationEnding
    reason: str = ""
    requests: int = 0
