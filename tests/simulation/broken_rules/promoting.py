"""Rules of a promotion: how far the site is, and what would be lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.simulation.broken_rules.rule import Rule, answer, instead

from geosync.clock import Clock
from geosync.minute import losses, recovery
from geosync.operating.owed_references import OwedReference
from geosync.recovery import point
from geosync.sync_registry.owed_index import OwedIndex, TagWriters

_tag_writers = OwedIndex.tag_writers


def _every_heartbeat_counts(heartbeats: Any, **_: object) -> int | None:
    return max((sent_at for sent_at, _ in heartbeats), default=None)


def _see_an_empty_queue(_queues: object, clock: Clock) -> tuple[int, int]:
    return clock.now_ms(), 0


def _holders_only(index: OwedIndex, *, now_ms: int, suspect_ms: int) -> TagWriters:
    return replace(_tag_writers(index, now_ms=now_ms, suspect_ms=suspect_ms), left={})


def _is_untried(one: OwedReference) -> bool:
    return one.reference != "*" and not one.only_deleted and not one.is_here and one.failure is None


RULES: dict[str, Rule] = {
    "accounted": Rule(
        says="a heartbeat counts once the queue was seen empty a minute after it",
        without=(
            instead(point, "accounted", _every_heartbeat_counts),
            instead(recovery, "_look", _see_an_empty_queue),
        ),
        finds="recovery_point|metric RecoveryPointAge",
        minutes=4,
        seeds=100,
        first=36,
        often=("dynamodb", "late_events"),
    ),
    "named": Rule(
        says="what failed is named among what would be lost",
        without=(instead(OwedReference, "is_a_push_to_come", property(_is_untried)),),
        finds="would_be_lost|digests",
        seeds=100,
        often=("wire",),
    ),
    "drain": Rule(
        says="a promotion waits for tag writes that nobody waits for any more",
        without=(instead(OwedIndex, "tag_writers", _holders_only),),
        finds="moved .* of the primary",
        seeds=200,
        first=210,
        often=("late_writes", "overtaken_write", "fail_over"),
    ),
    "gap": Rule(
        says="what may have been pushed while the subscription was gone is not called lost",
        without=(answer(losses, "_may_be_of_a_gap", False),),
        finds="metric NotificationsLost: ",
        first=6,
        seeds=60,
        minutes=4,
        often=("unsubscribe",),
    ),
}
