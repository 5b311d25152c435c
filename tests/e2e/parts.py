"""The parts of the deployed stack: its queues, tables, logs and endpoints."""

from __future__ import annotations

import itertools
import json
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from boto3.dynamodb.types import TypeDeserializer
from local.stack import Stack
from tests.support.letters import no_event

from geosync.operating.dead_letters import DeadLetters

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

EVENTS = "application/vnd.docker.distribution.events.v2+json"
COMPARISON_S = 3600
"""Between two comparisons of a stack of the tests' own."""
PATIENCE_S = 300.0
"""Ends a wait for what never comes. What comes on a busy machine comes sooner, so that it decides nothing."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 1.0
"""Between two looks at what is waited for."""
INVOKED: Counter[str] = Counter()
"""How often the tests invoked each function."""
BEGAN_MS = int(time.time() * 1000)
_Found = TypeVar("_Found")
_plain = TypeDeserializer().deserialize


def let_a_minute_pass(client: DynamoDBClient, table: str) -> None:
    """Make the heartbeats that wait to be accounted a minute older, so that no test waits a minute."""
    key: Any = {"repository": {"S": "#site"}, "item": {"S": "recovery"}}
    known: Any = client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item", {}).get("heartbeats")
    if known is None:
        return
    older = [
        {"L": [sent, {"N": str(int(arrived["N"]) - 60_000)}]} for sent, arrived in (one["L"] for one in known["L"])
    ]
    with suppress(client.exceptions.ConditionalCheckFailedException):  # functions/reconcile has just written others
        client.update_item(
            TableName=table,
            Key=key,
            UpdateExpression="SET heartbeats = :older",
            ConditionExpression="heartbeats = :known",
            ExpressionAttributeValues={":older": {"L": older}, ":known": known},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One deployed site, as stack.json describes it."""

    stack: Stack
    about: Mapping[str, Any]

    @property
    def name(self) -> str:
        name: str = self.about["name"]
        return name

    def client(self, service: str, **credentials: str) -> Any:
        """A client in the site's region, of the account's root unless other credentials are given."""
        return self.stack.emulator.client(service, self.about["region"], **credentials)

    def invoke(self, function: str, event: object = None) -> Any:
        """Invoke one of the site's functions; its answer. Fails when the function does."""
        client: LambdaClient = self.client("lambda")
        name = self.about["functions"][function]
        INVOKED[name] += 1
        answer = client.invoke(FunctionName=name, Payload=json.dumps(event or {}).encode())
        payload = json.loads(answer["Payload"].read())
        assert not answer.get("FunctionError"), payload
        return payload

    def log(self, function: str, *, since_ms: int = 0) -> list[dict[str, Any]]:
        """What a function logged since then, as JSON: its own lines, without Lambda's."""
        client: CloudWatchLogsClient = self.client("logs")
        pages = client.get_paginator("filter_log_events").paginate(
            logGroupName=f"/aws/lambda/{self.about['functions'][function]}", startTime=since_ms
        )
        lines = [event["message"] for page in pages for event in page["events"]]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def items(self, table: str = "table") -> list[dict[str, Any]]:
        """All items of the sync registry, or of the event log (`events_table`)."""
        client: DynamoDBClient = self.client("dynamodb")
        pages = client.get_paginator("scan").paginate(TableName=self.about[table], ConsistentRead=True)
        return [{name: _plain(value) for name, value in item.items()} for page in pages for item in page["Items"]]

    def items_of(self, repository: str) -> dict[str, dict[str, Any]]:
        """What the sync registry has of a repository, by the items' names."""
        client: DynamoDBClient = self.client("dynamodb")
        pages = client.get_paginator("query").paginate(
            TableName=self.about["table"],
            KeyConditionExpression="repository = :repository",
            ExpressionAttributeValues={":repository": {"S": repository}},
            ConsistentRead=True,
        )
        found = [{name: _plain(value) for name, value in item.items()} for page in pages for item in page["Items"]]
        return {item["item"]: item for item in found}

    def item(self, repository: str, item: str) -> dict[str, Any] | None:
        """One item of the sync registry."""
        client: DynamoDBClient = self.client("dynamodb")
        key = {"repository": {"S": repository}, "item": {"S": item}}
        found = client.get_item(TableName=self.about["table"], Key=key, ConsistentRead=True).get("Item")
        return {name: _plain(value) for name, value in found.items()} if found is not None else None

    def let_time_pass(self, item: str, *moments: str, seconds: int) -> None:
        """Make the named moments (ms) of an item older, where it has them, so that no test waits."""
        client: DynamoDBClient = self.client("dynamodb")
        known = self.item("#site", item) or {}
        names = [name for name in moments if name in known]
        if not names:
            return
        with suppress(client.exceptions.ConditionalCheckFailedException):  # it is over by itself
            client.update_item(
                TableName=self.about["table"],
                Key={"repository": {"S": "#site"}, "item": {"S": item}},
                UpdateExpression="SET " + ", ".join(f"{name} = {name} - :passed" for name in names),
                ConditionExpression=" AND ".join(f"attribute_exists({name})" for name in names),
                ExpressionAttributeValues={":passed": {"N": str(1000 * seconds)}},
            )

    def messages(self, queue: str) -> int:
        """How many messages a queue (`queue_url`, `work_queue_url`, `dlq_url`) holds, in flight or not."""
        client: SQSClient = self.client("sqs")
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = client.get_queue_attributes(QueueUrl=self.about[queue], AttributeNames=names)["Attributes"]
        return sum(int(attributes[name]) for name in names)

    def subscriptions(self) -> list[str]:
        """The queues that follow the site's topic, by ARN."""
        client: SNSClient = self.client("sns")
        found = client.list_subscriptions_by_topic(TopicArn=self.about["topic_arn"])["Subscriptions"]
        return [subscription["Endpoint"] for subscription in found]

    def token(self) -> str:
        """The site's notification token."""
        client = self.client("secretsmanager")
        token: str = client.get_secret_value(SecretId=self.about["notification_secret_arn"])["SecretString"]
        return token

    def notify(self, body: bytes, token: str | None, *, method: str = "POST", path: str = "") -> tuple[int, str]:
        """Post to the site's endpoint as a registry does; status and text of the answer."""
        headers = {"Content-Type": EVENTS} | ({} if token is None else {"Authorization": token})
        request = urllib.request.Request(
            self.about["notifications_url"] + path, data=body or None, method=method, headers=headers
        )
        try:
            with closing(urllib.request.urlopen(request, timeout=PATIENCE_S)) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


def dead_letters(site: Site) -> DeadLetters:
    """The site's DLQ, without the command."""
    about = site.about
    return DeadLetters(
        site.client("sqs"),
        dlq_url=about["dlq_url"],
        events_url=about["queue_url"],
        work_url=about["work_queue_url"],
        hand_over=no_event,
    )


def push_event(repository: str, tag: str, digest: str) -> dict[str, Any]:
    """A push notification's event as docker-registry writes it."""
    url = f"http://registry/v2/{repository}/manifests/{digest}"
    return {
        "id": f"{repository}-{tag}-{digest[-8:]}",
        "timestamp": "2026-11-24T05:00:00.000000001Z",
        "action": "push",
        "target": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "size": 442,
            "digest": digest,
            "length": 442,
            "repository": repository,
            "url": url,
            "tag": tag,
        },
        "request": {"id": "r", "addr": "127.0.0.1", "host": "registry", "method": "PUT", "useragent": "test"},
        "actor": {},
        "source": {"addr": "registry", "instanceID": "i"},
    }


def envelope(*events: Mapping[str, Any]) -> bytes:
    """A notification's body."""
    return json.dumps({"events": events}).encode()


def eventually(look: Callable[[], _Found], *, seconds: float = PATIENCE_S, what: str) -> _Found:
    """Look again until the look finds something true; fails after `seconds`, naming `what` was waited for.

    The longer it takes, the rarer the looks: many looks at a busy machine only make it busier.
    """
    end, pause = time.monotonic() + seconds, FIRST_PAUSE_S
    while not (found := look()):
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(pause)
        pause = min(1.3 * pause, LONGEST_PAUSE_S)
    return found


def let_the_next_comparison_be_due(site: Site) -> None:
    """Let as much time pass as is between two comparisons. The next minute of the schedule asks for one.

    The subscription is as much older: a comparison that began before it would be followed by another for that alone.
    """
    walk = ("started_at", "touched_at", "finished_at", "settled_at", "proved_at", "moved_at", "counted_at")
    site.let_time_pass("subscription", "since", "gapless_from", seconds=COMPARISON_S)
    site.let_time_pass("catalogue", *walk, seconds=COMPARISON_S)


def hurried(sites: Iterable[Site], look: Callable[[], _Found]) -> Callable[[], _Found]:
    """The look, followed by what the schedule does every minute at the sites, when it finds nothing again and again.

    Not by the first ones: what comes through a queue alone comes in that time. Nor by each of the later ones: a minute
    of a site costs as much as the sync of a dozen images.
    """
    looks = itertools.count(1)

    def hurry() -> _Found:
        found = look()
        if not found and (number := next(looks)) > 4 and number % 4 == 1:
            for site in sites:
                site.invoke("reconcile")
        return found

    return hurry


def printed(state: Path, sites: list[Site]) -> Iterator[tuple[str, str]]:
    """Everything that was printed: each process's log and each function's, with where it is from."""
    for file in sorted((state / "stack").rglob("*.log")):
        yield str(file.relative_to(state)), file.read_text(errors="replace")
    for site in sites:
        client: CloudWatchLogsClient = site.client("logs")
        for group in client.describe_log_groups()["logGroups"]:
            pages = client.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
            text = "\n".join(event["message"] for page in pages for event in page["events"])
            yield group["logGroupName"], text
