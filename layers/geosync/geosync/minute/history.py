"""Every minute at a secondary: writes what workers measured, and what the site owes, into its history."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.messages.measurements import Measurements
from geosync.minute.measurements import MeasurementsQueue, TakenMeasurements
from geosync.minute.reporting import MinuteReporter
from geosync.operating.service_level import burn_rate
from geosync.operating.site_facts import Objective
from geosync.operating.status import Status
from geosync.sync_registry.site.history import HOUR_S, Observed, bin_name
from geosync.sync_registry.site.lags import bin_of
from geosync.sync_registry.sync_registry import SyncRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class MinuteFindings:
    """The findings of this minute: the status that it read (None: it could not), and the number of lost notifications.

    `recorded` is called once `lost` is written down. Until then the next minute has to write it.
    """

    status: Status | None
    lost: int = 0
    recorded: Callable[[], None] = lambda: None


def record_history(
    sync_registry: SyncRegistry,
    queue: MeasurementsQueue | None,
    found: MinuteFindings,
    objective: Objective,
    reporter: MinuteReporter,
    *,
    clock: Clock = SYSTEM_CLOCK,
) -> None:
    """Write this minute down: two writes, whatever was measured.

    Measurements are deleted once they are written. If that fails, they are counted again, so that none is lost. If they
    cannot be taken, the minute is recorded without them, and the next one takes them. Raises what SQS and DynamoDB
    raise.
    """
    status = found.status
    taken, error = _take(queue)
    now_ms = clock.now_ms()
    observed = Observed(
        counts=counted(taken.measurements, objective) + Counter({"lost": found.lost}),
        gauges=gauges_of(status, objective),
        is_at_least=status is not None and (status.more_owed or status.more_parked),
    )
    sync_registry.history.record(observed, now_ms=now_ms)
    found.recorded()
    if queue is not None:
        queue.delete(taken.receipts)
    if taken.unreadable:
        reporter.measurements_unreadable(taken.unreadable)
    if status is not None:
        reporter.rows(status.rows)
        last_hour = sync_registry.history.last_hour(now_ms=now_ms)
        overdue = status.overdue(objective.lag_s, within_s=HOUR_S)
        reporter.burn_rate(burn_rate(last_hour, objective, overdue=overdue))
    if error is not None:
        raise error


def _take(queue: MeasurementsQueue | None) -> tuple[TakenMeasurements, BotoCoreError | ClientError | None]:
    """Take what workers measured; with the error, if it could not be taken."""
    if queue is None:
        return TakenMeasurements(), None
    try:
        return queue.take(), None
    except (BotoCoreError, ClientError) as error:
        return TakenMeasurements(), error


def counted(measurements: Iterable[Measurements], objective: Objective) -> Counter[str]:
    """Sum up what was measured, under the names of the history's counts."""
    counts: Counter[str] = Counter()
    target_ms = objective.lag_s * 1000
    for one in measurements:
        counts.update({"synced": one.synced, "bytes": one.bytes, "requests": one.requests})
        for lag_ms, pushes in one.lags_ms.items():
            late = pushes if lag_ms > target_ms else 0
            counts.update({bin_name(bin_of(lag_ms)): pushes, "late": late, "lag_ms": lag_ms * pushes})
    return counts


def gauges_of(status: Status | None, objective: Objective) -> dict[str, int]:
    """The gauges that are known at this minute."""
    gauges: dict[str, int] = {}
    if status is None:
        return gauges
    if (rows := status.rows) is not None:
        gauges |= {"failed_repositories": rows.failed, "verification_failed": rows.verification_failed}
    if status.recovery_point is not None:
        gauges["recovery_point_age_s"] = max(status.at - status.recovery_point, 0) // 1000
    return gauges | {
        "owed": sum(not one.is_a_look for one in status.owed),
        "failed": status.failed,
        "parked": len(status.parked),
        "overdue": status.overdue(objective.lag_s),
    }
