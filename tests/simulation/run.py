"""One seed: its world and its story. A violation is an error with the story in it."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from random import Random

from tests.simulation import truth
from tests.simulation.deeds import DEEDS
from tests.simulation.deeds.operators import put_right
from tests.simulation.story import JUDGED_STEPS, REST_S, Deed, Story, rules_of
from tests.simulation.world import Violation, World

LOOKS = 4
"""In each minute of the rest: whether it is over."""
MINUTES_TWICE = 0.25
"""The share of worlds in which each minute may come twice, or late; in one that is about other deeds, none does."""
MORE = 10
"""Times that a deed happens more often where a run is about it."""
SELDOM = 0.3
"""The weight, in such a run, of a deed that has none in the others."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A seed's end: the violation that it found, if any, and a fingerprint of all that happened."""

    seed: int
    violation: str | None
    fingerprint: str
    steps: int
    simulated_s: float
    cpu_s: float
    story: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Focus:
    """What a run is about: so many minutes before the rest (None: by the seed), and deeds that happen more often."""

    minutes: float | None = None
    often: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    """Deeds that do not happen."""
    judged_steps: int = JUDGED_STEPS

    def deeds(self) -> list[tuple[float, Deed]]:
        """The deeds with their weights."""
        return [
            (MORE * (weight or SELDOM) if deed.__name__ in self.often else weight, deed)
            for weight, deed in DEEDS
            if deed.__name__ not in self.without
        ]


EVERYTHING = Focus()


def run(seed: int, *, keep_story: bool = False, focus: Focus = EVERYTHING) -> Outcome:
    """Run one seed to its end. Of ten seeds, six are a minute long before the rest, and one in twenty is twelve."""
    lines: list[str] = []
    trace = hashlib.sha256()

    def note(line: str) -> None:
        trace.update(line.encode())
        if keep_story:
            lines.append(line)

    began = time.process_time()
    is_twice = not focus.often and Random(f"minutes {seed}").random() < MINUTES_TWICE
    world = World(seed, replace(rules_of(seed), minutes_twice=0.4 if is_twice else 0.0), note=note)
    story = Story(world, focus.deeds(), judged_steps=focus.judged_steps)
    violation = None
    try:
        world.run(lambda: tell(story, focus.minutes))
    except AssertionError as error:
        violation = f"{type(error).__name__}: {error}"
    return Outcome(
        seed=seed,
        violation=violation,
        fingerprint=trace.hexdigest()[:16],
        steps=world.scheduler.steps,
        simulated_s=world.scheduler.now_s,
        cpu_s=time.process_time() - began,
        story=tuple(lines),
    )


def drawn_minutes(seed: int) -> float:
    """The minutes before the rest that a seed says."""
    (drawn,) = Random(f"length {seed}").choices((1, 2, 5, 12), (60, 25, 10, 5))
    return drawn


def tell(story: Story, minutes: float | None) -> None:
    """The story of every seed: some minutes with faults, then rest."""
    scheduler = story.world.scheduler
    story.world.on_minute, story.world.on_measure = story.judge_site, story.judge_metric
    scheduler.on_step = story.judge_step
    story.go(drawn_minutes(story.world.seed) if minutes is None else minutes)
    story.end_faults()
    until_s = scheduler.now_s + REST_S
    while unrest := _unrest(story):
        if scheduler.now_s > until_s:
            raise Violation(f"no rest: {unrest}")
        put_right(story)
        for _ in range(LOOKS):
            scheduler.sleep(60.0 / LOOKS)
            if not _unrest(story):
                break
        story.judge()


def _unrest(story: Story) -> list[str]:
    if story.world.is_failing_over:
        return ["the failover goes on"]
    found = [f"{name}: the update goes on" for name, one in story.world.stacks.items() if not one.is_quiet]
    for site in story.secondaries:
        primary, ledgers = story.primary.server.storage, story.world.ledgers
        found += [f"{site.name}: {one}" for one in truth.differences(primary, site)]
        found += [f"{site.name}: {one}" for one in truth.extras(primary, site, story.world.followed_s[site.name])]
        missing = truth.missing_digests(ledgers[story.primary.name], ledgers[site.name])
        found += [f"{site.name}: {repository}@{digest} is not here" for _, repository, digest in missing]
        told = (truth.owed(site), truth.letters(site), truth.suspected(site), truth.rows_of_nothing(primary, site))
        for ours in told:
            found += [f"{site.name}: {one}" for one in ours]
    return found
