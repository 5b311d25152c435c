"""What the tests of functions/log_cursor work with: batches of messages, and a secondary site on moto."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import boto3
from functions.log_cursor import app

from geosync.messages.work import WorkMessage
from geosync.sync_registry.items import Row
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table import tables
from geosync.sync_registry.table.dynamodb import DynamoStore

ROOT = Path(__file__).parents[3]
TABLE = "sync-registry"
ENVIRONMENT = {
    "SITE_NAME": "berlin",
    "SITE_ROLE": "secondary",
    "SYNC_TABLE": TABLE,
    "LOCAL_REGISTRY_URL": "https://registry.berlin.example.com",
    "PRIMARY_REGISTRY_URL": "https://registry.dublin.example.com:5050",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}
DONE: dict[str, Any] = {"batchItemFailures": []}
DIGEST = f"sha256:{'a' * 64}"


def push(repository: str, tag: str | None = "v1", **changes: Any) -> str:
    """The message of a push, received now."""
    (record, *_) = json.loads((ROOT / "events" / "functions" / "log_cursor-batch.json").read_text())["Records"]
    fields = json.loads(record["body"]) | {"id": f"{repository}:{tag}", "repository": repository, "tag": tag}
    fields |= {"digest": DIGEST, "received_at": time.time_ns() // 1_000_000, **changes}
    return json.dumps({name: value for name, value in fields.items() if value is not None})


def heartbeat(sent_at: int = 1_795_498_980_000) -> str:
    """The message of a heartbeat."""
    *_, record = json.loads((ROOT / "events" / "functions" / "log_cursor-batch.json").read_text())["Records"]
    return json.dumps(json.loads(record["body"]) | {"sent_at": sent_at})


def batch(*bodies: str) -> dict[str, Any]:
    """The event that Lambda makes of messages; their positions are the ids."""
    sample = json.loads((ROOT / "events" / "functions" / "log_cursor-batch.json").read_text())["Records"][0]
    records = [sample | {"messageId": str(position), "body": body} for position, body in enumerate(bodies)]
    return {"Records": records}


def handle(*bodies: str) -> dict[str, Any]:
    """Invoke the handler with a batch of messages."""
    context: Any = None
    return app.handler(batch(*bodies), context)


def again(*positions: int) -> dict[str, Any]:
    """The answer that has the messages at these positions come again."""
    return {"batchItemFailures": [{"itemIdentifier": str(position)} for position in positions]}


class Site:
    """A secondary: its table, its live queue and its DLQ, on moto."""

    def __init__(self) -> None:
        self.dynamodb = boto3.client("dynamodb")
        tables.create(self.dynamodb, TABLE)
        self.store = DynamoStore(self.dynamodb, TABLE)
        self.sync_registry = SyncRegistry(self.store)
        self.sqs = boto3.client("sqs")
        self.live_url = self.sqs.create_queue(QueueName="live")["QueueUrl"]
        self.dlq_url = self.sqs.create_queue(QueueName="dead-letters")["QueueUrl"]

    def environment(self) -> dict[str, str]:
        return ENVIRONMENT | {"LIVE_QUEUE_URL": self.live_url, "DLQ_URL": self.dlq_url}

    def items(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Everything in the table."""
        found = boto3.resource("dynamodb").Table(TABLE).scan(ConsistentRead=True)["Items"]
        return {(str(item["repository"]), str(item["item"])): item for item in found}

    def owed(self, repository: str) -> list[str]:
        return [owed.reference.seen_key for owed in self.sync_registry.owed(repository)]

    def row(self, repository: str) -> Row:
        row = self.sync_registry.row(repository)
        assert row is not None
        return row

    def woken(self) -> list[str]:
        """Take the wakes off the live queue: the repositories, sorted."""
        return sorted(WorkMessage.from_json(message["Body"]).repository for message in self.take(self.live_url))

    def dead_letters(self) -> list[tuple[str, dict[str, str]]]:
        """Take the messages off the DLQ: bodies and attributes."""
        return [
            (one["Body"], {name: value["StringValue"] for name, value in one["MessageAttributes"].items()})
            for one in self.take(self.dlq_url)
        ]

    def take(self, url: str) -> list[Any]:
        """Take what is in a queue."""
        taken: list[Any] = []
        while messages := self.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages"):
            taken += messages
            for message in messages:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return taken
