"""Reports of drills in the event log's table: one item each, in partitions of their own (`drill#<hour>`).

They are kept longer than events, so that a drill of last year can still be shown to somebody. Each names the one
before, so that to list them takes a read for each, and none for the hours between them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from geosync.drilling.report import Document
from geosync.messages.event_log import hour_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

KEPT_S = 400 * 86_400
"""As long as the history of a service level."""
_DRILL = "drill#"
"""Before the id of a report and the hour that it is listed under. No event's id has a `#` (notifications/judge.py)."""


class DrillReports:
    """The reports of one site's drills."""

    def __init__(self, dynamodb: DynamoDBClient, events_table: str) -> None:
        self._dynamodb = dynamodb
        self._table = events_table

    def keep(self, report: Document, *, before: str | None) -> None:
        """Keep a report; `before` is the id of the one before. None: there was none, or it is not known.

        Raises botocore's errors.
        """
        at = int(report["ended_at"])
        follows: dict[str, AttributeValueTypeDef] = {"before": {"S": before}} if before is not None else {}
        self._dynamodb.put_item(
            TableName=self._table,
            Item={
                "id": {"S": _DRILL + report["id"]},
                "hour": {"S": _DRILL + hour_of(at)},
                "received_at": {"N": str(at)},
                "expire_at": {"N": str(at // 1000 + KEPT_S)},
                "outcome": {"S": report["verdict"]},
                "report": {"S": json.dumps(report, separators=(",", ":"))},
                **follows,
            },
        )

    def read(self, drill_id: str) -> Document | None:
        """The report of a drill, None where it is kept no more. Raises botocore's errors."""
        return next(self.back_from(drill_id), None)

    def back_from(self, drill_id: str) -> Iterator[Document]:
        """Yield the report of a drill, then of those before, the newest first; ends at one that is missing.

        Each takes a read. Raises botocore's errors.
        """
        following: str | None = drill_id
        while following is not None:
            found = self._dynamodb.get_item(TableName=self._table, Key={"id": {"S": _DRILL + following}}).get("Item")
            if found is None:
                return
            report: Document = json.loads(found["report"]["S"])
            yield report
            following = found["before"]["S"] if "before" in found else None
