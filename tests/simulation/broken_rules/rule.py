"""A rule of Geosync's that the simulation breaks, and the two ways to take a part of it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

Patch = Callable[[], Any]
"""Makes what takes a part of a rule out for as long as it is entered."""
NOT_THERE = "digests|would_be_lost|synced|recovery_point|no rest"
"""What is said to be here, or not to be owed, and is neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule in words, what takes it out, and what the simulation then finds within `seeds` seeds."""

    says: str
    without: tuple[Patch, ...]
    seeds: int
    finds: str = NOT_THERE
    """A regular expression."""
    first: int = 0
    """The seed to begin with: not long before one that finds it today, as it takes half a second to look at one."""
    minutes: int = 2
    """Before the rest."""
    often: tuple[str, ...] = ()
    """Deeds that happen more often: without them it would take more seeds."""


def instead(where: object, name: str, replacement: object) -> Patch:
    """Have `replacement` in its place."""
    return lambda: patch.object(where, name, replacement)


def answer(where: object, name: str, value: object) -> Patch:
    """Have it always answer `value`."""
    return instead(where, name, lambda *_, **__: value)
