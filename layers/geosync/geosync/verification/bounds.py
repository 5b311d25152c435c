"""What a verification may cost, and how one run of it ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What verification may cost.

    Seconds between two rounds of a repository (0: only when asked), requests for each repository and day, bytes read
    back by the site in a day.
    """

    interval: float = 7 * 86_400
    requests: int = 20_000
    sample_bytes: int = 1024**3


class Ending(Enum):
    """How a run ended."""

    VERIFIED = "verified"
    FAILED = "failed"
    LATER = "later"
    """It goes on in a later invocation."""
    OVERTAKEN = "overtaken"
    """Something was pushed meanwhile: it begins anew when that is synced."""
    NOT_NOW = "not_now"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a run ended, why, and what it cost (requests to both registries)."""

    ending: Ending
    reason: str = ""
    requests: int = 0
