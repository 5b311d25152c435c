"""Take-overs: a holder names what it works on, vanishes, and whoever takes over counts a death for what stands there.

As in HeldLease, a name goes into the row with the next renewal, and after a death before the reference is begun.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.unit.sync_registry.model.library import Library
from tests.unit.sync_registry.model.world import (
    IDLE,
    Scenario,
    State,
    Table,
    Violation,
    Worker,
    with_table,
)

from geosync.sync_registry.items import PARKED_DUE_MS

BEREAVED = ("bereaved", "count")
"""The phases of a worker that has yet to count what the one before it left behind."""


def begun(lease: tuple[Any, ...]) -> Worker:
    """A worker that has just acquired; one that took over sees to what was left behind first."""
    return Worker("bereaved" if lease[5] else "held", lease)


class TakeOvers:
    """The steps of naming and counting, and what must hold of them. `World` has the others."""

    scenario: Scenario
    library: Library

    # --------------------------------------------------------------------------------------------------- the steps

    def _renewed(self, table: Table, worker: Worker) -> tuple[Table, Worker | None]:
        """Renew, with what is worked on if that changed; None: the lease is lost."""
        wanted = (worker.owed[0],) if worker.owed and worker.phase not in BEREAVED else ()
        if not self.scenario.poison or wanted == worker.named:
            table, lease = self.library.call(table, "renew", worker.lease)
        else:
            table, lease = self.library.call(table, "renew", worker.lease, wanted)
        if lease is None:
            return table, None
        if worker.phase not in BEREAVED:
            lease = (*lease[:4], (), lease[5])  # what was left behind does not matter any more
        return table, worker._replace(lease=lease, named=wanted if self.scenario.poison else ())

    def _is_careful(self, worker: Worker, owed: tuple[Any, ...]) -> bool:
        """After a death, or over a reference that counts one, the row names it before it is begun."""
        assert worker.lease is not None
        return bool(worker.lease[5] or owed[5][1])

    def _bereaved(self, state: State, index: int, worker: Worker) -> Iterator[tuple[str, State]]:
        """As Settler.settle_deaths: what is left of what the last holder named."""
        assert worker.lease is not None
        _, left = self.library.call(state.table, "left_behind", worker.lease)
        assert len(left) <= 1, "a worker works on one reference at a time"
        if self._leaves_names(worker.lease, left):
            after = self._settled(worker)
        else:
            after = worker._replace(phase="count", owed=left[0] if left else None)
        what = ", ".join(f"v{owed[0]}" for owed in left) or "nothing"
        yield f"worker {index} reads that {what} was left behind", self._with(state, index, after)

    def _leaves_names(self, lease: tuple[Any, ...], left: tuple[Any, ...]) -> bool:
        """Leave the row as it is if it names nothing; otherwise the names go, even if nothing of them is owed."""
        return not lease[4]

    def _count(self, state: State, index: int, worker: Worker) -> Iterator[tuple[str, State]]:
        left = () if worker.owed is None else (worker.owed,)
        table, counted = self.library.call(state.table, "count_deaths", worker.lease, left)
        after = IDLE if counted is None else self._settled(worker)
        yield f"worker {index} counts {counted} deaths", self._with(state, index, after, table)

    def _name(self, state: State, index: int, worker: Worker) -> Iterator[tuple[str, State]]:
        """Name the reference in the row before it is begun."""
        table, kept = self._renewed(state.table, worker._replace(named=()))
        after = IDLE if kept is None else kept._replace(phase="todo")
        yield f"worker {index} names v{worker.owed[0]}", self._with(state, index, after, table)  # type: ignore[index]

    def _settled(self, worker: Worker) -> Worker:
        assert worker.lease is not None
        lease = (*worker.lease[:4], (), worker.lease[5])
        return worker._replace(phase="held", owed=None, lease=lease)

    def _with(self, state: State, index: int, worker: Worker, table: Table | None = None) -> State:
        workers = (*state.workers[:index], worker, *state.workers[index + 1 :])
        return with_table(state, state.table if table is None else table, workers)

    # ------------------------------------------------------------------------------------ who really died over what

    def _mourned(self, state: State, worker: Worker) -> State:
        """The state with one more death over all that `worker`, who dies, works on, or worked on and still names."""
        if not self.scenario.poison:
            return state
        over = set(worker.named)
        if worker.owed is not None and worker.phase not in (*BEREAVED, "name"):
            over.add(worker.owed[0])
        most = self._most_deaths() + 1
        died = tuple(min(number + (tag in over), most) for tag, number in enumerate(state.died))
        return state._replace(died=died)

    def _afresh(self, state: State, tag: int) -> State:
        """The state once `tag` is marked: nobody died over it since, but for one whose death is not counted yet."""
        row = state.table.row
        if not self.scenario.poison:
            return state
        settled = row is not None and any(
            worker.lease is not None and worker.lease[0] == row[2] and worker.phase not in BEREAVED
            for worker in state.workers
        )
        uncounted = row is not None and tag in row[6] and not settled
        return state._replace(died=(*state.died[:tag], int(uncounted), *state.died[tag + 1 :]))

    def _most_deaths(self) -> int:
        """Deaths over one reference: the first need not be named; all others are, and counted, until it is parked."""
        return self.scenario.max_deaths + 1

    def _check_deaths(self, state: State) -> None:
        row = state.table.row
        if row is not None and row[2] is None and (row[6] or row[7]):
            raise Violation("nobody holds the repository, and its row speaks of a holder's death or work")
        for tag, (owed, died) in enumerate(zip(state.table.owed, state.died, strict=True)):
            if died > self._most_deaths():
                raise Violation(f"holders die over v{tag} again and again")
            if owed is None:
                continue
            if owed[4][1] > died:
                raise Violation(f"more deaths are counted for v{tag} than holders died over it since its mark")
            if owed[3] == PARKED_DUE_MS and owed[4][1] < self.scenario.max_deaths:
                raise Violation(f"v{tag} is parked, and too few holders died over it")
