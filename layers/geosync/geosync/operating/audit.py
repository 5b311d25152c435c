"""The audit log: every action with its caller, its time and its end; the refused ones, too.

Each is a log line and an item of the event log's table (see event_log.AUDIT), kept as long as an event. The item is
written before the action is taken: one that cannot be written down is not taken. Refusals of callers that nobody knows
are counted in one item for a minute and a method, so that a flood of them fills no table.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.messages.event_log import AUDIT, AUDIT_ID, hour_of
from geosync.operating.audit_words import abridged

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from mypy_boto3_dynamodb import DynamoDBClient

MOST_DETAIL = 6_000
"""Characters of a request that are kept: a hundred dead letters by id and a reason, or the first of 500 tags."""
MOST_DISCARDED = 256 * 1024
"""Bytes of a discarded message that are kept: far from the 400 KB of an item, and more than any message of ours has."""
UNKNOWN = "nobody known"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """An action that was begun."""

    id: str
    action: str
    who: str


class Audit:
    """Writes one site's audit log."""

    def __init__(
        self,
        dynamodb: DynamoDBClient,
        table: str,
        logger: Logger | logging.Logger,
        *,
        retention_days: int,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._logger = logger
        self._retention_seconds = retention_days * 86_400
        self._clock = clock

    def begin(
        self, who: str, action: str, *, source: str, detail: str, of: str = "", about: Mapping[str, str] | None = None
    ) -> AuditEntry:
        """Write down an action before it is taken. If this raises botocore's errors, the action must not be taken.

        `about` has the names for what the action names by an id alone: `repository`, `site_name`.
        The entry's id begins with `of`, so that a role may be allowed to write the entries of one command alone.
        """
        entry = AuditEntry(id=f"{AUDIT_ID}{of}{uuid.uuid4().hex}", action=action, who=who)
        asked = abridged(detail) if len(detail) > MOST_DETAIL else None
        more = {"asked": asked} if asked is not None else {}
        self._put(entry, "begun", source=source, detail=detail, **more, **(about or {}))
        return entry

    def end(self, entry: AuditEntry, *, status: int) -> None:
        """Write down the end of an action."""
        outcome = "done" if status < 400 else "failed"
        self._log(entry, outcome, status)
        self._update(entry.id, "SET outcome = :outcome, #status = :status", outcome=outcome, status=status)

    def refused(
        self,
        who: str | None,
        action: str,
        *,
        status: int,
        source: str,
        reason: str,
        about: Mapping[str, str] | None = None,
    ) -> None:
        """Write down an action that was refused; `who` is None for a caller that nobody knows; `about`: see `begin`."""
        if who is not None:
            entry = AuditEntry(id=f"{AUDIT_ID}{uuid.uuid4().hex}", action=action, who=who)
            self._log(entry, "refused", status, reason=reason)
            self._put(entry, "refused", source=source, detail=reason, status=status, **(about or {}))
            return
        minute, method = self._clock.now_ms() // 60_000, action.partition(" ")[0][:10]
        entry = AuditEntry(id=f"{AUDIT_ID}refused-{minute}-{method}", action=method, who=UNKNOWN)
        self._log(entry, "refused", status, reason=reason, path=action[:MOST_DETAIL])
        update = (
            "SET #hour = :hour, received_at = :at, expire_at = :expire, #action = :action, who = :who, "
            "outcome = :outcome, #status = :status, detail = :detail, #source = :source ADD #count :one"
        )
        values = self._values(entry, "refused", source=source, detail=f"{reason}: {action}", status=status)
        self._update(entry.id, update, one=1, **values)

    def signed_in(self, who: str, *, source: str) -> None:
        """Write down that a session is opened. If this raises botocore's errors, the session must not be opened."""
        entry = AuditEntry(id=f"{AUDIT_ID}{uuid.uuid4().hex}", action="sign in", who=who)
        self._log(entry, "done", 200)
        self._put(entry, "done", source=source, detail="", status=200)

    def discarded(self, who: str, *, message: str, body: str, reason: str) -> None:
        """Keep a message that is given up. If this raises botocore's errors, the message must not be deleted."""
        entry = AuditEntry(id=f"{AUDIT_ID}discarded-{message}", action=f"discard {message}", who=who)
        kept = body.encode()[:MOST_DISCARDED].decode(errors="ignore")
        self._logger.info("dead_letter_discarded", extra={"message_id": message, "who": entry.who, "reason": reason})
        self._put(entry, "done", source="", detail=reason, body=kept)

    def _log(self, entry: AuditEntry, outcome: str, status: int, **more: object) -> None:
        keys = {"action": entry.action, "who": entry.who, "outcome": outcome, "status": status, "entry": entry.id}
        self._logger.info("admin_action", extra={**keys, **more})

    def _put(self, entry: AuditEntry, outcome: str, **more: Any) -> None:
        values = {"id": entry.id, "count": 1, **self._values(entry, outcome, **more)}
        names = {"expire": "expire_at", "at": "received_at"}
        self._dynamodb.put_item(
            TableName=self._table, Item={names.get(name, name): _typed(value) for name, value in values.items()}
        )

    def _values(self, entry: AuditEntry, outcome: str, *, detail: str, **more: Any) -> dict[str, Any]:
        now_ms = self._clock.now_ms()
        return {
            "hour": AUDIT + hour_of(now_ms),
            "at": now_ms,
            "expire": now_ms // 1000 + self._retention_seconds,
            "action": entry.action,
            "who": entry.who,
            "outcome": outcome,
            "detail": detail[:MOST_DETAIL],
            **more,
        }

    def _update(self, identifier: str, expression: str, **values: Any) -> None:
        reserved = ("hour", "action", "source", "count", "status")
        self._dynamodb.update_item(
            TableName=self._table,
            Key={"id": {"S": identifier}},
            UpdateExpression=expression,
            ExpressionAttributeNames={f"#{name}": name for name in reserved if f"#{name}" in expression},
            ExpressionAttributeValues={f":{name}": _typed(value) for name, value in values.items()},
        )


def _typed(value: str | int) -> Any:
    return {"N": str(value)} if isinstance(value, int) else {"S": value}
