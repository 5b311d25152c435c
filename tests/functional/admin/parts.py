"""What the tests of functions/admin work with: a site on moto, and a client that asks as API Gateway hands over."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
from functions.admin import app
from tests.support.event_log import create_event_log

from geosync.sync_registry.items import ROW, Reference, Seen
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table import tables
from geosync.sync_registry.table.changes import Key, Update
from geosync.sync_registry.table.dynamodb import DynamoStore
from geosync.sync_registry.transitions.marks import Mark

ROOT = Path(__file__).parents[3]
REGION = "eu-central-1"
SYNC_TABLE, EVENTS_TABLE = "sync-registry", "events"
READ, ACT = "r" * 48, "a" * 48
ENVIRONMENT = {
    "SITE_NAME": "berlin",
    "SITE_ROLE": "secondary",
    "SYNC_TABLE": SYNC_TABLE,
    "EVENTS_TABLE": EVENTS_TABLE,
    "EVENT_RETENTION_DAYS": "30",
    "DELETES": "propagate",
    "OUTSIDE_SELECTION": "keep",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}
CONTEXT: Any = SimpleNamespace(aws_request_id="context-request-id")
A, B = (f"sha256:{letter * 64}" for letter in "ab")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API answered. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def message(self) -> str:
        message: str = self.json["message"]
        return message


class Ask:
    """Sends requests to the handler as API Gateway's proxy integration does."""

    def __init__(self) -> None:
        self.request = json.loads((ROOT / "events" / "functions" / "admin-repositories.json").read_text())

    def __call__(  # noqa: PLR0913 - a request has that many parts
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = READ,
        headers: dict[str, str] | None = None,
        query: dict[str, Any] | None = None,
        raw: str | None = None,
        **more: Any,
    ) -> Answer:
        given = {"Content-Type": "application/json"} if body is not None else {}
        given |= ({"Authorization": f"Bearer {token}"} if token is not None else {}) | (headers or {})
        several = {name: value if isinstance(value, list) else [str(value)] for name, value in (query or {}).items()}
        request = {
            **self.request,
            "httpMethod": method,
            "path": path,
            "requestContext": {**self.request["requestContext"], "path": f"/geo{path}"},
            "headers": given,
            "multiValueHeaders": {name: [value] for name, value in given.items()},
            "queryStringParameters": {name: values[-1] for name, values in several.items()} or None,
            "multiValueQueryStringParameters": several or None,
            "body": json.dumps(body) if body is not None else raw,
            **more,
        }
        answer = app.handler(request, CONTEXT)
        headers_of = {name.lower(): ", ".join(values) for name, values in answer["multiValueHeaders"].items()}
        return Answer(answer["statusCode"], headers_of, answer["body"])

    def act(self, path: str, body: object = None, *, method: str = "POST", **more: Any) -> Answer:
        return self(method, path, {} if body is None and method == "POST" else body, **{"token": ACT, **more})


class Site:
    """The parts of AWS that the admin API uses, on moto."""

    def __init__(self) -> None:
        self.dynamodb, self.sqs = boto3.client("dynamodb"), boto3.client("sqs")
        tables.create(self.dynamodb, SYNC_TABLE)
        create_event_log(self.dynamodb, EVENTS_TABLE)
        self.store = DynamoStore(self.dynamodb, SYNC_TABLE)
        self.sync_registry = SyncRegistry(self.store)
        self.queues = {name: self.sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("events", "work", "dlq")}
        self.secrets = boto3.client("secretsmanager")
        self.read_secret = self.secrets.create_secret(Name="read", SecretString=READ)["ARN"]
        self.act_secret = self.secrets.create_secret(Name="act", SecretString=ACT)["ARN"]

    def environment(self) -> dict[str, str]:
        return {
            "EVENTS_QUEUE_URL": self.queues["events"],
            "WORK_QUEUE_URL": self.queues["work"],
            "DLQ_URL": self.queues["dlq"],
            "READ_SECRET_ARN": self.read_secret,
            "ACT_SECRET_ARN": self.act_secret,
        }

    def synced(self, repository: str, **tags: str) -> None:
        """A repository that is synced, with these tags and their digests."""
        for name in tags:
            self.sync_registry.mark(repository, Reference.tag(name))
        lease = self.sync_registry.acquire(repository)
        assert lease is not None
        for owed in self.sync_registry.due(repository):
            seen = Seen(digest=tags[str(owed.reference)], looked_at=1_700_000_000_000, seen_at=1_700_000_000_001)
            self.sync_registry.discharge(lease, owed, seen)
        assert self.sync_registry.finish(lease)

    def failed(
        self, repository: str, *tags: str, parked: bool = False, text: str = "registry:5000: GET /v2/: 500"
    ) -> None:
        """A repository in which these tags have failed."""
        for name in tags:
            self.sync_registry.mark(repository, Reference.tag(name), Mark(expects=B))
        lease = self.sync_registry.acquire(repository)
        assert lease is not None
        for owed in self.sync_registry.due(repository):
            self.sync_registry.fail(owed, text, parked=parked)
        assert self.sync_registry.finish(lease)

    def measured(self, repository: str, tags: int, size_bytes: int | None) -> None:
        """Have a verification have counted the tags and bytes of a repository."""
        values = {"measured_tags": tags, "measured_at": 1_700_000_000_000}
        sized = {"measured_bytes": size_bytes} if size_bytes is not None else {}
        self.store.write(Update(key=Key(repository, ROW), set=values | sized))

    def id_of(self, repository: str) -> int:
        row = self.sync_registry.row(repository)
        assert row is not None
        assert row.id is not None
        return row.id

    def send_dead_letter(self, body: str, **attributes: str) -> str:
        """Put a message into the DLQ; its id."""
        sent = self.sqs.send_message(
            QueueUrl=self.queues["dlq"],
            MessageBody=body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        )
        return str(sent["MessageId"])

    def messages(self, queue: str) -> list[Any]:
        """Take everything off a queue."""
        bodies: list[Any] = []
        while taken := self.sqs.receive_message(QueueUrl=self.queues[queue], MaxNumberOfMessages=10).get("Messages"):
            for message in taken:
                bodies.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.queues[queue], ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def audit(self) -> list[dict[str, Any]]:
        """The audit log, oldest first."""
        items = self.dynamodb.scan(TableName=EVENTS_TABLE)["Items"]
        plain: list[dict[str, Any]] = [
            {name: next(iter(value.values())) for name, value in item.items()} for item in items
        ]
        found = [item for item in plain if item["hour"].startswith("audit#")]
        return sorted(found, key=lambda item: int(item["received_at"]))


class Calls:
    """The requests that the function sent to DynamoDB and SQS, by operation."""

    def __init__(self, api: Any) -> None:
        self._seen: list[str] = []
        for client in (api._site.sync_registry._store._client, api._site.sqs):
            client.meta.events.register("before-call.*.*", self._count)

    def _count(self, model: Any, **_: Any) -> None:
        self._seen.append(model.name)

    def made(self) -> Counter[str]:
        made, self._seen = Counter(self._seen), []
        return made
