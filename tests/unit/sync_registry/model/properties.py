"""The properties that must hold in every state, and of every removal and every choice."""

from __future__ import annotations

from typing import Any

from tests.unit.sync_registry.model.library import SAID
from tests.unit.sync_registry.model.takeovers import TakeOvers
from tests.unit.sync_registry.model.world import FOREIGN, IDLE, State, Violation, Worker

from geosync.sync_registry.items import ABSENT, ADOPT, FAILED, KEEP, PARKED_DUE_MS, SYNCED


class Properties(TakeOvers):
    """Checks states and steps. `World` has the steps."""

    def check(self, state: State) -> None:
        """Raise Violation unless `state` is as it must be."""
        if self.scenario.poison:
            self._check_deaths(state)
        self._check_equal(state)
        if self.scenario.superseded:
            self._check_named(state)
        if not (self.scenario.crashes or self.scenario.stalls or self.scenario.poison or self.scenario.refuses):
            self._check_unaided(state)

    def _check_equal(self, state: State) -> None:
        """Whatever is not owed, and of which no event is underway, is equal."""
        announced = state.events or state.pending or any(worker.phase == "unmarked" for worker in state.workers)
        for tag, owed in enumerate(state.table.owed):
            if owed is not None and owed[1] - SAID and owed[3] < owed[2]:
                raise Violation("a push lost its place to a comparison")
            if owed is not None or announced:
                continue
            look = state.table.seen[tag]
            seen = look[0] if look else None
            here, there = state.secondary[tag], state.primary[tag]
            if there is None and self._may_stay(state, here, seen):
                continue
            if here != there and not (here == FOREIGN and seen is None and there is None):
                raise Violation(f"nothing is owed, and v{tag} is {here} at the secondary, {there} at the primary")
            if seen != there:
                raise Violation(f"nothing is owed, and v{tag} was seen as {seen}, is {there}")

    def _check_named(self, state: State) -> None:
        """Each digest that an accepted push named is owed, or here, or the primary does not have it."""
        announced = {(tag, digest) for tag, digest, *_ in (*state.events, *state.pending)}
        by_digest = {digest for digest, *_ in state.table.digests}
        for tag, digest in self.scenario.pushes[: state.pushed]:
            owed = state.table.owed[tag]
            is_owed = digest in by_digest or (owed is not None and digest in owed[1])
            if digest in state.here or digest not in state.kept or is_owed or (tag, digest) in announced:
                continue
            raise Violation(f"a push named {digest}, it is at the primary, neither owed nor at the secondary")

    def _check_unaided(self, state: State) -> None:
        """While nobody dies, the row is true, and nothing waits for the sweep."""
        table = state.table
        knocking = any(worker.phase in ("marked", "unmarked", "woken") for worker in state.workers)
        owed = (*table.owed, *(tuple(values) for _, *values in table.digests))
        if table.row is not None and table.row[0] == SYNCED and any(owed) and not knocking:
            raise Violation("the row says synced and something is owed")
        if state.workers == (IDLE,) * len(state.workers) and any(map(_is_fresh, owed)):
            raise Violation("something was marked, and only the sweep would find it")

    def _may_stay(self, state: State, here: str | None, seen: str | None) -> bool:
        """Whether the secondary's tag may be there though the primary has none: not missed yet, or to be kept."""
        if self.scenario.asks == KEEP and not state.asked and seen is None:
            return True
        waits = self.scenario.suspended or self.scenario.asks is None or bool(state.asked)
        return self.scenario.lost and seen == here and waits

    def _check_turn(self, state: State, taken: tuple[Any, ...]) -> None:
        """A holder takes what it found due: what nobody announced comes after what an event marked."""
        waits = any(_is_fresh(owed) and owed[1] - SAID for owed in state.table.owed if owed is not None)
        if not taken[2] - SAID and waits:
            raise Violation("a push waits for what a comparison found")
        if isinstance(taken[0], str) and _is_fresh(taken[1:]) and waits:
            raise Violation("a push waits for one that it overtook")

    def _check_removal(self, state: State, worker: Worker) -> None:
        assert worker.owed is not None
        tag, mark, said, marked_at, *_ = worker.owed
        if state.secondary[tag] == FOREIGN and ADOPT not in said:
            raise Violation("a tag is removed that Geosync did not put there")
        if self.scenario.suspended and ABSENT not in said:
            raise Violation("a tag is removed that comparisons miss, and the breaker is on")
        if self.scenario.lost and self.scenario.asks is None and ABSENT not in said:
            raise Violation("a tag is removed that nobody missed before")
        current = state.table.owed[tag]
        if self.scenario.asks == KEEP and not state.asked and current is not None and current[0] == mark:
            raise Violation("a tag is removed that an operator said to keep")
        for pending_tag, digest, deadline in state.pending:
            if pending_tag == tag and digest is not None and deadline - self.scenario.write_delay <= marked_at:
                raise Violation("a tag is removed that a push, announced before the mark, is about to write")

    def is_synced(self, state: State) -> bool:
        """Whether everything is over: all is equal, nothing owed, nobody at work, and the row says so.

        With a tag that kills: it is parked, and nothing else is owed.
        """
        row, owed = state.table.row, state.table.owed
        end = SYNCED
        if self.scenario.poison and owed[0] is not None and owed[0][3] == PARKED_DUE_MS:
            end, owed = FAILED, owed[1:]
        return (
            state.pushed == len(self.scenario.pushes)
            and not (state.pending or state.events or state.late or any(owed) or state.table.digests)
            and all(worker.phase == "idle" for worker in state.workers)
            and (row is None or (row[0] == end and row[2] is None))
        )


def _is_fresh(owed: tuple[Any, ...] | None) -> bool:
    """Whether it is owed, and nobody worked on it since it was marked. `owed` begins with the mark."""
    return owed is not None and owed[3] <= owed[2]
