"""Exhaustive exploration: every reachable state once, breadth first, with the way to it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from tests.unit.sync_registry.model.steps import World, initial
from tests.unit.sync_registry.model.world import State, Violation


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What an exploration found: `violation` is None when every property holds in every state."""

    states: int
    steps: int
    violation: str | None
    trace: tuple[str, ...] = ()


def explore(world: World, *, most: int = 1_000_000, depth_first: bool = False) -> Found:
    """Visit every state that can be reached in `world`, up to the first violation.

    Then look whether every state can still reach one in which everything is synced. Raises RuntimeError when there are
    more than `most` states.
    """
    seen = _Seen()
    queue = deque([seen.number(initial(world.scenario), came_from=None)])
    steps = 0
    while queue:
        number = queue.pop() if depth_first else queue.popleft()
        state = seen.states[number]
        try:
            world.check(state)
            for label, after in world.successors(state):
                steps += 1
                known = len(seen.states)
                reached = seen.number(after, came_from=(number, label))
                if reached == known:
                    queue.append(reached)
                seen.before[reached].append(number)
        except Violation as violation:
            return Found(states=len(seen.states), steps=steps, violation=str(violation), trace=seen.trace(number))
        if len(seen.states) > most:
            raise RuntimeError(f"more than {most} states")
    stuck = _stuck(world, seen)
    if stuck is not None:
        return Found(
            states=len(seen.states),
            steps=steps,
            violation="nothing that can happen any more leads to synced",
            trace=seen.trace(stuck),
        )
    return Found(states=len(seen.states), steps=steps, violation=None)


class _Seen:
    """The states that were reached, by number: a state is a tuple of tuples, and to hash one takes long."""

    def __init__(self) -> None:
        self._numbers: dict[State, int] = {}
        self.states: list[State] = []
        self.before: list[list[int]] = []
        """For each state those from which one step leads to it."""
        self._came_from: list[tuple[int, str] | None] = []

    def number(self, state: State, *, came_from: tuple[int, str] | None) -> int:
        """Return the number of a state; a new one gets the next."""
        number = self._numbers.setdefault(state, len(self.states))
        if number == len(self.states):
            self.states.append(state)
            self.before.append([])
            self._came_from.append(came_from)
        return number

    def trace(self, number: int) -> tuple[str, ...]:
        """The steps that led to a state first."""
        labels: list[str] = []
        while (step := self._came_from[number]) is not None:
            number, label = step
            labels.append(label)
        return tuple(reversed(labels))


def _stuck(world: World, seen: _Seen) -> int | None:
    """The first state from which no state can be reached in which everything is synced."""
    hopeful = [world.is_synced(state) for state in seen.states]
    queue = deque(number for number, is_hopeful in enumerate(hopeful) if is_hopeful)
    while queue:
        for before in seen.before[queue.popleft()]:
            if not hopeful[before]:
                hopeful[before] = True
                queue.append(before)
    return next((number for number, is_hopeful in enumerate(hopeful) if not is_hopeful), None)
