"""Marking never waits for copying: events are marked while every slot of functions/sync is busy."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.parts import Site, eventually, let_a_minute_pass
from tests.e2e.registries import digest, maker, proxied
from tests.support.proxy import CountingProxy, Slow

from geosync.messages.geo_event import GeoEvent

SLOTS = 4
"""LiveConcurrency and WorkConcurrency of the local stack."""
EVENTS, REPOSITORIES = 100, 10
BYTES, RATE = 600_000, 1_000.0
"""Of a layer, and a second: it takes ten minutes, so that each copy goes on for as long as the test does."""


@pytest.fixture
def slow(primary: Site, secondary: Site) -> Iterator[CountingProxy]:
    """A proxy between the secondary and the primary that slows large layers."""
    with proxied(secondary, "PRIMARY_REGISTRY_URL", primary.about["registry"]) as proxy:
        yield proxy
        proxy.reset()


def test_a_hundred_events_are_marked_while_every_slot_is_busy_with_a_long_copy(
    slow: CountingProxy, primary: Site, secondary: Site
) -> None:
    run = uuid.uuid4().hex[:10]
    copies = [f"e2e/marking/{run}/copy-{number}" for number in range(SLOTS)]
    bursts = [f"e2e/marking/{run}/burst-{number}" for number in range(REPOSITORIES)]
    slow.add(Slow(method="GET", kind="blob", rate=RATE, times=1_000))
    with maker(primary) as make:
        images = [make.image(name, "v1", layers=1, size=BYTES) for name in copies]

    def held() -> list[str]:
        """The copies whose rows have a lease token. A release deletes the token; a busy machine renews a lease late."""
        rows = [secondary.item(name, "row") or {} for name in copies]
        return [row["repository"] for row in rows if row.get("lease_token")]

    eventually(lambda: len(held()) >= SLOTS // 2, what="the live slots to be busy")
    secondary.invoke("reconcile")  # the sweep wakes the others' workers for what waits
    eventually(lambda: len(held()) == SLOTS, what="every slot to be busy")

    began = int(time.time() * 1000)
    send(secondary, bursts)
    eventually(lambda: marked(secondary, bursts) == EVENTS, what="every event to be marked")
    took = time.time() - began / 1000
    assert len(held()) == SLOTS, "the copies go on all the while"
    with maker(secondary) as there:
        assert [digest(there, image.repository, "v1") for image in images] == [None] * SLOTS
    logging.getLogger(__name__).warning("%d events marked in %.1f s", EVENTS, took)  # bench, not verdict

    primary.invoke("reconcile")  # a heartbeat that is newer than all of them

    def arrived() -> bool:
        return int((secondary.item("#site", "heartbeat") or {}).get("sent_at", 0)) >= began

    eventually(arrived, what="the heartbeat")
    eventually(lambda: secondary.messages("queue_url") == 0, what="an events queue that is empty")
    forget(secondary, bursts)

    def accounted() -> bool:
        let_a_minute_pass(secondary.client("dynamodb"), secondary.about["table"])
        secondary.invoke("reconcile")
        return int((secondary.item("#site", "recovery") or {}).get("sent_at", 0)) >= began

    eventually(accounted, what="the heartbeat to be accounted")
    assert len(held()) == SLOTS, "it did not wait for the copies"


def send(site: Site, repositories: list[str]) -> None:
    """Put events of tags that the primary never had into the site's events queue, ten in a request."""
    client: Any = site.client("sqs")
    bodies = [
        GeoEvent(
            id=uuid.uuid4().hex,
            site="dublin",
            event_name="created",
            repository=repositories[number % len(repositories)],
            tag=f"t{number}",
            digest=f"sha256:{number:064d}",
            media_type=None,
            occurred_at=None,
            received_at=int(time.time() * 1000),
            source="distribution",
            correlation_id=uuid.uuid4().hex,
        ).to_json()
        for number in range(EVENTS)
    ]
    for start in range(0, EVENTS, 10):
        entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies[start : start + 10])]
        assert not client.send_message_batch(QueueUrl=site.about["queue_url"], Entries=entries).get("Failed")


def owed(site: Site, repository: str, **more: Any) -> Any:
    """A page of what is owed in a repository."""
    return site.client("dynamodb").query(
        TableName=site.about["table"],
        KeyConditionExpression="repository = :repository AND begins_with(#item, :owed)",
        ExpressionAttributeNames={"#item": "item"},
        ExpressionAttributeValues={":repository": {"S": repository}, ":owed": {"S": "owed#"}},
        ConsistentRead=True,
        **more,
    )


def marked(site: Site, repositories: list[str]) -> int:
    return sum(int(owed(site, repository, Select="COUNT")["Count"]) for repository in repositories)


def forget(site: Site, repositories: list[str]) -> None:
    """Delete the marks of the burst: the primary has none of its tags, and other tests need the slots."""
    client = site.client("dynamodb")
    for repository in repositories:
        for item in owed(site, repository)["Items"]:
            key = {"repository": item["repository"], "item": item["item"]}
            client.delete_item(TableName=site.about["table"], Key=key)
