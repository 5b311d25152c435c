"""The event log's table behind a low-level client, with the few requests that Geosync sends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError
from tests.simulation.calls import Calls, Weather
from tests.simulation.table import RemoteStore, Table

Stored = dict[str, Any]
Listener = Callable[[str, Stored | None, Stored], None]
"""Told of each write: the id, the item before it and after it, in DynamoDB's JSON."""


class Log:
    """The items of one event log, by id."""

    def __init__(self) -> None:
        self.items: dict[str, Stored] = {}
        self.listeners: list[Listener] = []

    def put(self, item: Stored) -> None:
        """Put one item, in the place of a former one."""
        identifier = item["id"]["S"]
        before = self.items.get(identifier)
        self.items[identifier] = item
        for listener in self.listeners:
            listener(identifier, before, item)

    def update(self, identifier: str, expression: str, names: dict[str, str], values: Stored) -> None:
        """Carry out `SET a = :a, … [ADD b :b]`."""
        item = {"id": {"S": identifier}, **self.items.get(identifier, {})}
        sets, _, adds = expression.removeprefix("SET ").partition(" ADD ")
        for part in sets.split(", "):
            name, _, value = part.partition(" = ")
            item[names.get(name, name)] = values[value]
        if adds:
            name, _, value = adds.partition(" ")
            known = int(item.get(names.get(name, name), {"N": "0"})["N"])
            item[names.get(name, name)] = {"N": str(known + int(values[value]["N"]))}
        self.put(item)

    def of_hour(self, hour: str) -> list[Stored]:
        """The items of one partition of the index, newest first."""
        found = [item for item in self.items.values() if item.get("hour", {}).get("S") == hour]
        return sorted(found, key=lambda item: (int(item["received_at"]["N"]), item["id"]["S"]), reverse=True)


class DynamoClient:
    """A boto3 client of DynamoDB at one site: the event log's requests, and the way to the sync registry's store."""

    def __init__(self, log: Log, table: Table, calls: Calls, weather: Weather) -> None:
        self._log = log
        self._table = table
        self._calls = calls
        self._weather = weather

    def store(self) -> RemoteStore:
        """The sync registry's table."""
        return RemoteStore(self._table, self._calls, self._weather)

    def batch_write_item(self, *, RequestItems: dict[str, Any]) -> Stored:
        """Write several; some may be left."""
        ((table, requests),) = RequestItems.items()

        def write() -> Stored:
            left = []
            for request in requests:
                if self._calls.is_repeated(self._weather) or self._calls.is_in_part(self._weather):
                    left.append(request)
                else:
                    self._log.put(request["PutRequest"]["Item"])
            return {"UnprocessedItems": {table: left} if left else {}}

        result: Stored = self._make(write)
        return result

    def put_item(self, *, TableName: str, Item: Stored) -> None:
        """Put one."""
        self._make(lambda: self._log.put(Item))

    def update_item(
        self,
        *,
        TableName: str,
        Key: Stored,
        UpdateExpression: str,
        ExpressionAttributeNames: dict[str, str],
        ExpressionAttributeValues: Stored,
    ) -> None:
        """Update one."""
        arguments = (Key["id"]["S"], UpdateExpression, ExpressionAttributeNames, ExpressionAttributeValues)
        self._make(lambda: self._log.update(*arguments))

    def query(self, *, ExpressionAttributeValues: Stored, Limit: int, **_: Any) -> Stored:
        """Read one hour."""
        hour = ExpressionAttributeValues[":hour"]["S"]
        found = self._make(lambda: self._log.of_hour(hour))[:Limit]
        return {"Items": found, "ScannedCount": len(found)}

    def _make(self, effect: Callable[[], Any]) -> Any:
        return self._calls.make(effect, self._weather, refused=_throttled, lost=_silent, late_s=0.5)


def _throttled() -> Exception:
    return ClientError({"Error": {"Code": "ThrottlingException", "Message": "throttled"}}, "PutItem")


def _silent() -> Exception:
    return ReadTimeoutError(endpoint_url="https://dynamodb.invalid")
