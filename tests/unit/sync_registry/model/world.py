"""A small world around the real protocol: a primary, a secondary, events, time, and two workers that may die.

A state is one nested tuple. Time does not count up: `NOW` stays, and a tick makes everything else one older, down to a
bound, so that there are finitely many states. Marks and revisions are renamed by the order in which they appear, and
workers sorted, since only equality counts. Every read and write of the table, and every decision, is the library's
own, called on a store in memory; what is modelled here is what surrounds it, and the order of a holder's requests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from geosync.sync_registry.timing import Timing
from geosync.sync_registry.transitions.marks import MOST_EXPECTED

NOW = 10_000
OLDEST = 2
"""Ticks after which a moment is as old as it can be: the longest settle time."""
LONG_AGO = NOW - OLDEST - 1
"""When the whole repository was marked whose comparison marks tags now: before anything else is known of."""
REPOSITORY = "project/app"
ASKED = "asked"
"""In what a mark says: somebody asked for a look, as a pull does that promises the tag of now."""
FOREIGN = "F"
"""The digest of a tag at the secondary that Geosync did not put there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Where an exploration starts, and what may happen in it. One tick is one millisecond."""

    name: str
    primary: tuple[str | None, ...]
    """What each tag is at first, at the primary."""
    secondary: tuple[str | None, ...]
    known: bool = True
    """Whether the secondary's tags are recorded as Geosync's own (a look long ago)."""
    owed: bool = False
    """Whether the tags are owed from the start, as a backfill marks them."""
    pushes: tuple[tuple[int, str | None], ...]
    """What happens at the primary, in this order: (tag, digest), None for a deletion."""
    write_delay: int = 1
    """Ticks after its event until which a push is written; 0: before anything else happens."""
    together: int = 2
    """How many pushes may be in progress at once."""
    asked: int = 0
    """How many times somebody who saw no event (a comparison, a resync, an operator) marks the first tag."""
    asks: str | None = None
    """What they say of the secondary's tag: ADOPT, or, while the primary has none, MISSING or KEEP. ASKED: nothing."""
    lost: bool = False
    """Whether the primary lost its tags before, and nobody announced it."""
    suspended: bool = False
    """Whether the breaker is on."""
    duplicates: int = 0
    crashes: int = 0
    unknowns: int = 0
    """Tag writes that are given up without an answer."""
    refuses: bool = False
    """Whether the table may refuse to write that down, so that the worker lets go."""
    stalls: int = 0
    """How many times a worker misses a renewal, and goes on under a lease that runs out, or may have been lost."""
    apart: bool = False
    """Whether one function marks and knocks, and another works once its wake arrives."""
    poison: bool = False
    """Whether every holder dies that works on the first tag, before it writes anything, and deaths are counted."""
    superseded: bool = False
    """Whether every digest counts that a push named, also once a later push of the tag overtook it."""
    collects: bool = False
    """Whether the primary's manifest goes with its tag."""
    most_expected: int = MOST_EXPECTED
    """Digests that the item of a tag takes."""
    split: bool = True
    """Whether other things happen between a mark and its knock."""
    workers: int = 2

    @property
    def max_deaths(self) -> int:
        """Deaths over one reference after which it is parked: one more than chance alone, and one tag's death, make."""
        return 2 + self.crashes

    @property
    def timing(self) -> Timing:
        tick = 0.001
        return Timing(
            lease_s=2 * tick,
            renewal_s=tick / 2,
            stale_renewal_s=tick,
            tag_write_timeout_s=tick,
            settle_s=(self.write_delay + 1) * tick,
            suspect_s=(LATE + 1) * tick,
            polls_s=(),
            max_deaths=self.max_deaths,
        )


LATE = 2
"""Ticks after it was given up, or its client died, until which a tag write may land: less than `suspect`."""
WRITE_TIMEOUT = 1
PAUSE = 1
"""Ticks until what has failed is due again: the library's pause, of at least 16 s, is longer than everything here."""
UNTRIED = (0, 0)
"""The failed attempts and deaths of what was never tried."""
NO_DEATH = ((), 0)
"""The end of a row, or a lease, of a repository in which nobody vanished."""


class Table(NamedTuple):
    """What the protocol reads of the table; the rest of the items does not change what happens."""

    row: tuple[Any, ...] | None
    """(state, revision, lease_token, lease_expires, suspect_until, due, tags that are worked on, whether one died)"""
    owed: tuple[tuple[Any, ...] | None, ...]
    """for each tag (mark, expects with if_absent, marked_at, due, (attempts, deaths))"""
    seen: tuple[tuple[Any, ...] | None, ...]
    """for each tag (digest, answered_at, looked_at)"""
    digests: tuple[tuple[Any, ...], ...] = ()
    """what is owed by digest: (digest, mark, expects, marked_at, due, (attempts, deaths))"""


class Worker(NamedTuple):
    """What a worker has in memory, and what it is about to do."""

    phase: str = "idle"
    lease: tuple[Any, ...] | None = None
    """(token, revision, suspect_until, expires, tags that a vanished holder worked on, whether one vanished)"""
    owed: tuple[Any, ...] | None = None
    """(tag or digest, mark, expects with if_absent, marked_at, due, (attempts, deaths), seen), read before the look at
    the primary; bereaved and count: what the holder that vanished left behind"""
    primary: tuple[Any, ...] | None = None
    """(digest, at)"""
    writes: int = 0
    stalled: bool = False
    more: Any = None
    """writing: (digest, deadline); postpone: due; discharge: the seen, or None; unmarked: the event;
    finish: (revision, (how many are owed, how many of them have failed))"""
    named: tuple[int, ...] = ()
    """The tags that it last named in the row."""


IDLE = Worker()


class State(NamedTuple):
    """Everything."""

    primary: tuple[str | None, ...]
    pending: tuple[tuple[int, str | None, int], ...]
    """pushes that sent their event and are not written: (tag, digest, deadline)"""
    pushed: int
    events: tuple[tuple[int, str, int], ...]
    """(tag, digest or ABSENT, received_at)"""
    secondary: tuple[str | None, ...]
    late: tuple[tuple[int, str | None, int], ...]
    """writes that nobody waits for: (tag or digest, digest, deadline)"""
    table: Table
    workers: tuple[Worker, ...]
    asked: int
    duplicates: int
    crashes: int
    unknowns: int
    stalls: int
    died: tuple[int, ...] = ()
    """With a tag that kills: for each tag the holders that died having worked on it since it was marked."""
    kept: frozenset[str] = frozenset()
    """Where superseded digests count: the manifests that the primary has."""
    here: frozenset[str] = frozenset()
    """Likewise those that the secondary has."""


def with_table(state: State, table: Table, workers: tuple[Worker, ...]) -> State:
    """Return the state with another table and other workers; `_replace` takes several times as long."""
    return State._make((*state[:6], table, workers, *state[8:]))


class Violation(Exception):
    """A property does not hold in a state, or was broken by a step."""
