"""The parts of a site that every pull needs."""

from __future__ import annotations

from dataclasses import dataclass

from geosync.reading.line import Line
from geosync.reading.own_registry import OwnRegistry
from geosync.reading.promise import Promise
from geosync.reading.waiting import Whereabouts


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingSite:
    """A site at which clients pull: its promise, its registry, what is known of a reference, and what puts it first."""

    promise: Promise
    registry: OwnRegistry
    whereabouts: Whereabouts
    line: Line
