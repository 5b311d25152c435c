"""The parts of a site that every pull needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from geosync.reading.line import Line
from geosync.reading.own_registry import Answered, OwnRegistry
from geosync.reading.promise import Promise
from geosync.reading.waiting import Whereabouts
from geosync.threads import Threads

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingSite:
    """A site at which clients pull: its promise, its registry, what is known of a reference, and what puts it first."""

    promise: Promise
    registry: OwnRegistry
    whereabouts: Whereabouts
    line: Line
    threads: Threads

    def beside(self, read: Callable[[], Read], ask: Callable[[], Answered]) -> tuple[Read, Answered]:
        """Read the table while the registry is asked. Raises what either of the two raises.

        The registry's answer is always waited for: its connection belongs to this request.
        """
        with self.threads.pool(1, name="registry") as pool:
            answered = pool.submit(ask)
            found = read()
        return found, answered.result()
