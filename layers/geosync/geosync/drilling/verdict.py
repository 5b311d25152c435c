"""The verdict of a drill: what failed, and what nobody knows. A drill passes when there is neither."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from geosync.drilling.cut import cut
from geosync.drilling.findings import CanaryFound, Difference, DrillFound, Listed, RecoveryTime, Verdict

NAMED_REASONS = 10
"""References that are named of each kind; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A verdict with its reasons."""

    failed: tuple[str, ...]
    not_known: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """The verdict in one word."""
        return "failed" if self.failed else "incomplete" if self.not_known else "passed"


def judge(found: DrillFound, *, late_s: float) -> Judged:
    """Judge a drill; from `late_s` seconds on the recovery point is late (RecoveryPointAlarmSeconds)."""
    return Judged(failed=tuple(_failed(found, late_s)), not_known=tuple(_not_known(found)))


def _failed(found: DrillFound, late_s: float) -> Iterator[str]:
    """The failures: first those that stand alone, then the lists."""
    canary, listed, truth, sample = found.canary, found.listed, found.truth, found.sample
    if canary.digest is not None and canary.arrived_s is None:
        yield f"the canary did not arrive within {canary.waited_s:.0f} s: {canary.why}"
    if listed.recovery_point is None:
        yield f"the recovery point is not known: {listed.unknown_because}"
    elif (age_s := listed.recovery_point_age_s) is not None and age_s > late_s:
        yield f"the recovery point is {age_s:.0f} s old, more than {late_s:.0f} s"
    if listed.parked:
        yield f"parked references: {listed.parked}; they would be lost, and do not come by themselves"
    if found.update.is_accepted is False:
        yield f"the update of a promotion is refused: {found.update.why}"
    yield from cut([_in_words(one) for one in truth.unnamed], NAMED_REASONS, of=truth.unnamed_tags)
    yield from cut([f"a pull failed: {one}" for one in sample.bad], NAMED_REASONS, of=sample.bad_references)


def _in_words(unnamed: Difference) -> str:
    here = unnamed.here or "nothing"
    who = f"{unnamed.repository}:{unnamed.tag}"
    return f"promote would not have named {who}: the primary has {unnamed.at_primary}, this site {here}"


def _not_known(found: DrillFound) -> Iterator[str]:
    """The unknowns: first those that stand alone, then the list of what was not compared."""
    yield from _of_canary(found.canary)
    yield from _of_list(found.listed)
    yield from found.sample.left
    if not found.sample.chosen:
        yield "nothing was pulled: no reference is here as the primary has it"
    if found.update.is_accepted is None:
        yield f"the update of a promotion was not checked: {found.update.why}"
    yield from _of_time(found.recovery_time)
    yield from found.truth.left


def _of_canary(canary: CanaryFound) -> Iterator[str]:
    if canary.digest is None:
        yield f"the canary was not pushed: {canary.why}"


def _of_list(listed: Listed) -> Iterator[str]:
    if listed.more_lost:
        yield "more is owed than was read"
    if listed.dead_letters:
        yield f"{listed.dead_letters} messages in the DLQ may name more that would be lost"


def _of_time(time: RecoveryTime) -> Iterator[str]:
    if time.update_s is None:
        yield "the recovery time is not known: this stack was never updated, or its events could not be read"
