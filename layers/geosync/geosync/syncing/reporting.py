"""Reports to the operator: a log line and metrics for each attempt, and the DLQ for parked references."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.copying.helping import Helped
from geosync.copying.outcome import Outcome, VerificationEnding, VerificationResult
from geosync.copying.s3.copier import CopiedInS3
from geosync.copying.sharing import Shared
from geosync.errors import GeosyncError
from geosync.messages.queues import Queue
from geosync.messages.work import Help, WorkMessage
from geosync.pair.registries import Registries
from geosync.sync_registry.items import Lease, Owed
from geosync.sync_registry.site.holds import Hold
from geosync.sync_registry.uploads import KeptUpload
from geosync.syncing.measuring import Measuring

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from mypy_boto3_sqs import SQSClient

    from geosync.observability import Metrics

MOST_NAMED = 10
"""Repositories that a log line names."""
REASON_LENGTH = 1_000
"""Characters of a reason in a message attribute of the DLQ."""


class Reporter:
    """One site's logs, metrics and DLQ. Thread-safe."""

    def __init__(
        self,
        *,
        logger: Logger,
        metrics: Metrics,
        sqs: SQSClient,
        dlq_url: str,
        measuring: Measuring | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._logger = logger
        self._metrics = metrics
        self._sqs = sqs
        self._dlq_url = dlq_url
        self._measuring = measuring or Measuring(None)
        self._clock = clock

    def report_ended(self, owed: Owed, outcome: Outcome) -> None:
        """Report an attempt that ended without an error."""
        keys = {**_keys(owed), "digest": outcome.digest}
        if outcome.copied is not None:
            copied = outcome.copied
            keys |= {
                "bytes": copied.bytes_copied,
                "blobs_copied": copied.blobs_copied,
                "blobs_there": copied.blobs_there,
                "manifests_put": copied.manifests_put,
                "seconds": round(copied.seconds, 3),
            }
            self._metrics.put({"BytesReplicated": copied.bytes_copied}, "Bytes")
            self._measuring.note_bytes(copied.bytes_copied)
        if outcome.removed:
            self._logger.info("tag_outside_the_selection_removed", extra=keys)
        elif outcome.outside:
            self._logger.info("reference_outside_the_selection", extra=keys)
        elif outcome.discharged:
            lag_ms = max(self._clock.now_ms() - owed.owed_since, 0)
            self._logger.info("reference_synced", extra={**keys, "lag_ms": lag_ms})
            if outcome.unannounced:
                self._logger.info("found_by_comparison", extra=keys)
            if not _only_looked(owed, outcome):
                self._metrics.put({"ReferencesSynced": 1})
                self._metrics.put({"Lag": lag_ms}, "Milliseconds")
                self._measuring.note_synced(owed)
        else:
            event = "reference_marked_again" if outcome.marked_again else "reference_not_proved_yet"
            self._logger.info(event, extra=keys)

    @contextmanager
    def measured(self, registries: Registries) -> Iterator[None]:
        """Hand over what was measured, however this ends, with the requests that were sent to the registries in it."""
        sent = registries.requests_sent
        try:
            yield
        finally:
            self._measuring.note_requests(registries.requests_sent - sent)
            self._measuring.send()

    def report_failed(self, owed: Owed, error: Exception, *, parked: bool = False) -> None:
        """Report an attempt that ended with an error; an error that is not ours is logged with its trace."""
        keys = {**_keys(owed), "error": type(error).__name__, "attempts": owed.attempts + 1, "parked": parked}
        if isinstance(error, GeosyncError):
            self._logger.warning("reference_failed", extra={**keys, "reason": str(error)})
        else:
            self._logger.error("reference_failed", exc_info=error, extra=keys)
        self._metrics.put({"ReferencesFailed": 1, "ReferencesParked": int(parked)})

    def report_death(self, lease: Lease) -> None:
        """Report that the holder before this one vanished: its lease ran out, and nobody had let it go."""
        keys = {"repository": lease.repository, "deaths": lease.deaths, "working_on": sorted(lease.working_on)}
        self._logger.error("holder_vanished", extra=keys)
        self._metrics.put({"HoldersVanished": 1})

    def report_under_way(self, repository: str, uploads: Sequence[KeptUpload]) -> None:
        """Report the layers that a holder leaves for the next."""
        for one in uploads:
            keys = {"repository": repository, "layer": one.digest, "arrived": one.offset, "size": one.size}
            self._logger.info("layer_under_way", extra=keys)

    def report_shared(self, repository: str, shared: Shared) -> None:
        """Report the blobs that a holder mounted, and the repositories that did not have what hints said, once each."""
        if shared.mounted:
            self._logger.info("blobs_mounted", extra={"repository": repository, "blobs": shared.mounted})
        if shared.wrong:
            keys = {"repository": repository, "repositories": len(shared.wrong), "named": shared.wrong[:MOST_NAMED]}
            self._logger.warning("blobs_not_mounted", extra=keys)

    def report_asked(self, repository: str, helps: Sequence[Help]) -> None:
        """Report that a holder asked others for help with the blobs of an image."""
        blobs = helps[0].blobs
        keys = {"repository": repository, "blobs": len(blobs), "bytes": sum(blob.size for blob in blobs)}
        self._logger.info("help_asked", extra={**keys, "helpers": len(helps)})

    def report_no_help(self, repository: str, reason: str) -> None:
        """Report that not all helpers could be asked: a helper that does not come costs a wait at most."""
        self._logger.warning("help_not_asked", extra={"repository": repository, "reason": reason})

    def report_over(self, repository: str) -> None:
        """Report that the copy for which help was asked is over."""
        self._logger.info("help_not_wanted", extra={"repository": repository})

    def report_helped(self, repository: str, helped: Helped) -> None:
        """Report what a helper brought, and why it ended before the blobs did."""
        keys: dict[str, object] = {"repository": repository, "blobs": helped.blobs, "bytes": helped.copied_bytes}
        if helped.reason is not None:
            keys["reason"] = helped.reason
        self._logger.info("helped", extra=keys)
        self._metrics.put({"BytesReplicated": helped.copied_bytes}, "Bytes")
        self._measuring.note_bytes(helped.copied_bytes)

    def report_ranges(self, registry: str, reason: str) -> None:
        """Report, once, that layers of a registry go over one connection, as its ranges are not to be relied on."""
        self._logger.warning("ranges_not_used", extra={"registry": registry, "reason": reason})

    def report_s3(self, repository: str, copied: CopiedInS3) -> None:
        """Report the layers that S3 copied, and why layers were streamed instead, once for each rest."""
        if copied.layers:
            keys = {"repository": repository, "layers": copied.layers, "bytes": copied.copied_bytes}
            self._logger.info("layers_copied_by_s3", extra=keys)
        for reason in copied.reasons:
            self._logger.warning("layers_not_copied_by_s3", extra={"repository": repository, "reason": reason})

    def report_hold(self, hold: Hold) -> None:
        """Report a registry that is left alone for a while."""
        keys = {"registry": hold.registry, "until": hold.until, "attempts": hold.attempts, "reason": hold.reason}
        self._logger.warning("registry_held", extra=keys)
        self._metrics.put({"RegistriesHeld": 1})

    def report_habit(self, registry: str) -> None:
        """Report a registry that took a manifest without what is below it, though it was known to check."""
        self._logger.warning("registry_checks_no_more", extra={"registry": registry})

    def report_verified(self, repository: str, result: VerificationResult) -> None:
        """Report a run of a verification that ended."""
        keys = {"repository": repository, "ending": result.ending.value, "requests": result.requests}
        verified, failed = result.ending is VerificationEnding.VERIFIED, result.ending is VerificationEnding.FAILED
        if failed:
            self._logger.warning("repository_differs", extra={**keys, "reason": result.reason})
        else:
            self._logger.info("verification_ended", extra={**keys, "reason": result.reason})
        self._metrics.put({"RepositoriesVerified": int(verified), "RepositoriesDiffering": int(failed)})

    def park(self, owed: Owed, reason: str) -> None:
        """Put a message into the DLQ that marks the reference anew when it is sent to the work queue.

        It names the mark that it belongs to: once the reference is marked again, it is not needed (minute/letters.py).
        """
        message = WorkMessage(repository=owed.repository, reason="replay", references=(owed.reference,))
        Queue(self._sqs, self._dlq_url).send_body(
            message.to_json(), {"kind": "parked", "reason": reason[:REASON_LENGTH], "mark": owed.mark}
        )


def _only_looked(owed: Owed, outcome: Outcome) -> bool:
    """Tell whether somebody asked for a look, as a pull does, and neither this attempt nor one before copied."""
    return owed.asked and not owed.expects and not owed.copied and outcome.copied is None


def _keys(owed: Owed) -> dict[str, object]:
    return {
        "repository": owed.repository,
        "reference": owed.reference.seen_key,
        "correlation_id": owed.correlation_id,
    }
