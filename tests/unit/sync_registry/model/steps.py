"""What can happen next in a state: every interleaving of the primary, the network, time and the workers.

A worker takes the steps of replication's holder in their order: mark, knock; or a wake; then again and again: what is
due, look at the primary, write or remove, look at the secondary, discharge or postpone; and finish. Between any two
steps anything else may happen, and a worker may be slow for ever or die. What a death leaves behind is in `takeovers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from tests.unit.sync_registry.model.canonical import canonical, older
from tests.unit.sync_registry.model.library import Library, as_owed, plain_seen
from tests.unit.sync_registry.model.properties import Properties
from tests.unit.sync_registry.model.takeovers import begun
from tests.unit.sync_registry.model.world import (
    ASKED,
    IDLE,
    LATE,
    NO_DEATH,
    NOW,
    OLDEST,
    UNTRIED,
    WRITE_TIMEOUT,
    Scenario,
    State,
    Table,
    Worker,
)

from geosync.sync_registry import decisions
from geosync.sync_registry.decisions import Look
from geosync.sync_registry.items import ABSENT, KEEP, MISSING, SYNCED

Successor = tuple[str, State]


def initial(scenario: Scenario) -> State:
    """Where `scenario` starts: synced long ago, if anything is known."""
    tags = len(scenario.primary)
    known = scenario.known and any(scenario.secondary)
    return State(
        primary=scenario.primary,
        pending=(),
        pushed=0,
        events=(),
        secondary=scenario.secondary,
        late=(),
        table=Table(
            (SYNCED, 1, None, None, NOW, None, *NO_DEATH) if known else None,
            (("m0", frozenset(), NOW - OLDEST, NOW - 1, UNTRIED) if scenario.owed else None,) * tags,
            tuple(
                (digest, NOW - OLDEST - 1, NOW - OLDEST - 1) if digest and known else None
                for digest in scenario.secondary
            ),
        ),
        workers=(IDLE,) * scenario.workers,
        asked=scenario.asked,
        duplicates=scenario.duplicates,
        crashes=scenario.crashes,
        unknowns=scenario.unknowns,
        stalls=scenario.stalls,
        died=(0,) * tags if scenario.poison else (),
        kept=frozenset(filter(None, scenario.primary)) if scenario.superseded else frozenset(),
        here=frozenset(filter(None, scenario.secondary)) if scenario.superseded else frozenset(),
    )


class World(Properties):
    """The successors of states, and the properties that must hold."""

    def __init__(self, scenario: Scenario, *, mark_first: bool = True) -> None:
        self.scenario = scenario
        self.timing = scenario.timing
        self.library = Library(scenario)
        self.mark_first = mark_first
        self.next_step = lru_cache(maxsize=None)(self._next_step)
        self._phases: dict[str, Callable[[State, int, Worker], Iterator[Successor]]] = {
            "idle": self._idle,
            "unmarked": self._unmarked,
            "marked": self._marked,
            "woken": self._woken,
            "held": self._held,
            "todo": self._todo,
            "write": self._write,
            "remove": self._write,
            "writing": self._writing,
            "unknown": self._unknown,
            "look": self._look,
            "discharge": self._discharge,
            "postpone": self._postpone,
            "finish": self._finish,
            "bereaved": self._bereaved,
            "count": self._count,
            "name": self._name,
        }

    def successors(self, state: State) -> Iterator[Successor]:
        """Everything that can happen in `state`, with the states it leads to, canonical."""
        for label, after in self._everything(state):
            yield label, canonical(after)

    def _everything(self, state: State) -> Iterator[Successor]:
        yield from self._primary(state)
        yield from self._tick(state)
        for position, (tag, digest, _) in enumerate(state.late):
            after = self._landed(state._replace(late=_without(state.late, position)), tag, digest)
            yield f"late write of {digest} lands", after
        tried: set[Worker] = set()
        for index, worker in enumerate(state.workers):
            if worker in tried:
                continue
            tried.add(worker)
            yield from self._phases[worker.phase](state, index, worker)
            if worker is not IDLE and worker.phase != "idle" and state.crashes:
                yield f"worker {index} dies", self._dead(state, index, worker)._replace(crashes=state.crashes - 1)
            if worker.stalled:
                yield from self._recover(state, index, worker)
            elif worker.lease is not None and state.stalls:
                stalled = self._with(state, index, worker._replace(stalled=True))
                yield f"worker {index} stalls", stalled._replace(stalls=state.stalls - 1)

    # ------------------------------------------------------------------------------------------- around the workers

    def _primary(self, state: State) -> Iterator[Successor]:
        scenario = self.scenario
        if state.pushed < len(scenario.pushes) and len(state.pending) < scenario.together:
            tag, digest = scenario.pushes[state.pushed]
            event = (tag, digest or ABSENT, NOW)
            after = state._replace(pushed=state.pushed + 1, events=_add(state.events, event))
            if scenario.write_delay:
                after = after._replace(pending=_add(after.pending, (tag, digest, NOW + scenario.write_delay)))
            else:
                after = self._written(after, tag, digest)
            yield f"push of {digest} to v{tag} sends its event", after
        for position, (tag, digest, _) in enumerate(state.pending):
            after = self._written(state._replace(pending=_without(state.pending, position)), tag, digest)
            yield f"push of {digest} to v{tag} is written", after

    def _written(self, state: State, tag: int, digest: str | None) -> State:
        """The state once the primary has `digest` under a tag, or (None) the tag is deleted."""
        before, kept = state.primary[tag], state.kept
        if self.scenario.superseded:
            kept = kept | {digest} if digest is not None else kept
            kept = kept - {before} if digest is None and before is not None and self.scenario.collects else kept
        return state._replace(primary=_set(state.primary, tag, digest), kept=kept)

    def _landed(self, state: State, reference: int | str, digest: str | None) -> State:
        """The state once a write has landed at the secondary: of a tag, or of a manifest by digest."""
        if digest is not None and self.scenario.superseded:
            state = state._replace(here=state.here | {digest})
        if isinstance(reference, str):
            return state
        return state._replace(secondary=_set(state.secondary, reference, digest))

    def _at_primary(self, state: State, reference: int | str) -> str | None:
        if isinstance(reference, str):
            return reference if reference in state.kept else None
        return state.primary[reference]

    def _at_secondary(self, state: State, reference: int | str) -> str | None:
        if isinstance(reference, str):
            return reference if reference in state.here else None
        return state.secondary[reference]

    def _tick(self, state: State) -> Iterator[Successor]:
        deadlines = [deadline for *_, deadline in state.pending]
        deadlines += [worker.more[1] for worker in state.workers if worker.phase == "writing"]
        if NOW not in deadlines:
            state = older(state)
            for index, worker in enumerate(state.workers):
                if worker.lease is not None and not worker.stalled:
                    table, kept = self._renewed(state.table, worker)
                    if kept is not None:
                        renewed = kept
                    else:  # lost; a write that was sent goes on until it is answered
                        renewed = worker._replace(stalled=True) if worker.phase == "writing" else IDLE
                    state = self._with(state, index, renewed, table)
            yield "time passes", state

    def _dead(self, state: State, index: int, worker: Worker) -> State:
        if worker.phase == "writing":
            state = state._replace(late=_add(state.late, (worker.owed[0], worker.more[0], NOW + LATE)))  # type: ignore[index]
        return self._with(self._mourned(state, worker), index, IDLE)

    def _recover(self, state: State, index: int, worker: Worker) -> Iterator[Successor]:
        """A worker that missed renewals renews after all, or learns that the lease is lost."""
        table, kept = self._renewed(state.table, worker)
        if kept is not None:
            yield f"worker {index} renews after all", self._with(state, index, kept._replace(stalled=False), table)
        elif worker.phase != "writing":  # which goes on until it is answered
            yield f"worker {index} learns that its lease is lost", self._with(state, index, IDLE)

    def _age(self, worker: Worker) -> int:
        """Ticks since the lease was renewed."""
        assert worker.lease is not None
        return int(NOW - (worker.lease[3] - round(self.timing.lease_s * 1000)))

    # --------------------------------------------------------------------------------------------------- the worker

    def _idle(self, state: State, index: int, _: Worker) -> Iterator[Successor]:
        table, lease = self.library.call(state.table, "acquire")
        if lease is not None:
            yield f"worker {index} is woken and acquires", self._with(state, index, begun(lease), table)
        if state.asked and self.scenario.asks == ASKED:
            yield from self._asked(state._replace(asked=state.asked - 1), index)
        elif state.asked and not (self.scenario.asks in (MISSING, KEEP) and state.primary[0] is not None):
            asked = self._mark(state._replace(asked=state.asked - 1), 0, None, self.scenario.asks)
            who = self.scenario.asks or "a comparison"
            yield f"worker {index} marks v0 for {who}", self._with(asked, index, Worker("marked"))
        for position, event in enumerate(state.events):
            for copies in ("", "a copy of ") if state.duplicates else ("",):
                after = state
                if copies:
                    after = after._replace(duplicates=state.duplicates - 1)
                else:
                    after = after._replace(events=_without(state.events, position))
                yield from self._deliver(after, index, event, f"worker {index} gets {copies}the event of {event[1]}")

    def _deliver(self, state: State, index: int, event: tuple[int, str, int], label: str) -> Iterator[Successor]:
        tag, digest, received_at = event
        if self.library.call(state.table, "is_already_seen", tag, digest, received_at)[1]:
            yield f"{label}: seen already", state
        elif not self.mark_first:
            table, lease = self.library.call(state.table, "knock")
            worker = Worker("unmarked", lease, more=event)
            yield f"{label}: knocks first", self._with(state, index, worker, table)
        else:
            marked = self._with(self._mark(state, tag, digest), index, Worker("marked"))
            if self.scenario.split:
                yield f"{label}: marks", marked
            else:
                for _, after in self._marked(marked, index, IDLE):
                    yield f"{label}: marks and knocks", after

    def _unmarked(self, state: State, index: int, worker: Worker) -> Iterator[Successor]:
        """Only with the order turned round: the mark after the knock."""
        tag, digest, _ = worker.more
        after = begun(worker.lease) if worker.lease else IDLE
        yield f"worker {index} marks", self._with(self._mark(state, tag, digest), index, after)

    def _asked(self, state: State, index: int) -> Iterator[Successor]:
        """Somebody asks for a look that is made from now on."""
        if state.table.owed[0] is None:
            marked = self._mark(state, 0, None, ASKED)
            yield f"worker {index} marks v0 for a pull", self._with(marked, index, Worker("marked"))
            return
        table, is_marked = self.library.call(state.table, "look_anew", 0)
        if is_marked:
            yield f"worker {index} has v0 looked at anew", self._with(state, index, Worker("marked"), table)

    def _mark(self, state: State, tag: int, digest: str | None, asks: str | None = None) -> State:
        table, _ = self.library.call(state.table, "mark", tag, digest, asks)
        return self._afresh(state, tag)._replace(table=table)

    def _marked(self, state: State, index: int, _: Worker) -> Iterator[Successor]:
        if self.scenario.apart:
            table, held = self.library.call(state.table, "tell")
            how = "somebody holds it" if held else "sends a wake"
            after = IDLE if held else Worker("woken")
            yield f"worker {index} knocks: {how}", self._with(state, index, after, table)
            return
        table, lease = self.library.call(state.table, "knock")
        worker = begun(lease) if lease else IDLE
        how = "acquires" if lease else "somebody holds it"
        yield f"worker {index} knocks: {how}", self._with(state, index, worker, table)

    def _woken(self, state: State, index: int, _: Worker) -> Iterator[Successor]:
        """The wake arrives, whatever happened to the repository since it was sent."""
        table, lease = self.library.call(state.table, "wake")
        worker = begun(lease) if lease else IDLE
        yield f"worker {index} is woken", self._with(state, index, worker, table)
        other = next((at for at, one in enumerate(state.workers) if one.phase == "idle"), None)
        if state.duplicates and other is not None:
            doubled = self._with(state._replace(duplicates=state.duplicates - 1), other, worker, table)
            yield f"worker {other} gets a copy of the wake", doubled

    def _held(self, state: State, index: int, worker: Worker) -> Iterator[Successor]:
        assert worker.lease is not None
        table, (owed, remaining) = self.library.call(state.table, "due")
        if owed is not None:
            self._check_turn(state, owed)
            after = worker._replace(phase="name" if self._is_careful(worker, owed) else "todo", owed=owed)
            yield f"worker {index} finds v{owed[0]} due", self._with(state, index, after, table)
            if (
                self.scenario.poison and worker.lease[5] and owed[5][1]
            ):  # elsewhere it leads nowhere that a death does not
                released, _ = self.library.call(state.table, "release", worker.lease)
                yield f"worker {index} has no time left, and lets go", self._with(state, index, IDLE, released)
        else:
            after = worker._replace(phase="finish", more=(worker.lease[1], remaining))
            yield f"worker {index} finds nothing due", self._with(state, index, after, table)

    def _todo(self, state: State, index: int, worker: Worker) -> Iterator[Successor]:
        assert worker.owed is not None
        if self.scenario.poison and worker.owed[0] == 0:
            yield f"worker {index} dies over v0", self._dead(state, index, worker)
            return
        primary = (self._at_primary(state, worker.owed[0]), NOW)
        after = self._decided(worker._replace(primary=primary, owed=self._near(worker.owed)), None)
        yield f"worker {index} sees {primary[0]} at the primary: {after.phase}", self._with(state, index, after)

    def _near(self, owed: tuple[Any, ...]) -> tuple[Any, ...]:
        """What was read of the table, with what is too long ago to matter now as if just so long ago."""
        tag, mark, expects, marked_at, due, tried, seen = owed
        long_ago = NOW - round(self.timing.settle_s * 1000)
        fresh, marked_at = due <= marked_at, max(marked_at, long_ago)
        seen = seen and (seen[0], max(seen[1], long_ago), max(seen[2], long_ago))
        return (tag, mark, expects, marked_at, marked_at + (not fresh), tried, seen)

    def _look(self, state: State, index: int, worker: Worker) -> Iterator[Successor]:
        assert worker.owed is not None
        secondary = (self._at_secondary(state, worker.owed[0]), NOW)
        after = self._decided(worker, secondary)
        yield f"worker {index} sees {secondary[0]} at the secondary: {after.phase}", self._with(state, index, after)

    def _decided(self, worker: Worker, secondary: tuple[Any, ...] | None) -> Worker:
        """The worker, about to do what the library says next."""
        assert worker.lease is not None
        phase, more = self.next_step(worker.owed, worker.primary, secondary, worker.lease[2], worker.writes)
        return worker._replace(phase=phase, more=more)

    def _next_step(self, owed: Any, primary: Any, secondary: Any, suspect_until: int, writes: int) -> tuple[str, Any]:
        step = decisions.next_step(
            as_owed(owed),
            Look(*primary),
            Look(*secondary) if secondary else None,
            suspect_until=suspect_until,
            timing=self.timing,
            writes=writes,
            suspended=self.scenario.suspended,
        )
        match step:
            case decisions.Write():
                return "write", None
            case decisions.Remove():
                return "remove", None
            case decisions.LookAtSecondary():
                return "look", None
            case decisions.Postpone(due):
                return "postpone", due
            case decisions.Discharge(seen):
                return "discharge", seen and plain_seen(seen)
            case decisions.Fail():
                return "postpone", NOW + 1
        raise AssertionError(step)

    def _write(self, state: State, index: int, worker: Worker) -> Iterator[Successor]:
        assert worker.owed is not None
        assert worker.primary is not None
        if not decisions.may_write_tag(0.0, self._age(worker) / 1000, self.timing):
            return  # it waits for a renewal
        tag, digest = worker.owed[0], worker.primary[0]
        if worker.phase == "remove":
            self._check_removal(state, worker)
        writing = worker._replace(phase="writing", more=(digest, NOW + WRITE_TIMEOUT))
        yield f"worker {index} sends {digest or 'the removal'} for v{tag}", self._with(state, index, writing)

    def _writing(self, state: State, index: int, worker: Worker) -> Iterator[Successor]:
        assert worker.owed is not None
        tag, (digest, _) = worker.owed[0], worker.more
        if state.unknowns:
            after = state._replace(unknowns=state.unknowns - 1, late=_add(state.late, (tag, digest, NOW + LATE)))
            yield (
                f"worker {index} gets no answer",
                self._with(after, index, worker._replace(phase="unknown", more=None)),
            )
        answered = self._decided(worker._replace(writes=worker.writes + 1), None)
        after = self._with(self._landed(state, tag, digest), index, answered)
        yield f"worker {index} is answered: {digest} at the secondary", after

    def _unknown(self, state: State, index: int, worker: Worker) -> Iterator[Successor]:
        table, lease = self.library.call(state.table, "suspect", worker.lease)
        if lease is None:
            yield f"worker {index} suspects: lease lost", self._with(state, index, IDLE)
        else:
            after = worker._replace(phase="postpone", lease=lease, more=max(lease[2], NOW))
            yield f"worker {index} suspects", self._with(state, index, after, table)
        if self.scenario.refuses:
            table, _ = self.library.call(state.table, "release_suspecting", worker.lease)
            yield f"worker {index} cannot write what it suspects, and lets go", self._with(state, index, IDLE, table)

    def _discharge(self, state: State, index: int, worker: Worker) -> Iterator[Successor]:
        table, done = self.library.call(state.table, "discharge", worker.lease, worker.owed, worker.more)
        how = {True: "done", False: "marked again", None: "lease lost"}[done]
        after = IDLE if done is None else _back(worker)
        yield f"worker {index} discharges: {how}", self._with(state, index, after, table)

    def _postpone(self, state: State, index: int, worker: Worker) -> Iterator[Successor]:
        table, _ = self.library.call(state.table, "postpone", worker.owed, worker.more)
        yield f"worker {index} postpones", self._with(state, index, _back(worker), table)

    def _finish(self, state: State, index: int, worker: Worker) -> Iterator[Successor]:
        assert worker.lease is not None
        revision, remaining = worker.more
        token, _, *rest = worker.lease
        table, done = self.library.call(state.table, "finish", (token, revision, *rest), remaining)
        if done is False:
            table, kept = self._renewed(table, worker)
            after = _back(kept._replace(stalled=False)) if kept else IDLE  # which is as good as recovered
        else:
            after = IDLE
        how = {True: "done", False: "somebody knocked", None: "lease lost"}[done]
        yield f"worker {index} finishes: {how}", self._with(state, index, after, table)


def _back(worker: Worker) -> Worker:
    return Worker("held", worker.lease, stalled=worker.stalled, named=worker.named)


def _set(tags: tuple[str | None, ...], tag: int, digest: str | None) -> tuple[str | None, ...]:
    return (*tags[:tag], digest, *tags[tag + 1 :])


def _add(entries: tuple[Any, ...], entry: Any) -> tuple[Any, ...]:
    return tuple(sorted((*entries, entry), key=repr))


def _without(entries: tuple[Any, ...], position: int) -> tuple[Any, ...]:
    return entries[:position] + entries[position + 1 :]
