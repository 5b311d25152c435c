"""The event log, for people: what came in, what became of it, what could not be used and why.

One item per event, in a DynamoDB table:

    id           S  partition key: what a registry sends again overwrites itself
    hour         S  `2026-11-24T05` (UTC), partition key of the index `recent`; of what an operator did `audit#…`
    received_at  N  milliseconds since the epoch, sort key of `recent`: the newest events, page by page
    outcome      S  `accepted` or `unusable`, with `reason`
    expire_at    N  TTL, seconds since the epoch
    ...             the fields of the geo event, or what an unusable event claimed

notifications/publish.py writes it, operating/audit.py adds what operators did; here it is read. One query reads one
hour. A page goes back through at most HOURS hours, so that a quiet month costs no thousand queries: it then ends early
and says where to go on. So does a page that is filtered, after EXAMINED entries: no index holds what a filter asks for,
since each would cost every push a write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

INDEX = "recent"
AUDIT = "audit#"
"""Before the hour of what an operator did: the same index, other partitions."""
AUDIT_ID = "audit#"
"""Before the id of what an operator did. No event's id has a `#` (notifications/judge.py), so none overwrites one."""
HOURS = 48
"""Hours that a page, or the look for the newest event, goes back through, a query each."""
HOUR_MS = 3_600_000
EXAMINED = 1000
"""Entries that one filtered page reads at most: about 0.6 MB, so one or two answers of DynamoDB's."""
LOOKED_AT = 50
"""Entries of an hour in which `last` looks for one that was accepted; on a busy site the first query finds it."""

_plain = TypeDeserializer().deserialize


def hour_of(moment: int) -> str:
    """The partition of the index that an event of `moment` (ms) is in: `2026-03-01T09`, in UTC."""
    return datetime.fromtimestamp(moment // 1000, UTC).strftime("%Y-%m-%dT%H")


@dataclass(frozen=True, slots=True, kw_only=True)
class LastEvent:
    """An event's id, and when the primary took it (milliseconds since the epoch)."""

    id: str
    received_at: int


def last(dynamodb: DynamoDBClient, events_table: str, *, now_ms: int) -> LastEvent | None:
    """The newest event in a primary's event log, None when none came in the last HOURS. `now_ms` is in milliseconds.

    Raises botocore's errors.
    """
    for hour in range(HOURS):
        found = dynamodb.query(
            TableName=events_table,
            IndexName=INDEX,
            KeyConditionExpression="#hour = :hour",
            ExpressionAttributeNames={"#hour": "hour"},
            ExpressionAttributeValues={":hour": {"S": hour_of(now_ms - hour * HOUR_MS)}},
            ScanIndexForward=False,
            Limit=LOOKED_AT,
        )
        for item in found["Items"]:
            if item.get("outcome", {}).get("S") == "accepted":
                return LastEvent(id=item["id"]["S"], received_at=int(item["received_at"]["N"]))
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The end of a page: entries before this one are still to come. `id` is empty at the end of an hour."""

    received_at: int
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which entries: those that name this container repository, and those of this event; "": any."""

    repository: str = ""
    event_name: str = ""

    @property
    def is_anything(self) -> bool:
        """True when every entry is taken."""
        return not self.repository and not self.event_name

    def narrow(self, query: dict[str, Any]) -> None:
        """Have DynamoDB answer only these entries; it still reads, and counts, the others."""
        conditions = []
        if self.repository:
            # By name, or as an event claimed it that could not be used, or as it was called before a rename.
            places = ("#repository", "#claims.#repository", "renamed_from")
            conditions.append(f"({' OR '.join(f'{place} = :repository' for place in places)})")
            query["ExpressionAttributeNames"] |= {"#repository": "repository", "#claims": "claims"}
            query["ExpressionAttributeValues"][":repository"] = {"S": self.repository}
        if self.event_name:
            conditions.append("event_name = :event_name")
            query["ExpressionAttributeValues"][":event_name"] = {"S": self.event_name}
        if conditions:
            query["FilterExpression"] = " AND ".join(conditions)


EVERYTHING = Filter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Entries as they are stored, newest first, and where the next page begins (None: nothing older is kept).

    `examined` entries were read for it.
    """

    entries: tuple[Mapping[str, Any], ...]
    following: Before | None
    examined: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """One answer of DynamoDB's: the entries that fit, how many it read, and the last of these if there are more."""

    entries: list[Mapping[str, Any]]
    examined: int
    last: Before | None


class EventLog:
    """Reads one site's event log."""

    def __init__(self, dynamodb: DynamoDBClient, table: str, *, retention_days: int) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self.retention_ms = retention_days * 24 * HOUR_MS

    def page(
        self, *, now_ms: int, limit: int, before: Before | None = None, kind: str = "", wanted: Filter = EVERYTHING
    ) -> Page:
        """At most `limit` entries before `before`; `kind` is "" for geo events and AUDIT for what operators did."""
        found: list[Mapping[str, Any]] = []
        examined = 0
        most = limit + 1 if wanted.is_anything else EXAMINED
        oldest = now_ms - self.retention_ms
        moment = before.received_at if before is not None else now_ms
        start = before if before is not None and before.id else None
        for _ in range(HOURS):
            if moment < oldest:
                return Page(entries=tuple(found), following=None, examined=examined)
            while True:
                answer = self._of_hour(kind + hour_of(moment), start, most - examined, wanted)
                examined += answer.examined
                found += answer.entries
                if len(found) > limit:
                    last = found[limit - 1]
                    end = Before(received_at=int(last["received_at"]), id=last["id"])
                    return Page(entries=tuple(found[:limit]), following=end, examined=examined)
                start = answer.last
                if examined >= most:
                    end = start or _end_of_hour(moment)
                    return Page(entries=tuple(found), following=end, examined=examined)
                if start is None:
                    break
            moment = _end_of_hour(moment).received_at
        return Page(entries=tuple(found), following=Before(received_at=moment), examined=examined)

    def last(self, *, now_ms: int) -> LastEvent | None:
        """The newest event that was accepted; None when none came lately."""
        return last(self._dynamodb, self._table, now_ms=now_ms)

    def _of_hour(self, name: str, start: Before | None, most: int, wanted: Filter) -> _Answer:
        """Entries of the hour `name` before `start`, newest first; at most `most` are read."""
        query: dict[str, Any] = {
            "TableName": self._table,
            "IndexName": INDEX,
            "KeyConditionExpression": "#hour = :hour",
            "ExpressionAttributeNames": {"#hour": "hour"},
            "ExpressionAttributeValues": {":hour": {"S": name}},
            "ScanIndexForward": False,
            "Limit": most,
        }
        wanted.narrow(query)
        if start is not None:
            query["ExclusiveStartKey"] = {
                "hour": {"S": name},
                "received_at": {"N": str(start.received_at)},
                "id": {"S": start.id},
            }
        answer = self._dynamodb.query(**query)
        last = answer.get("LastEvaluatedKey")
        return _Answer(
            entries=[{key: _number(_plain(value)) for key, value in item.items()} for item in answer["Items"]],
            examined=answer["ScannedCount"],
            last=Before(received_at=int(last["received_at"]["N"]), id=last["id"]["S"]) if last else None,
        )


def _end_of_hour(moment: int) -> Before:
    """The beginning of the hour before that of `moment` (ms)."""
    return Before(received_at=moment - moment % HOUR_MS - 1)


def _number(value: Any) -> Any:
    return int(value) if not isinstance(value, str | dict | bool) and value is not None else value
