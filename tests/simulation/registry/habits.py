"""The choices that the specification leaves to a registry, as this one is configured now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Habits:
    """The choices of one registry. The defaults are those of Distribution 2 and 3 on a file system."""

    checks_blobs: bool = True
    """An image that names blobs which are not there is refused."""
    checks_children: bool = True
    """The same for an index and its manifests."""
    mounts: bool = True
    """A blob of another repository is mounted when it is asked for."""
    has_referrers: bool = False
    """It answers to the referrers API."""
    redirects: bool = False
    """A blob is read at a storage on another host."""
    refuses_signed: float = 0.0
    """The share of the requests at that storage which it refuses, as what was signed is too old."""
    page_size: int = 100
    """It gives so many names at a time, however many are asked for."""
    has_catalogue: bool = True
    """It lists its repositories."""


CHANGES: tuple[dict[str, Any], ...] = (
    {"checks_blobs": False},
    {"checks_blobs": True},
    {"checks_children": False},
    {"checks_children": True},
    {"checks_blobs": False, "checks_children": False},
    {"checks_blobs": True, "checks_children": True},
    {"mounts": False},
    {"mounts": True},
    {"has_referrers": True},
    {"has_referrers": False},
    {"redirects": True},
    {"redirects": True, "refuses_signed": 0.3},
    {"redirects": False},
    {"page_size": 1},
    {"page_size": 2},
    {"page_size": 100},
    {"has_catalogue": False},
    {"has_catalogue": True},
)
"""What changes at a time."""
