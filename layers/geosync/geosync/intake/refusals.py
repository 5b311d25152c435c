"""Messages that cannot be marked or read end in the DLQ, unchanged, with the reason beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geosync.errors import GeosyncError
from geosync.messages.queues import Queue
from geosync.settings import Role
from geosync.sync_registry.sync_registry import SyncRegistry

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

    from geosync.observability import Metrics

REASON_LENGTH = 1_000
"""Characters of a reason in a message attribute of the DLQ."""


class Refusals:
    """Refuses messages of one site. Thread-safe."""

    def __init__(
        self,
        role: Role,
        sync_registry: SyncRegistry,
        dead_letters: Queue,
        *,
        logger: Logger,
        metrics: Metrics,
    ) -> None:
        self._role = role
        self._sync_registry = sync_registry
        self._dead_letters = dead_letters
        self._logger = logger
        self._metrics = metrics

    def refuse(self, body: str, error: GeosyncError) -> None:
        """Put a message into the DLQ with the reason. A secondary records it first: the recovery point depends on it.

        Raises what DynamoDB and SQS raise: then the message must come again.
        """
        if self._role == "secondary":
            self._sync_registry.recovery.record_refused()
        self._logger.error("message_refused", extra={"error": type(error).__name__, "reason": str(error)})
        self._metrics.put({"MessagesRefused": 1})
        self._dead_letters.send_body(body, {"kind": "refused", "reason": str(error)[:REASON_LENGTH]})
