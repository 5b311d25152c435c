"""What the tests of functions/notifications work with: samples, a client, a site on moto, the stub of AWS."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
from functions.notifications import app
from mypy_boto3_dynamodb.service_resource import Table
from tests.functional.notifications.stub_aws import TOKEN
from tests.support.event_log import create_event_log

ROOT = Path(__file__).parents[3]
REGION = "eu-west-1"
ENVIRONMENT = {
    "SITE_NAME": "dublin",
    "SITE_ROLE": "primary",
    "NOTIFICATION_SECRET_ARN": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:geo-AbCdEf",
    "EVENTS_TABLE": "events",
    "TOPIC_ARN": "arn:aws:sns:eu-west-1:111122223333:geosync-dublin",
    "EVENT_RETENTION_DAYS": "30",
    "LOCAL_REGISTRY_URL": "https://europe-docker.pkg.dev",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}
CONTEXT: Any = SimpleNamespace(aws_request_id="context-request-id")


def sample(name: str) -> dict[str, Any]:
    """The first event of a file in events/registry."""
    event: dict[str, Any] = json.loads((ROOT / "events" / "registry" / name).read_text())["events"][0]
    return event


class Post:
    """Posts to the handler as API Gateway does; the answer's status and JSON body."""

    def __init__(self) -> None:
        self.request = json.loads((ROOT / "events" / "functions" / "notifications-push.json").read_text())

    def __call__(self, *events: object, token: str | None = TOKEN, **request: Any) -> tuple[int, dict[str, Any]]:
        body = {"body": json.dumps({"events": events})} if events else {}
        headers = self.request["headers"] | {"Authorization": token} | request.pop("headers", {})
        headers = {name: value for name, value in headers.items() if value is not None}
        answer = app.handler(self.request | {"headers": headers} | body | request, CONTEXT)
        assert answer["headers"] == {"Content-Type": "application/json"}
        return answer["statusCode"], json.loads(answer["body"])


class Site:
    """The parts of AWS that a primary's endpoint uses, on moto."""

    def __init__(self) -> None:
        self.secrets = boto3.client("secretsmanager")
        self.secret_arn = self.secrets.create_secret(Name="token", SecretString=TOKEN)["ARN"]
        self.table = self.create_table()
        sns, self.sqs = boto3.client("sns"), boto3.client("sqs")
        self.topic_arn = sns.create_topic(Name="geosync-dublin")["TopicArn"]
        self.queue = self.sqs.create_queue(QueueName="events")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        attributes = {"RawMessageDelivery": "true"}
        sns.subscribe(TopicArn=self.topic_arn, Protocol="sqs", Endpoint=arn, Attributes=attributes)

    def create_table(self) -> Table:
        """Make the event log, as the template does."""
        create_event_log(boto3.client("dynamodb"), "events")
        return boto3.resource("dynamodb").Table("events")

    def items(self) -> list[dict[str, Any]]:
        return sorted(self.table.scan()["Items"], key=lambda item: str(item["id"]))

    def messages(self) -> list[dict[str, Any]]:
        """Take everything off the queue."""
        taken: list[dict[str, Any]] = []
        while batch := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                taken.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
        return taken


class StubAws:
    """The stub's process: set its behaviour, and read its counts of requests."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def behave(self, **behaviour: Any) -> None:
        urllib.request.urlopen(f"{self.url}/_behaviour", data=json.dumps(behaviour).encode()).read()

    def counts(self) -> dict[str, int]:
        with urllib.request.urlopen(f"{self.url}/_counts") as answer:
            counts: dict[str, int] = json.load(answer)
        return counts
