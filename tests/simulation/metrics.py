"""Judges metrics when they are put out: each number must have been right at some moment of the invocation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from tests.simulation.clock import EPOCH_MS
from tests.simulation.invariants import View, events_of, recovery_point
from tests.simulation.ledger import Ledger
from tests.simulation.registry.storage import TagMove
from tests.simulation.site import Site
from tests.simulation.table import LAG_S

from geosync.operating.site_facts import RECOVERY_POINT_LATE_S

HEALTHY = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A metric that an invocation put out, which began at `began_s`; `point_ms` is the recovery point of its log."""

    name: str
    value: float
    began_s: float
    point_ms: int | None
    said: Mapping[str, Any] = field(default_factory=dict)
    """The keys of the log line before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A site at the moment of a metric; its view is made only where a rule needs it."""

    now_s: float
    site: Site
    ledger: Ledger
    clocks_ms: int
    view: Callable[[], View]

    @property
    def now_ms(self) -> int:
        """The moment by the site's clock."""
        return self.at_ms(self.now_s)

    def at_ms(self, at_s: float) -> int:
        """A moment of the world by the site's clock."""
        return EPOCH_MS + int(at_s * 1000) + self.site.skew_ms


def _age(scene: Scene, measured: Measured) -> Iterator[str]:
    """The age belongs to the logged point, and everything pushed before that point is here."""
    point, age_ms = measured.point_ms, measured.value * 1000
    if point is None:
        yield f"{measured.value} s, and no point is known"
        return
    earliest, latest = scene.at_ms(measured.began_s) - scene.clocks_ms - 1, scene.now_ms + scene.clocks_ms + 1
    if age_ms and not earliest <= point + age_ms <= latest:
        yield f"{measured.value} s, and the point is {scene.now_ms - point} ms old"
    yield from recovery_point(replace(scene.view(), said_ms=point))


def _unknown(_: Scene, measured: Measured) -> Iterator[str]:
    if measured.value != (measured.point_ms is None):
        yield f"{measured.value}, and the log says {measured.point_ms}"


def _owed(scene: Scene, measured: Measured, *, is_parked: bool) -> Iterator[str]:
    """The count is between what was owed all the time, and what was owed at any: it is read shard by shard."""
    always, ever = scene.ledger.owed_since(measured.began_s - LAG_S - 0.05, lambda one: one.is_parked == is_parked)
    if not always <= measured.value <= ever:
        yield f"{measured.value}, and there were between {always} and {ever}"


def _health(scene: Scene, measured: Measured) -> Iterator[str]:
    """A site that calls itself healthy knows its recovery point, which is not late, and nothing is parked or paused."""
    if measured.value != HEALTHY:
        return
    point = measured.point_ms
    if point is None or scene.now_ms - point > RECOVERY_POINT_LATE_S * 1000 + scene.clocks_ms + 60_000:
        yield f"healthy, and the recovery point is {point}"
    if scene.ledger.owed_since(measured.began_s - LAG_S - 0.05, lambda one: one.is_parked)[0]:
        yield "healthy, and something is parked"
    if scene.ledger.paused_since_s is not None and scene.ledger.paused_since_s < measured.began_s:
        yield "healthy, and paused"


def _synced(scene: Scene, measured: Measured) -> Iterator[str]:
    """No more references are counted than were discharged."""
    scene.ledger.counted_synced += int(measured.value)
    if scene.ledger.counted_synced > scene.ledger.discharged:
        yield f"{scene.ledger.counted_synced} in all, and {scene.ledger.discharged} were discharged"


def _lag(scene: Scene, measured: Measured) -> Iterator[str]:
    """No push took longer than the world is old."""
    if not 0 <= measured.value <= scene.now_s * 1000 + scene.clocks_ms:
        yield f"{measured.value} ms, after {scene.now_s:.0f} s"


def _rows(scene: Scene, measured: Measured, kind: str) -> Iterator[str]:
    """The rows of a kind, as they were at any time of the invocation."""
    low, high = scene.ledger.rows_since(measured.began_s - LAG_S - 0.05, kind)
    if not low <= measured.value <= high:
        yield f"{measured.value}, and there were {low} to {high}"


def _burn(_: Scene, measured: Measured) -> Iterator[str]:
    """The burn rate is not negative."""
    if measured.value < 0:
        yield f"{measured.value}"


def _lost(scene: Scene, measured: Measured) -> Iterator[str]:
    """A notification is lost that the primary's endpoint never took: the registry made a move, or lost its disk.

    Each push of a tag has its own: the same digest may have been announced before, or under another tag.
    """
    repository, (kind, _, reference) = measured.said["repository"], str(measured.said["reference"]).partition("#")
    view = scene.view()
    moves = [
        move
        for move in view.primary.server.storage.moves
        if move.repository == repository and reference in (move.tag, move.digest) and move.digest is not None
    ]
    if not moves or any(move.why != "client" for move in moves):
        return
    if _is_each_announced(view, moves) if kind == "tag" else _is_named(view, repository, reference):
        yield f"of {repository} {reference}, and each of its pushes was announced"


def _is_each_announced(view: View, moves: list[TagMove]) -> bool:
    """Tell whether as many notifications were taken as the tag was moved: none is of two moves."""
    claimed: set[str] = set()
    for move in moves:
        own = [identifier for _, identifier in sorted(events_of(view, move)) if identifier not in claimed]
        if not own:
            return False
        claimed.add(own[0])
    return True


def _is_named(view: View, repository: str, digest: str) -> bool:
    targets = [one.event["target"] for one in view.events.taken.values()]
    return any(one["repository"] == repository and one.get("digest") == digest for one in targets)


RULES: dict[str, Callable[[Scene, Measured], Iterator[str]]] = {
    "RecoveryPointAge": _age,
    "RecoveryPointUnknown": _unknown,
    "ReferencesOwed": partial(_owed, is_parked=False),
    "ReferencesParkedNow": partial(_owed, is_parked=True),
    "HealthLevel": _health,
    "ReferencesSynced": _synced,
    "Lag": _lag,
    "NotificationsLost": _lost,
    "RepositoriesFailedNow": lambda scene, measured: _rows(scene, measured, "failed"),
    "RepositoriesDifferingNow": lambda scene, measured: _rows(scene, measured, "differing"),
    "BudgetBurnRate": _burn,
}


def false_metrics(scene: Scene, measured: Measured) -> Iterator[str]:
    """Say what is false of a metric, if anything is."""
    for text in RULES[measured.name](scene, measured):
        yield f"{scene.site.name}: metric {measured.name}: {text}"
