"""A drill's report as one JSON document. It is what is kept, and what the pages are made of.

Beside the circumstances (`primary` is null where no heartbeat of it is known; moments in ms) it has the `verdict`, the
reasons in `failed` and `not_known`, and what each part found: findings.py has their fields, to which `listed` adds
`recovery_point_age_s` and `recovery_time` adds `estimated_s`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from geosync.drilling.findings import DrillFound
from geosync.drilling.verdict import judge

VERSION = "1"
Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """The circumstances of one drill: `began_at` in ms, `late_s` as in verdict.judge."""

    id: str
    site: str
    who: str
    began_at: int
    late_s: float
    primary: str | None


def document_of(drill: Drill, found: DrillFound, *, ended_at: int) -> Document:
    """Make the report of a drill that ended at `ended_at` (ms)."""
    judged = judge(found, late_s=drill.late_s)
    return {
        "version": VERSION,
        "id": drill.id,
        "site": drill.site,
        "primary": drill.primary,
        "who": drill.who,
        "began_at": drill.began_at,
        "ended_at": ended_at,
        "verdict": judged.verdict,
        "failed": list(judged.failed),
        "not_known": list(judged.not_known),
        "canary": asdict(found.canary),
        "listed": {**asdict(found.listed), "recovery_point_age_s": found.listed.recovery_point_age_s},
        "truth": asdict(found.truth),
        "sample": asdict(found.sample),
        "update": asdict(found.update),
        "recovery_time": {**asdict(found.recovery_time), "estimated_s": found.recovery_time.estimated_s},
    }
