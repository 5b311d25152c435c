"""The event log, for people: what came in, what became of it, what could not be used and why.

One item per event, in a DynamoDB table:

    id           S  partition key: what a registry sends again overwrites itself
    hour         S  `2026-11-24T05` (UTC), partition key of the index `recent`; in the shards after the first
                    `2026-11-24T05#1` and so on; of what an operator did `audit#…`, without shards
    received_at  N  milliseconds since the epoch, sort key of `recent`: the newest events, page by page
    outcome      S  `accepted` or `unusable`, with `reason`
    expire_at    N  TTL, seconds since the epoch
    ...             the fields of the geo event, or what an unusable event claimed

notifications/publish.py writes it, operating/audit.py adds what operators did; here it is read. One query reads one
hour of one shard. A page goes back through at most HOURS hours, so that a quiet month does not cost a thousand queries:
it then ends early and says where to go on. A filtered page ends early after EXAMINED entries. Filters have no index,
because each index would cost every push a write.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

INDEX = "recent"
AUDIT = "audit#"
"""Prefix of an hour of the audit log: the same index, other partitions."""
AUDIT_ID = "audit#"
"""Prefix of the id of an audit entry. No event's id has a `#` (notifications/judge.py), so none overwrites one."""
HOURS = 48
"""Hours that a page, or the look for the newest event, goes back through, a query each."""
HOUR_MS = 3_600_000
EXAMINED = 1000
"""Entries that one filtered page reads at most: about 0.6 MB, so one or two answers of DynamoDB's."""
LOOKED_AT = 50
"""Entries of an hour among which `last` looks for an accepted one; on a busy site the first query finds it."""

_plain = TypeDeserializer().deserialize


def hour_of(moment: int) -> str:
    """The partition of the index that an event of `moment` (ms) is in: `2026-03-01T09`, in UTC."""
    return datetime.fromtimestamp(moment // 1000, UTC).strftime("%Y-%m-%dT%H")


def shard_of(event_id: str, shards: int) -> int:
    """The shard of an event: what is sent again overwrites itself there."""
    return zlib.crc32(event_id.encode(errors="replace")) % shards


def partition(hour: str, shard: int) -> str:
    """The partition of the index that a shard of an hour is. The first has the name of an hour without shards."""
    return f"{hour}#{shard}" if shard else hour


@dataclass(frozen=True, slots=True, kw_only=True)
class LastEvent:
    """An event's id, and when the primary took it (milliseconds since the epoch)."""

    id: str
    received_at: int


def last(dynamodb: DynamoDBClient, events_table: str, *, now_ms: int, shards: int = 1) -> LastEvent | None:
    """The newest event in a primary's event log, None when none came in the last HOURS. `now_ms` is in milliseconds.

    Raises botocore's errors.
    """
    for hour in range(HOURS):
        name = hour_of(now_ms - hour * HOUR_MS)
        found = [_last_in(dynamodb, events_table, partition(name, shard)) for shard in range(shards)]
        newest = max((one for one in found if one is not None), key=lambda one: one.received_at, default=None)
        if newest is not None:
            return newest
    return None


def _last_in(dynamodb: DynamoDBClient, events_table: str, name: str) -> LastEvent | None:
    found = dynamodb.query(
        TableName=events_table,
        IndexName=INDEX,
        KeyConditionExpression="#hour = :hour",
        ExpressionAttributeNames={"#hour": "hour"},
        ExpressionAttributeValues={":hour": {"S": name}},
        ScanIndexForward=False,
        Limit=LOOKED_AT,
    )
    for item in found["Items"]:
        if item.get("outcome", {}).get("S") == "accepted":
            return LastEvent(id=item["id"]["S"], received_at=int(item["received_at"]["N"]))
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The end of a page: entries before this one are still to come. `id` is empty at the end of an hour.

    The order is newest first, and of one moment the shards one after the other.
    """

    received_at: int
    id: str = ""
    shard: int = 0

    @property
    def mark(self) -> str:
        """The id and the shard as one text, for a cursor; that of the first shard is the id."""
        return f"{self.shard}#{self.id}" if self.shard else self.id

    @classmethod
    def at(cls, received_at: int, mark: str) -> Before:
        """Read a mark back."""
        shard, separator, id_ = mark.partition("#")
        if separator and shard.isdecimal():
            return cls(received_at=received_at, id=id_, shard=int(shard))
        return cls(received_at=received_at, id=mark)

    @property
    def rank(self) -> tuple[int, int]:
        """The place in the order; entries of one shard and moment share one."""
        return -self.received_at, self.shard


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A filter: entries that name this container repository and have this event name; "": any.

    `since_ms`: only entries received since then, for a reader that follows; nothing older is read.
    """

    repository: str = ""
    event_name: str = ""
    since_ms: int = 0

    @property
    def is_anything(self) -> bool:
        """True when every entry is taken, as far back as it is read."""
        return not self.repository and not self.event_name

    def narrow(self, query: dict[str, Any]) -> None:
        """Have DynamoDB answer only these entries; it still reads, and counts, the others."""
        conditions = []
        if self.repository:
            # By its name, by the name that an unusable event claimed, or by its name before a rename.
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
    """Reads one site's event log, each hour of which has so many shards."""

    def __init__(self, dynamodb: DynamoDBClient, table: str, *, retention_days: int, shards: int = 1) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._shards = shards
        self.retention_ms = retention_days * 24 * HOUR_MS

    def page(
        self, *, now_ms: int, limit: int, before: Before | None = None, kind: str = "", wanted: Filter = EVERYTHING
    ) -> Page:
        """At most `limit` entries before `before`; `kind` is "" for geo events and AUDIT for what operators did."""
        found: list[Mapping[str, Any]] = []
        examined = 0
        most = limit + 1 if wanted.is_anything else EXAMINED
        oldest = max(now_ms - self.retention_ms, wanted.since_ms)
        first = before or Before(received_at=now_ms)
        moment, start = first.received_at, first if first.id else None
        for _ in range(HOURS):
            if moment < oldest:
                return Page(entries=tuple(found), following=None, examined=examined)
            is_hour_left = True
            while is_hour_left:
                answer = self._read_hour(kind + hour_of(moment), start, most - examined, wanted)
                examined += answer.examined
                found += answer.entries
                if len(found) > limit:
                    end = _place(found[limit - 1])
                    return Page(entries=tuple(found[:limit]), following=end, examined=examined)
                start = answer.last
                if examined >= most:
                    end = start or _end_of_hour(moment)
                    return Page(entries=tuple(found), following=end, examined=examined)
                is_hour_left = start is not None
            moment = _end_of_hour(moment).received_at
        return Page(entries=tuple(found), following=Before(received_at=moment), examined=examined)

    def last(self, *, now_ms: int) -> LastEvent | None:
        """The newest event that was accepted; None when none came lately."""
        return last(self._dynamodb, self._table, now_ms=now_ms, shards=self._shards)

    def _read_hour(self, name: str, start: Before | None, most: int, wanted: Filter) -> _Answer:
        """Entries of the hour `name` before `start`, newest first; of about `most` that are read."""
        shards = 1 if name.startswith(AUDIT) else self._shards
        # Without a filter one shard may hold all that the page needs. The others' surplus is then read again later.
        share = most if wanted.is_anything else -(-most // shards)
        answers = [self._read_shard(name, shard, start, share, wanted) for shard in range(shards)]
        merged = _merged(answers)
        return replace(merged, examined=len(merged.entries)) if wanted.is_anything else merged

    def _read_shard(self, hour: str, shard: int, start: Before | None, most: int, wanted: Filter) -> _Answer:
        """Entries of one shard of an hour before `start`, newest first; at most `most` are read."""
        name = partition(hour, shard)
        is_elsewhere = start is not None and start.shard != shard
        until_ms = start.received_at - (shard < start.shard) if start is not None and is_elsewhere else None
        if until_ms is not None and until_ms < wanted.since_ms:
            return _Answer(entries=[], examined=0, last=None)
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
        _bound(query, wanted.since_ms, until_ms)
        if start is not None and not is_elsewhere:
            query["ExclusiveStartKey"] = {
                "hour": {"S": name},
                "received_at": {"N": str(start.received_at)},
                "id": {"S": start.id},
            }
        return _answer(self._dynamodb.query(**query), shard)


def _bound(query: dict[str, Any], since_ms: int, until_ms: int | None) -> None:
    """Have DynamoDB read only the entries between two moments (ms, both included)."""
    values = query["ExpressionAttributeValues"]
    if since_ms and until_ms is not None:
        query["KeyConditionExpression"] += " AND received_at BETWEEN :since AND :until"
        values |= {":since": {"N": str(since_ms)}, ":until": {"N": str(until_ms)}}
    elif since_ms:
        query["KeyConditionExpression"] += " AND received_at >= :since"
        values[":since"] = {"N": str(since_ms)}
    elif until_ms is not None:
        query["KeyConditionExpression"] += " AND received_at <= :until"
        values[":until"] = {"N": str(until_ms)}


def _answer(answer: Mapping[str, Any], shard: int) -> _Answer:
    """Read the answer of a query of one shard."""
    last = answer.get("LastEvaluatedKey")
    return _Answer(
        entries=[{key: _number(_plain(value)) for key, value in item.items()} for item in answer["Items"]],
        examined=answer["ScannedCount"],
        last=Before(received_at=int(last["received_at"]["N"]), id=last["id"]["S"], shard=shard) if last else None,
    )


def _merged(answers: Sequence[_Answer]) -> _Answer:
    """The entries of all shards in one order.

    They end where the first shard's answer ends: what other shards have beyond that comes with a later page.
    """
    end = min((one.last for one in answers if one.last is not None), key=lambda one: one.rank, default=None)
    entries = [entry for one in answers for entry in one.entries if end is None or _place(entry).rank <= end.rank]
    entries.sort(key=lambda entry: _place(entry).rank)
    return _Answer(entries=entries, examined=sum(one.examined for one in answers), last=end)


def _place(entry: Mapping[str, Any]) -> Before:
    """The place of an entry in the order."""
    _, separator, shard = str(entry["hour"]).removeprefix(AUDIT).partition("#")
    return Before(received_at=int(entry["received_at"]), id=entry["id"], shard=int(shard) if separator else 0)


def _end_of_hour(moment: int) -> Before:
    """The beginning of the hour before that of `moment` (ms)."""
    return Before(received_at=moment - moment % HOUR_MS - 1)


def _number(value: Any) -> Any:
    return int(value) if not isinstance(value, str | dict | bool) and value is not None else value
