"""What the tests of functions/sync work with: sample events, and a secondary site on moto and two real registries."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import requests
from functions.sync import app
from local.registries import RunningRegistry
from tests.support.images import ImageMaker, Made
from tests.support.patience import PATIENCE_S

from geosync.sync_registry.items import Row
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table import tables
from geosync.sync_registry.table.dynamodb import DynamoStore

ROOT = Path(__file__).parents[3]
TABLE = "sync-registry"
USERNAME, PASSWORD = "geo", "s3cret-reader"
ENVIRONMENT = {
    "SITE_NAME": "berlin",
    "SITE_ROLE": "secondary",
    "SYNC_TABLE": TABLE,
    "SETTLE_SECONDS": "1",
    "SUSPECT_SECONDS": "1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}
Log = Callable[[], list[dict[str, Any]]]
DONE: dict[str, Any] = {"batchItemFailures": []}


def sample(name: str, **changes: Any) -> dict[str, Any]:
    """A file of events/functions; `changes` replace fields of its message, None takes a field out."""
    event: dict[str, Any] = json.loads((ROOT / "events" / "functions" / name).read_text())
    (record,) = event["Records"]
    body = json.loads(record["body"]) | changes
    record["body"] = json.dumps({name: value for name, value in body.items() if value is not None})
    return event


def push(made: Made, **changes: Any) -> dict[str, Any]:
    """The event of a push, received now."""
    now = time.time_ns() // 1_000_000
    fields = {"repository": made.repository, "tag": made.reference, "digest": made.digest, "received_at": now}
    return sample("sync-push.json", **fields | changes)


def wake(repository: str) -> dict[str, Any]:
    """What the sweep sends."""
    return sample("sync-work.json", repository=repository)


def handle(event: dict[str, Any], *, seconds: float = 900) -> dict[str, Any]:
    """Invoke the handler with so many seconds left."""
    context: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: int(seconds * 1000))
    return app.handler(event, context)


class Site:
    """A secondary: its table, its DLQ and the secret for the primary's registry on moto, and both registries."""

    def __init__(self, primary: RunningRegistry, secondary: RunningRegistry) -> None:
        self.primary = primary
        self.secondary = secondary
        self.make = ImageMaker(primary.url, seed=time.time_ns(), username=USERNAME, password=PASSWORD)
        self.dynamodb = boto3.client("dynamodb")
        tables.create(self.dynamodb, TABLE)
        self.sync_registry = SyncRegistry(DynamoStore(self.dynamodb, TABLE))
        self._sqs = boto3.client("sqs")
        self.dlq_url = self._sqs.create_queue(QueueName="dead-letters")["QueueUrl"]
        self.measurements_url = self._sqs.create_queue(QueueName="measurements")["QueueUrl"]
        self._secrets = boto3.client("secretsmanager")
        self.secret_arn = self._secrets.create_secret(Name="primary-registry", SecretString="{}")["ARN"]
        self.set_secret({"username": USERNAME, "password": PASSWORD})

    def environment(self) -> dict[str, str]:
        return ENVIRONMENT | {
            "DLQ_URL": self.dlq_url,
            "MEASUREMENTS_QUEUE_URL": self.measurements_url,
            "LOCAL_REGISTRY_URL": self.secondary.url,
            "PRIMARY_REGISTRY_URL": self.primary.url,
            "PRIMARY_REGISTRY_SECRET_ARN": self.secret_arn,
        }

    def set_secret(self, secret: dict[str, str] | str) -> None:
        text = secret if isinstance(secret, str) else json.dumps(secret)
        self._secrets.put_secret_value(SecretId=self.secret_arn, SecretString=text)

    def digest(self, repository: str, tag: str) -> str | None:
        """What the secondary's registry has under the tag."""
        accept = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"
        url = f"{self.secondary.url}/v2/{repository}/manifests/{tag}"
        answer = requests.head(url, headers={"Accept": accept}, timeout=PATIENCE_S)
        return answer.headers["Docker-Content-Digest"] if answer.status_code == 200 else None

    def items(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Everything in the table."""
        found = boto3.resource("dynamodb").Table(TABLE).scan(ConsistentRead=True)["Items"]
        return {(str(item["repository"]), str(item["item"])): item for item in found}

    def owed(self, repository: str) -> list[str]:
        return [owed.reference.seen_key for owed in self.sync_registry.owed(repository)]

    def failure(self, repository: str, reference: str) -> str:
        """The failure of an owed reference."""
        (said,) = [owed.failure for owed in self.sync_registry.owed(repository) if owed.reference.seen_key == reference]
        return said or ""

    def row(self, repository: str) -> Row:
        row = self.sync_registry.row(repository)
        assert row is not None
        return row

    def dead_letters(self) -> list[tuple[str, dict[str, str]]]:
        """Take the messages off the DLQ: bodies and attributes."""
        answer = self._sqs.receive_message(
            QueueUrl=self.dlq_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=0
        )
        taken = []
        for message in answer.get("Messages", []):
            attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
            taken.append((message["Body"], attributes))
            self._sqs.delete_message(QueueUrl=self.dlq_url, ReceiptHandle=message["ReceiptHandle"])
        return taken

    def measured(self) -> list[dict[str, Any]]:
        """Take what was measured off its queue."""
        answer = self._sqs.receive_message(QueueUrl=self.measurements_url, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    def lose_the_dlq(self) -> None:
        self._sqs.delete_queue(QueueUrl=self.dlq_url)


def until_free(site: Site, repository: str) -> None:
    """Let the lease run out that could not be released."""
    row = site.sync_registry.row(repository)
    if row is not None and row.lease_expires is not None:
        key = {"repository": {"S": repository}, "item": {"S": "row"}}
        expired = {":past": {"N": str(row.lease_expires - 60_000)}}
        site.dynamodb.update_item(
            TableName=TABLE,
            Key=key,
            UpdateExpression="SET lease_expires = :past, due = :past",
            ExpressionAttributeValues=expired,
        )
