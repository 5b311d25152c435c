"""The metrics of one invocation, and its actions as the fakes saw them: the two must agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Tally:
    """One invocation's: metrics by their names, and what it did, by the names in watching.py."""

    measured: dict[str, float] = field(default_factory=dict)
    did: Counter[str] = field(default_factory=Counter)
    marked: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The marks that it wrote, by repository and key."""
    is_troubled: bool = False
    """One of its calls had no answer, or was sent twice: it may have done what it does not know of."""
    said: Mapping[str, Any] = field(default_factory=dict)
    """The keys of its last log line."""
