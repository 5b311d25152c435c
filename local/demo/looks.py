"""Looks at a site from outside: what its registry serves, and what its sync registry says about a repository."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer

from geosync.oci.media_types import ACCEPT
from geosync.sync_registry.items import FAILED, PENDING, STARTED, SYNCED
from local.emulator import RunningEmulator

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

STATES = {PENDING: "pending", STARTED: "syncing", SYNCED: "synced", FAILED: "failed"}
_plain = TypeDeserializer().deserialize


class SiteLooks:
    """Asks one site whose registry wants no credentials. Not thread-safe: it keeps its connection."""

    def __init__(self, emulator: RunningEmulator, site: Mapping[str, Any]) -> None:
        self.site = site
        self._connection = http.client.HTTPConnection(site["registry"].partition("://")[2], timeout=5)
        self._table: DynamoDBClient = emulator.client("dynamodb", site["region"])
        self._queues: SQSClient = emulator.client("sqs", site["region"])

    @property
    def name(self) -> str:
        """The site's name."""
        name: str = self.site["name"]
        return name

    def answers(self) -> bool:
        """Whether the registry answers at all."""
        return self._head("/v2/") is not None

    def served(self, repository: str, tag: str) -> str | None:
        """Return the digest that the registry serves under a tag now, None when it has none or gives no answer."""
        answer = self._head(f"/v2/{repository}/manifests/{tag}")
        return answer.headers["Docker-Content-Digest"] if answer is not None and answer.status == 200 else None

    def is_gone(self, repository: str, tag: str) -> bool:
        """Whether the registry answers that there is no such tag: no answer is none of that."""
        answer = self._head(f"/v2/{repository}/manifests/{tag}")
        return answer is not None and answer.status == 404

    def _head(self, path: str) -> http.client.HTTPResponse | None:
        try:
            self._connection.request("HEAD", path, headers={"Accept": ACCEPT})
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            # A kept connection may have ended; the next look opens another.
            self._connection.close()
            return None
        return answer

    def state(self, repository: str) -> str | None:
        """Return the state of a repository's row ("2": synced), None when there is no row yet."""
        key = {"repository": {"S": repository}, "item": {"S": "row"}}
        item = self._table.get_item(TableName=self.site["table"], Key=key, ConsistentRead=True).get("Item", {})
        return _plain(item["state"]) if "state" in item else None

    def is_synced(self, repository: str) -> bool:
        """Whether everything that was owed of a repository is done."""
        return self.state(repository) == SYNCED

    def owed(self, repository: str) -> list[dict[str, Any]]:
        """Return what is owed of a repository: the `owed#…` items."""
        pages = self._table.get_paginator("query").paginate(
            TableName=self.site["table"],
            KeyConditionExpression="repository = :repository AND begins_with(#item, :owed)",
            ExpressionAttributeNames={"#item": "item"},
            ExpressionAttributeValues={":repository": {"S": repository}, ":owed": {"S": "owed#"}},
            ConsistentRead=True,
        )
        return [{name: _plain(value) for name, value in item.items()} for page in pages for item in page["Items"]]

    def waiting(self, queue: str) -> int:
        """Return how many messages a queue (`queue_url`, `work_queue_url`, `dlq_url`) holds, in flight or not."""
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self._queues.get_queue_attributes(QueueUrl=self.site[queue], AttributeNames=names)["Attributes"]
        return sum(int(attributes[name]) for name in names)

    def close(self) -> None:
        """Close the connection to the registry."""
        self._connection.close()
