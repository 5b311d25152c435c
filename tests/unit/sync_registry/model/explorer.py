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
    start = initial(world.scenario)
    came_from: dict[State, tuple[State, str] | None] = {start: None}
    back: dict[State, list[State]] = {}
    queue = deque([start])
    steps = 0
    while queue:
        state = queue.pop() if depth_first else queue.popleft()
        try:
            world.check(state)
            for label, after in world.successors(state):
                steps += 1
                if after not in came_from:
                    came_from[after] = (state, label)
                    queue.append(after)
                back.setdefault(after, []).append(state)
        except Violation as violation:
            return Found(states=len(came_from), steps=steps, violation=str(violation), trace=_trace(came_from, state))
        if len(came_from) > most:
            raise RuntimeError(f"more than {most} states")
    if stuck := _stuck(world, came_from, back):
        return Found(
            states=len(came_from),
            steps=steps,
            violation="nothing that can happen any more leads to synced",
            trace=_trace(came_from, stuck),
        )
    return Found(states=len(came_from), steps=steps, violation=None)


def _stuck(
    world: World, came_from: dict[State, tuple[State, str] | None], back: dict[State, list[State]]
) -> State | None:
    """The first state from which no state can be reached in which everything is synced."""
    hopeful = {state for state in came_from if world.is_synced(state)}
    queue = deque(hopeful)
    while queue:
        for before in back.get(queue.popleft(), ()):
            if before not in hopeful:
                hopeful.add(before)
                queue.append(before)
    return next((state for state in came_from if state not in hopeful), None)


def _trace(came_from: dict[State, tuple[State, str] | None], state: State) -> tuple[str, ...]:
    labels: list[str] = []
    while (step := came_from[state]) is not None:
        state, label = step
        labels.append(label)
    return tuple(reversed(labels))
