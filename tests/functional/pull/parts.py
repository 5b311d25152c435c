"""What the tests of functions/pull work with: a site on moto, a real registry with a password, requests of clients."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
from functions.pull import app
from local.registries import RunningRegistry
from tests.support.ahead_clock import AheadClock
from tests.support.images import ImageMaker, Made

from geosync.messages.work import WorkMessage
from geosync.pair.selection import EVERYTHING
from geosync.sync_registry.items import Reference, Seen
from geosync.sync_registry.site import catalogue, recovery
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table import tables
from geosync.sync_registry.table.changes import Update
from geosync.sync_registry.table.dynamodb import DynamoStore

EVENTS = Path(__file__).parents[3] / "events" / "functions"
TABLE = "sync-registry"
TOPIC = "arn:aws:sns:eu-west-1:111122223333:geosync-dublin"
USERNAME, PASSWORD = "geo", "s3cret-of-a-client"
ENVIRONMENT = {
    "SITE_NAME": "berlin",
    "SITE_ROLE": "secondary",
    "SYNC_TABLE": TABLE,
    "PRIMARY_REGISTRY_URL": "https://registry.dublin.example.com",
    "PRIMARY_TOPIC_ARN": TOPIC,
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}
BASIC = f"Basic {base64.b64encode(f'{USERNAME}:{PASSWORD}'.encode()).decode()}"
WRONG = "Basic Z2VvOm9mLWFub3RoZXItcmVnaXN0cnk="


def invoke(event: dict[str, Any], *, seconds: float = 29.0) -> dict[str, Any]:
    """Invoke the handler with so many seconds left."""
    context: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: int(seconds * 1000))
    return app.handler(event, context)


def sample(name: str, authorization: str | None = BASIC, **changes: Any) -> dict[str, Any]:
    """One of the samples, with another Authorization."""
    event: dict[str, Any] = json.loads((EVENTS / name).read_text())
    headers = {name: value for name, value in event["headers"].items() if name != "Authorization"}
    return event | {"headers": headers | ({"Authorization": authorization} if authorization else {})} | changes


def pull(repository: str, reference: str, authorization: str | None = BASIC, **more: Any) -> dict[str, Any]:
    """Pull a manifest."""
    seconds = more.pop("seconds", 29.0)
    path = f"/v2/{repository}/manifests/{reference}"
    return invoke(sample("pull-manifest.json", authorization, path=path, **more), seconds=seconds)


class WaitedClock(AheadClock):
    """The time of day of this machine plus all waits. A wait takes no time, so deadlines pass by waits only."""

    __slots__ = ()

    def monotonic_s(self) -> float:
        return self.ahead / 1000

    def sleep(self, seconds: float) -> None:
        self.ahead += max(round(seconds * 1000), 1)


class Site:
    """A secondary: its table and its live queue on moto, and its registry."""

    def __init__(self, registry: RunningRegistry) -> None:
        self.registry = registry
        self.make = ImageMaker(registry.url, seed=time.time_ns(), username=USERNAME, password=PASSWORD)
        self.dynamodb = boto3.client("dynamodb")
        tables.create(self.dynamodb, TABLE)
        self.store = DynamoStore(self.dynamodb, TABLE)
        self.sync_registry = SyncRegistry(self.store, primary=TOPIC)
        self.sqs = boto3.client("sqs")
        self.live_url = self.sqs.create_queue(QueueName="live")["QueueUrl"]
        self.work_url = self.sqs.create_queue(QueueName="work")["QueueUrl"]

    def environment(self) -> dict[str, str]:
        queues = {"LIVE_QUEUE_URL": self.live_url, "WORK_QUEUE_URL": self.work_url}
        return ENVIRONMENT | queues | {"LOCAL_REGISTRY_URL": self.registry.url}

    def account(self, *, ago_s: float = 100.0) -> int:
        """Record that everything pushed until `ago_s` seconds ago is marked; return that moment."""
        at = time.time_ns() // 1_000_000 - round(ago_s * 1000)
        walk = {"started_at": at, "finished_at": at, "touched_at": at, "proved_at": at, "settled_at": at}
        self.store.write(Update(key=catalogue.KEY, set=walk))
        self.store.write(Update(key=recovery.RECOVERY, set={"sent_at": at, "point": at}))
        self.sync_registry.subscription.note_selection(EVERYTHING.fingerprint)
        return at

    def synced(self, repository: str, tag: str = "v1", *, looked_at: int = 1_700_000_000_000) -> Made:
        """An image that is in the registry, and that a holder saw there long ago."""
        made = self.make.image(repository, tag)
        self.sync_registry.mark(repository, Reference.tag(tag))
        lease = self.sync_registry.acquire(repository)
        assert lease is not None
        seen = Seen(digest=made.digest, looked_at=looked_at, seen_at=looked_at)
        for owed in self.sync_registry.due(repository):
            self.sync_registry.discharge(lease, owed, seen)
        assert self.sync_registry.finish(lease)
        return made

    def woken(self, url: str | None = None) -> list[str]:
        """Take the wakes off the live queue, or the one at `url`."""
        url = url or self.live_url
        found = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [WorkMessage.from_json(message["Body"]).repository for message in found]

    def owed(self, repository: str) -> list[str]:
        return [owed.reference.seen_key for owed in self.sync_registry.owed(repository)]
