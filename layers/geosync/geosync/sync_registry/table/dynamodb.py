"""The store's contract on a DynamoDB table: one request per operation, but for conflicts and long answers.

With the low-level client: making `boto3.resource` takes longer than a warm sync. A condition that fails brings the item
that was there in the same answer (ReturnValuesOnConditionCheckFailure), so that nothing is read first.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar

from boto3.dynamodb.conditions import ConditionExpressionBuilder
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from geosync.aws.errors import THROTTLED_REASONS, WAY_OUT, reason, throttled_call
from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.errors import Contended, CorruptItem
from geosync.sync_registry.items import Item
from geosync.sync_registry.table.changes import Change, Check, ConditionFailed, Delete, Key, TransactionFailed, Update
from geosync.sync_registry.table.tables import DUE_INDEX, REPOSITORY_DUE_INDEX

CONFLICT_PAUSES_S = (0.0, 0.01, 0.02, 0.04, 0.08, 0.16, 0.3, 0.3, 0.3, 0.3)
"""Pauses, before jitter, between tries of a write that a transaction on the same item refused: some 1.5 s in all."""
MOST_KEYS = 100
"""Keys in one BatchGetItem."""
MOST_WRITES = 25
"""Items in one BatchWriteItem."""
PAGE = 1000
"""Keys in one page of the sweep."""
LOOKED_THROUGH = 4
"""Items read in one request for each that is wanted, where a filter leaves out what was tried."""

_CONFLICTS = {"TransactionConflictException", "TransactionInProgressException"}
_CONFLICT_REASONS = THROTTLED_REASONS | {"TransactionConflict"}

Result = TypeVar("Result")


class DynamoStore:
    """A table with the schema of `tables`. Thread-safe, as its client is."""

    def __init__(self, client: Any, table: str, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._client = client
        self._table = table
        self._clock = clock

    # ------------------------------------------------------------------------------------------------------- reads

    def get(self, key: Key) -> Item | None:
        """One item."""
        answer = self._client.get_item(TableName=self._table, Key=_key(key), ConsistentRead=True)
        return _item(answer["Item"]) if "Item" in answer else None

    def batch_get(self, keys: Iterable[Key]) -> dict[Key, Item]:
        """The items that exist among `keys`, 100 in a request."""
        wanted = [_key(key) for key in dict.fromkeys(keys)]
        found: dict[Key, Item] = {}
        pauses = iter(CONFLICT_PAUSES_S)
        while wanted:
            asked, wanted = wanted[:MOST_KEYS], wanted[MOST_KEYS:]
            answer = self._client.batch_get_item(RequestItems={self._table: {"Keys": asked, "ConsistentRead": True}})
            for raw in answer["Responses"].get(self._table, []):
                item = _item(raw)
                found[Key(item["repository"], item["item"])] = item
            if left := answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys"):
                wanted += left
                self._pause(pauses, f"AWS throttles DynamoDB BatchGetItem, which left items unread; {WAY_OUT}")
        return found

    def items(
        self, repository: str, prefix: str, *, limit: int, after: str = "", only: Collection[str] = ()
    ) -> list[Item]:
        """Items whose sort key begins with `prefix` and comes after `after`, in its order.

        What `only` leaves out is read and paid for, and neither sent nor parsed.
        """
        query: dict[str, Any] = {"ExclusiveStartKey": _key(Key(repository, after))} if after else {}
        wanted = {"#item" if name == "item" else f"#{number}": name for number, name in enumerate(only)}
        if wanted:
            query["ProjectionExpression"] = ", ".join(wanted)
        return self._query(
            limit,
            KeyConditionExpression="repository = :repository AND begins_with(#item, :prefix)",
            ExpressionAttributeNames={"#item": "item", **wanted},
            ExpressionAttributeValues=_values({":repository": repository, ":prefix": prefix}),
            ConsistentRead=True,
            **query,
        )

    def due(self, repository: str, at: int, limit: int, *, untried: bool = False) -> list[Item]:
        """Items of one repository with `due` <= `at`, newest first, by the local index; `untried`: none that failed.

        The index knows nothing of attempts: what was tried is read and paid for, and left out of the answer.
        """
        query: dict[str, Any] = {
            "IndexName": REPOSITORY_DUE_INDEX,
            "KeyConditionExpression": "repository = :repository AND due <= :at",
            "ExpressionAttributeValues": _values({":repository": repository, ":at": at}),
            "ScanIndexForward": False,
            "ConsistentRead": True,
        }
        if not untried:
            return self._query(limit, **query)
        query["FilterExpression"] = "attribute_not_exists(attempts) OR attempts = :none"
        query["ExpressionAttributeValues"] |= _values({":none": 0})
        return self._query(limit, LOOKED_THROUGH * limit, **query)

    def due_keys(self, shard: str, until: int, *, start: int = 0) -> Iterator[Key]:
        """Keys of the items in one shard with `start` <= `due` <= `until`, oldest first, by the global index.

        Not strongly consistent, as `first_due`: a global index follows its table within a moment.
        """
        pages = self._pages(
            IndexName=DUE_INDEX,
            KeyConditionExpression="due_shard = :shard AND due BETWEEN :start AND :until",
            ExpressionAttributeValues=_values({":shard": shard, ":start": start, ":until": until}),
            Limit=PAGE,
        )
        for page in pages:
            for raw in page:
                yield Key(raw["repository"]["S"], raw["item"]["S"])

    def first_due(self, shard: str, limit: int) -> list[tuple[Key, int]]:
        """Keys of the first items in one shard, at most `limit`, oldest first, each with its `due`: one request.

        A page holds some thousands of them; of more it takes another one.
        """
        pages = self._pages(
            IndexName=DUE_INDEX,
            KeyConditionExpression="due_shard = :shard",
            ExpressionAttributeValues=_values({":shard": shard}),
            Limit=limit,
        )
        entries = (entry for page in pages for entry in page)
        return [(Key(raw["repository"]["S"], raw["item"]["S"]), int(raw["due"]["N"])) for raw in islice(entries, limit)]

    def _query(self, limit: int, page: int | None = None, /, **query: Any) -> list[Item]:
        """At most `limit` items; `page` of them are read in a request, where a filter leaves some out."""
        found: list[Item] = []
        for items in self._pages(Limit=page or limit, **query):
            found += map(_item, items)
            if len(found) >= limit:
                break
        return found[:limit]

    def _pages(self, **query: Any) -> Iterator[list[dict[str, Any]]]:
        while True:
            answer = self._client.query(TableName=self._table, **query)
            yield answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    # ------------------------------------------------------------------------------------------------------ writes

    def write(self, change: Update | Delete) -> Item | None:
        """Carry out one change, again while a transaction on the item is in the way.

        Raises ConditionFailed, Contended, and CorruptItem when it adds to something that is no number or no set.
        """
        try:
            if isinstance(change, Delete):
                self._unhindered(lambda: self._client.delete_item(**self._request(change)))
                return None
            request = self._request(change)
            answer = self._unhindered(lambda: self._client.update_item(**request, ReturnValues="ALL_NEW"))
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "ConditionalCheckFailedException":
                before: Any = error.response.get("Item")
                raise ConditionFailed(change.key, _item(before) if before else None) from None
            if code == "ValidationException" and isinstance(change, Update) and (change.add or change.union):
                attributes = ", ".join([*change.add, *change.union])
                raise CorruptItem(*change.key, attributes, "is not what can be added to") from error
            raise
        return _item(answer["Attributes"])

    def batch_put(self, items: Iterable[Item]) -> None:
        """Put whole items, 25 in a request; again those that DynamoDB leaves unwritten. Raises Contended."""
        self._batch_write([{"PutRequest": {"Item": _values(item)}} for item in items])

    def batch_delete(self, keys: Iterable[Key]) -> None:
        """Delete items, as `batch_put` puts them. Raises Contended."""
        self._batch_write([{"DeleteRequest": {"Key": _key(key)}} for key in keys])

    def _batch_write(self, wanted: list[dict[str, Any]]) -> None:
        pauses = iter(CONFLICT_PAUSES_S)
        while wanted:
            sent, wanted = wanted[:MOST_WRITES], wanted[MOST_WRITES:]
            answer = self._client.batch_write_item(RequestItems={self._table: sent})
            if left := answer.get("UnprocessedItems", {}).get(self._table):
                wanted += left
                self._pause(pauses, f"AWS throttles DynamoDB BatchWriteItem, which left items unwritten; {WAY_OUT}")

    def transact(self, changes: Sequence[Change]) -> None:
        """Carry out all of `changes` or none, again while others are in the way.

        Raises TransactionFailed and Contended.
        """
        request = [{_VERBS[type(change)]: self._request(change)} for change in changes]
        try:
            self._unhindered(lambda: self._client.transact_write_items(TransactItems=request))
        except ClientError as error:
            failed = {
                position: _item(reason["Item"]) if reason.get("Item") else None
                for position, reason in enumerate(_reasons(error))
                if reason.get("Code") == "ConditionalCheckFailed"
            }
            if not failed:
                raise
            raise TransactionFailed(failed) from None

    def _unhindered(self, send: Callable[[], Result]) -> Result:
        pauses = iter(CONFLICT_PAUSES_S)
        while True:
            try:
                return send()
            except ClientError as error:
                if not _is_conflict(error):
                    raise
                refused = error
            is_throttled = throttled_call(refused) is not None
            why = reason(refused) if is_throttled else "other writes of the same items were in the way"
            self._pause(pauses, why, refused)

    def _pause(self, pauses: Iterator[float], why: str, refused: ClientError | None = None) -> None:
        pause = next(pauses, None)
        if pause is None:
            raise Contended(f"sync registry: {why} ({len(CONFLICT_PAUSES_S)} times in a row)") from refused
        self._clock.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads tries, guards nothing

    def _request(self, change: Change) -> dict[str, Any]:
        """The change as DynamoDB's parameters; the same for single writes and parts of a transaction."""
        names: dict[str, str] = {}
        values: dict[str, Any] = {}
        request: dict[str, Any] = {"TableName": self._table, "Key": _key(change.key)}
        if change.when is not None:
            built = ConditionExpressionBuilder().build_expression(change.when)
            request["ConditionExpression"] = built.condition_expression
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
            names |= built.attribute_name_placeholders
            values |= built.attribute_value_placeholders
        if isinstance(change, Update):
            request["UpdateExpression"] = _update_expression(change, names, values)
        if names:
            request["ExpressionAttributeNames"] = names
        if values:
            request["ExpressionAttributeValues"] = _values(values)
        return request


_VERBS: dict[type[Change], str] = {Update: "Update", Delete: "Delete", Check: "ConditionCheck"}


def _update_expression(change: Update, names: dict[str, str], values: dict[str, Any]) -> str:
    """Write the update as an expression, and add what it refers to to `names` and `values`."""

    def name(attribute: str) -> str:
        placeholder = f"#u{len(names)}"
        names[placeholder] = attribute
        return placeholder

    def value(content: Any) -> str:
        placeholder = f":u{len(values)}"
        values[placeholder] = content
        return placeholder

    clauses: dict[str, list[str]] = {"SET": [], "ADD": [], "REMOVE": []}
    clauses["SET"] += [f"{name(attribute)} = {value(content)}" for attribute, content in change.set.items()]
    for attribute, content in change.set_once.items():
        placeholder = name(attribute)
        clauses["SET"].append(f"{placeholder} = if_not_exists({placeholder}, {value(content)})")
    for attribute, (source, default) in change.set_from.items():
        clauses["SET"].append(f"{name(attribute)} = if_not_exists({name(source)}, {value(default)})")
    clauses["ADD"] += [f"{name(attribute)} {value(number)}" for attribute, number in change.add.items()]
    clauses["ADD"] += [f"{name(attribute)} {value(set(texts))}" for attribute, texts in change.union.items()]
    clauses["REMOVE"] += [name(attribute) for attribute in change.remove]
    return " ".join(f"{verb} {', '.join(parts)}" for verb, parts in clauses.items() if parts)


def _is_conflict(error: ClientError) -> bool:
    """The same request can succeed in a moment: other transactions were in the way, and no condition failed."""
    code = error.response["Error"]["Code"]
    if code != "TransactionCanceledException":
        return code in _CONFLICTS
    codes = {reason.get("Code") for reason in _reasons(error)}
    return bool(codes & _CONFLICT_REASONS) and "ConditionalCheckFailed" not in codes


def _reasons(error: ClientError) -> list[Mapping[str, Any]]:
    reasons: list[Mapping[str, Any]] = error.response.get("CancellationReasons", [])  # type: ignore[assignment]
    return reasons


_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def _key(key: Key) -> dict[str, Any]:
    return {"repository": {"S": key.repository}, "item": {"S": key.item}}


def _values(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _serialize(value) for name, value in values.items()}


def _item(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(_deserialize(value)) for name, value in raw.items()}


def _plain(value: Any) -> Any:
    """Numbers as int where they are whole (float otherwise: no version writes one), sets as frozenset."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, set):
        return frozenset(map(_plain, value))
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return value
