"""States as they are compared: a tick makes everything else grow older, and names only tell equal from not equal."""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.unit.sync_registry.model.world import LATE, LONG_AGO, NOW, OLDEST, State, Table, Worker, with_table

from geosync.sync_registry.items import PARKED_DUE_MS


def _aged(moment: int, oldest: int = OLDEST) -> int:
    return max(moment - 1, NOW - oldest)


def older(state: State) -> State:
    """The state one tick later: everything else is one tick older. Late writes past their time never land."""
    pending, events, late = state.pending, state.events, state.late
    aged = with_table(state, _table_aged(state.table), tuple(map(_worker_aged, state.workers)))
    if not (pending or events or late):
        return aged
    return aged._replace(
        pending=tuple((tag, digest, deadline - 1) for tag, digest, deadline in pending),
        late=tuple((tag, digest, deadline - 1) for tag, digest, deadline in late if deadline > NOW),
        events=tuple((tag, digest, _aged(received_at)) for tag, digest, received_at in events),
    )


@cache
def _table_aged(table: Table) -> Table:
    row, owed, seen, digests = table
    if row is not None:
        # Nothing is looked at before NOW any more, so that any suspicion that is over is as good as one until NOW.
        lease_expires = None if row[3] is None else _aged(row[3], LATE + 1)
        # A row is due when its lease expires. One without a lease is due since somebody knocked, however long ago, or
        # when a tag write cannot land any more.
        due = row[5] and (max(row[5] - 1, NOW) if lease_expires is None else lease_expires)
        row = (*row[:3], lease_expires, max(row[4] - 1, NOW), due, *row[6:])
    return Table(
        row,
        tuple(map(_owed_aged, owed)),
        tuple(map(_seen_aged, seen)),
        tuple((digest, *_owed_aged(tuple(values))) for digest, *values in digests),
    )


def _seen_aged(seen: Any) -> Any:
    """A look is kept apart from an event for one tick longer, so that an old event stays newer than an older look."""
    return seen and (seen[0], _aged(seen[1], OLDEST + 1), _aged(seen[2], OLDEST + 1))


def _owed_aged(owed: Any) -> Any:
    """A due that was put off, or is as old as its comparison, stays apart from the mark, however old both are."""
    if owed is None:
        return None
    mark, expects, marked_at, due, tried = owed
    if due == PARKED_DUE_MS:
        pass
    elif due > marked_at:
        due = max(due - 1, NOW - OLDEST + 1)
    elif due > LONG_AGO:
        due = _aged(due)
    return (mark, expects, _aged(marked_at), due, tried)


@cache
def _worker_aged(worker: Worker) -> Worker:
    lease, owed, primary, more = worker.lease, worker.owed, worker.primary, worker.more
    if lease is not None:
        lease = (*lease[:2], max(lease[2] - 1, NOW), _aged(lease[3], 1), *lease[4:])
    match worker.phase:
        case "writing":
            more = (more[0], more[1] - 1)
        case "discharge":
            more = _seen_aged(more)
        case "postpone":
            more = max(more - 1, NOW)
        case "unmarked":
            more = (*more[:2], _aged(more[2]))
    if owed is not None and primary is None:
        marked = _owed_aged(owed[1:6])
        owed = (owed[0], *marked, _seen_aged(owed[6]))
    elif owed is not None and primary is not None and primary[1] > NOW - OLDEST - 1:
        # Once the primary was looked at, only the distances from that look matter: they grow old together.
        seen = owed[6] and (owed[6][0], owed[6][1] - 1, owed[6][2] - 1)
        owed, primary = (*owed[:3], owed[3] - 1, owed[4] - 1, owed[5], seen), (primary[0], primary[1] - 1)
    return worker._replace(lease=lease, owed=owed, primary=primary, more=more)


HELD, LOST = "held", "lost"
"""The names of tokens in canonical states."""


def canonical(state: State) -> State:
    """Rename marks, revisions and tokens, and sort workers, so that states that differ in names only are the same."""
    table, workers = _renamed(state.table, state.workers)
    return state if table is state.table and workers is state.workers else with_table(state, table, workers)


@cache
def _renamed(table: Table, workers: tuple[Worker, ...]) -> tuple[Table, tuple[Worker, ...]]:
    workers = tuple(sorted(workers, key=_order))
    marks, ranks = _mark_names(table, workers), _revision_ranks(table, workers)
    token = table.row[2] if table.row is not None else None
    renamed = tuple(_renamed_worker(worker, token, marks, ranks) for worker in workers)
    row = table.row and (table.row[0], ranks[table.row[1]], token and HELD, *table.row[3:])
    owed = tuple(one and (marks[one[0]], *one[1:]) for one in table.owed)
    digests = tuple((digest, marks[mark], *values) for digest, mark, *values in table.digests)
    return Table(row, owed, table.seen, digests), renamed


def _mark_names(table: Table, workers: tuple[Worker, ...]) -> dict[str, str]:
    """The new names of all marks, in the order in which they appear."""
    marks: dict[str, str] = {}
    for owed in table.owed:
        if owed is not None:
            marks.setdefault(owed[0], f"m{len(marks)}")
    for _, mark, *_ in table.digests:
        marks.setdefault(mark, f"m{len(marks)}")
    for worker in workers:
        if worker.owed is not None:
            marks.setdefault(worker.owed[1], f"m{len(marks)}")
    return marks


def _revision_ranks(table: Table, workers: tuple[Worker, ...]) -> dict[int, int]:
    """The rank of every revision that somebody still compares; 0, a row without one, stays 0."""
    row = table.row
    revisions = {row[1]} if row is not None else set()
    for worker in workers:
        if worker.lease is not None and row is not None and worker.lease[0] == row[2]:
            revisions.add(worker.lease[1])
        if worker.phase == "finish":
            revisions.add(worker.more[0])
    return {revision: rank for rank, revision in enumerate(sorted(revisions - {0}), 1)} | {0: 0}


def _renamed_worker(worker: Worker, held: str | None, marks: dict[str, str], ranks: dict[int, int]) -> Worker:
    """A worker with new names; `held` is the token in the row. Of a lost lease only matters that it was lost."""
    if worker.lease is None:
        return worker
    token, revision = (HELD, ranks[worker.lease[1]]) if worker.lease[0] == held else (LOST, 0)
    owed, more = worker.owed, worker.more
    if owed is not None:
        owed = (owed[0], marks[owed[1]], *owed[2:])
    if worker.phase == "finish":
        more = (ranks[more[0]], more[1])
    return worker._replace(lease=(token, revision, *worker.lease[2:]), owed=owed, more=more)


@cache
def _order(worker: Worker) -> tuple[str, str]:
    """Any order of workers will do that does not depend on their tokens."""
    lease = worker.lease and worker.lease[1:]
    owed = worker.owed and worker.owed[:1]
    return worker.phase, repr((lease, owed, worker.primary, worker.writes, worker.stalled, worker.named))


def forget() -> None:
    """Drop what was found out of states."""
    for found in (_table_aged, _worker_aged, _renamed, _order):
        found.cache_clear()
