"""The log lines and metrics of a minute: one method for each thing that happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from geosync.aws.errors import reason
from geosync.minute.sweep import Swept
from geosync.observability import Metrics
from geosync.operating.health import Health
from geosync.operating.status import Status
from geosync.sync_registry.recount import Recounted
from geosync.sync_registry.site import breaker
from geosync.sync_registry.site.catalogue import Walk
from geosync.sync_registry.site.counters import RowCounts
from geosync.sync_registry.site.suspected import Suspected

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger


class MinuteReporter:
    """Writes a minute's log lines and metrics."""

    def __init__(self, logger: Logger, metrics: Metrics) -> None:
        self._logger = logger
        self._metrics = metrics

    def failed(self, task: str, error: Exception) -> None:
        """A task ended with an error; the others go on."""
        self._logger.error(f"{task}_failed", extra={"error": type(error).__name__, "reason": reason(error)})
        self._metrics.put({f"{task.capitalize()}Failed": 1})

    def ran(self) -> None:
        """The minute ran."""
        self._metrics.put({"ReconcileRuns": 1})

    def heartbeat_posted(self) -> None:
        """The primary's endpoint took the heartbeat."""
        self._metrics.put({"HeartbeatsPosted": 1})

    def subscription_not_wanted(self) -> None:
        """The secondary is told of no topic to follow."""
        self._logger.warning("subscription_not_wanted", extra={"reason": "PRIMARY_TOPIC_ARN is not set"})

    def swept(self, swept: Swept) -> None:
        """The sweep woke repositories, or had a reason to wake none."""
        self._logger.info("swept", extra={"woken": swept.woken, "reason": swept.reason})
        self._metrics.put({"SweepsRun": 1, "RepositoriesWoken": swept.woken})

    def primary_changed(self, topic_arn: str | None) -> None:
        """The secondary follows another primary than before."""
        self._logger.info("primary_changed", extra={"topic": topic_arn})

    def comparison_asked_for(self, last: Walk | None) -> None:
        """A comparison was due; `last` is the one before."""
        self._logger.info(
            "comparison_asked_for", extra={"last_started_at": last.started_at if last is not None else None}
        )

    def deletes_decided(self, state: breaker.State) -> None:
        """So many tags were missing that deletes were in doubt; now it is decided whether they go on."""
        if state.suspended:
            self._logger.error("deletes_suspended", extra={"reason": state.reason})
        else:
            self._logger.info("deletes_go_on", extra={"missing": state.found})

    def verifications_asked_for(self, repositories: int) -> None:
        """Repositories were due for their verification."""
        self._logger.info("verifications_asked_for", extra={"repositories": repositories})

    def recovery_point(self, status: Status) -> None:
        """The recovery point, and what is owed, as this minute knows them."""
        point = status.recovery_point
        keys = {"recovery_point": point, "proved_at": status.proved_at, "why": status.recovery.why}
        self._logger.info("recovery_point", extra=keys)
        self._metrics.gauge({"RecoveryPointUnknown": int(point is None)})
        if point is not None:
            self._metrics.gauge({"RecoveryPointAge": max(status.at - point, 0) / 1000}, "Seconds")
        self._metrics.gauge({"ReferencesOwed": len(status.owed), "ReferencesParkedNow": len(status.parked)})

    def health(self, health: Health) -> None:
        """The site's health, as this minute knows it; what is wrong is in the log."""
        if health.reasons:
            self._logger.warning("not_healthy", extra={"status": health.status, "reasons": list(health.reasons)})
        self._metrics.gauge({"HealthLevel": health.level})

    def rows(self, rows: RowCounts | None) -> None:
        """The repositories that have failed, and those that a verification found wrong; None: they are not counted."""
        if rows is not None:
            self._metrics.gauge(
                {"RepositoriesFailedNow": rows.failed, "RepositoriesDifferingNow": rows.verification_failed}
            )

    def burn_rate(self, rate: float | None) -> None:
        """The factor by which the last hour spent the error budget too fast; None: it is not known."""
        if rate is not None:
            self._metrics.gauge({"BudgetBurnRate": round(rate, 3)})

    def drill_due(self, why: str | None) -> None:
        """A drill is due, and why; None: none is."""
        self._metrics.gauge({"DrillDue": int(why is not None)})

    def measurements_unreadable(self, messages: int) -> None:
        """The measurements' queue had messages that no worker sent; they were deleted."""
        self._logger.error("measurements_unreadable", extra={"messages": messages})

    def clock_set_back(self, forgotten: Sequence[str]) -> None:
        """Moments in the future were found, and what relies on them was deleted."""
        self._logger.warning("clock_set_back", extra={"forgotten": list(forgotten)})

    def recounted(self, recounted: Recounted) -> None:
        """Some rows were counted one by one; counters that were wrong are right now."""
        keys = {"rows": recounted.rows, "rows_counted_anew": recounted.strays}
        if recounted.wrong:
            self._logger.warning("counters_mended", extra={**keys, "wrong": dict(recounted.wrong)})
        else:
            self._logger.info("rows_counted", extra=keys)

    def notification_lost(self, lost: Suspected) -> None:
        """A comparison found and copied a reference that no notification announced."""
        keys = {"repository": lost.repository, "reference": lost.reference.seen_key, "found_at": lost.at}
        self._logger.warning("notification_lost", extra=keys)
        self._metrics.put({"NotificationsLost": 1})

    def report_posted(self) -> None:
        """The primary's admin API took the status."""
        self._metrics.put({"ReportsPosted": 1})
