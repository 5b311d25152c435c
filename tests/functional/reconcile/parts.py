"""What the tests of functions/reconcile work with: a site on moto, and a notification endpoint that answers as told."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any

import boto3
from functions.reconcile import app

from geosync.sync_registry.items import Reference
from geosync.sync_registry.site import catalogue, subscription
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table import tables
from geosync.sync_registry.table.changes import Update
from geosync.sync_registry.table.dynamodb import DynamoStore

ROOT = Path(__file__).parents[3]
REGION, PRIMARY_REGION = "eu-central-1", "eu-west-1"
TABLE = "sync-registry"
TOKEN = "t0ken-of-the-tests"
REPORT_TOKEN = "report-token-of-the-tests"
ENVIRONMENT = {
    "SITE_NAME": "berlin",
    "SITE_ROLE": "secondary",
    "SYNC_TABLE": TABLE,
    "WORK_CONCURRENCY": "500",
    "SETTLE_SECONDS": "0",
    "HEARTBEAT_URL": "http://127.0.0.1:1/api/v4/container_registry_event/events",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}


def minute() -> dict[str, str]:
    """Invoke the handler as the schedule does: how each task ended."""
    event = json.loads((ROOT / "events" / "functions" / "reconcile-schedule.json").read_text())
    context: Any = None
    return app.handler(event, context)


class Site:
    """A site's table, queues and token, and the primary's topic in another region, on moto."""

    def __init__(self) -> None:
        self.dynamodb = boto3.client("dynamodb")
        tables.create(self.dynamodb, TABLE)
        self.store = DynamoStore(self.dynamodb, TABLE)
        self.sync_registry = SyncRegistry(self.store)
        self.sqs = boto3.client("sqs")
        self.work_url = self.sqs.create_queue(QueueName="work")["QueueUrl"]
        self.events_url = self.sqs.create_queue(QueueName="events")["QueueUrl"]
        self.dlq_url = self.sqs.create_queue(QueueName="dead-letters")["QueueUrl"]
        self.measurements_url = self.sqs.create_queue(QueueName="measurements")["QueueUrl"]
        asked = self.sqs.get_queue_attributes(QueueUrl=self.events_url, AttributeNames=["QueueArn"])
        self.queue_arn = asked["Attributes"]["QueueArn"]
        self.topic_arn = self.make_topic(PRIMARY_REGION)
        self.secrets = boto3.client("secretsmanager")
        self.report_secret_arn = self.secrets.create_secret(Name="report", SecretString=REPORT_TOKEN)["ARN"]
        self.secret_arn = self.secrets.create_secret(Name="token", SecretString=TOKEN)["ARN"]

    def environment(self) -> dict[str, str]:
        return {
            "WORK_QUEUE_URL": self.work_url,
            "EVENTS_QUEUE_ARN": self.queue_arn,
            "EVENTS_QUEUE_URL": self.events_url,
            "DLQ_URL": self.dlq_url,
            "MEASUREMENTS_QUEUE_URL": self.measurements_url,
            "PRIMARY_TOPIC_ARN": self.topic_arn,
            "NOTIFICATION_SECRET_ARN": self.secret_arn,
            "REPORT_SECRET_ARN": self.report_secret_arn,
        }

    def make_topic(self, region: str) -> str:
        return boto3.client("sns", region_name=region).create_topic(Name="geosync-dublin")["TopicArn"]

    def followers(self, topic_arn: str) -> list[tuple[str, str]]:
        """Who follows a topic, and how: the queue's ARN and RawMessageDelivery."""
        sns = boto3.client("sns", region_name=topic_arn.split(":")[3])
        found = sns.list_subscriptions_by_topic(TopicArn=topic_arn)["Subscriptions"]
        answers = [sns.get_subscription_attributes(SubscriptionArn=one["SubscriptionArn"]) for one in found]
        return [(one["Attributes"]["Endpoint"], one["Attributes"]["RawMessageDelivery"]) for one in answers]

    def subscribe(self) -> None:
        """Have a minute subscribe, as if long ago."""
        assert minute()["subscription"] == "done"
        self.store.write(Update(key=subscription.KEY, set={"since": 0, "gapless_from": 0}))
        self.store.write(Update(key=catalogue.KEY, remove=("asked_for",)))  # as if that comparison had begun
        self.messages()

    def owe(self, *repositories: str) -> None:
        """Have one tag due in each repository."""
        for repository in repositories:
            self.sync_registry.mark(repository, Reference.tag("v1"))

    def sync(self, *repositories: str) -> None:
        """Have each repository synced, and nothing owed in it."""
        for repository in repositories:
            lease = self.sync_registry.acquire(repository)
            assert lease is not None
            assert self.sync_registry.finish(lease)

    def messages(self) -> list[dict[str, Any]]:
        """Take everything off the work queue."""
        bodies: list[dict[str, Any]] = []
        while taken := self.sqs.receive_message(QueueUrl=self.work_url, MaxNumberOfMessages=10).get("Messages"):
            for message in taken:
                bodies.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.work_url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def woken(self) -> list[str]:
        """Take everything off the work queue: the repositories that the sweep wakes."""
        wakes = [message for message in self.messages() if message["kind"] == "work"]
        assert {message["reason"] for message in wakes} <= {"sweep"}
        return [message["repository"] for message in wakes]

    def walked(self, *, started_at: int, finished: bool = True) -> None:
        """Write down a walk through the primary's catalogue."""
        times = ("started_at", "touched_at", "finished_at") if finished else ("started_at", "touched_at")
        item = {"repository": {"S": "#site"}, "item": {"S": "catalogue"}, "repositories": {"N": "7"}}
        self.dynamodb.put_item(TableName=TABLE, Item=item | {name: {"N": str(started_at)} for name in times})


class Endpoint:
    """A notification endpoint: keeps what was posted, and answers with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.answer: Any = None
        """The body that it answers with, as JSON; None: no body."""
        self.posted: list[tuple[dict[str, str], dict[str, Any]]] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint.posted.append((dict(self.headers), sent))
                self.send_response(endpoint.status)
                if endpoint.status == 302:
                    self.send_header("Location", f"{endpoint.url}/elsewhere")
                body = json.dumps(endpoint.answer).encode() if endpoint.answer is not None else b""
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/api/v4/container_registry_event/events"

    def __enter__(self) -> Endpoint:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
