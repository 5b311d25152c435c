"""Arrivals=on: a push that was seen here is on the bus and on the topic; what that costs, and off costs nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from functions.sync import app
from tests.functional.sync.parts import DONE, Site, handle, push, sample
from tests.support.aws_calls import counted, on_the_page

from geosync.clock import parsed_moment
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site.outbox import SPREAD
from geosync.sync_registry.transitions.marks import Mark


@dataclass(slots=True)
class Heard:
    """A queue that the topic delivers to, and the entries that were put on the bus."""

    queue_url: str
    bus: list[dict[str, Any]] = field(default_factory=list)

    def topic(self) -> list[dict[str, Any]]:
        taken = boto3.client("sqs").receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10)
        return [json.loads(json.loads(one["Body"])["Message"]) for one in taken.get("Messages", [])]


@pytest.fixture
def heard(site: Site, aws: pytest.MonkeyPatch) -> Iterator[Heard]:
    sqs, sns = boto3.client("sqs"), boto3.client("sns")
    url = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="arrivals")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    aws.setenv("ARRIVALS_TOPIC_ARN", topic)
    one = Heard(url)
    announcer = app.site().worker._place.announcer
    assert announcer is not None

    def note(params: dict[str, Any], **_: Any) -> None:
        one.bus += params["Entries"]

    announcer._listeners._events.meta.events.register("provide-client-params.events.PutEvents", note)
    yield one


def test_a_push_that_was_seen_here_is_told(site: Site, repository: str, heard: Heard) -> None:
    made = site.make.image(repository, "v1")
    assert handle(push(made)) == DONE
    (entry,) = heard.bus
    assert (entry["Source"], entry["DetailType"]) == ("geosync", "Image Replicated")
    detail = json.loads(entry["Detail"])
    assert (detail["site"], detail["repository"], detail["tag"]) == ("berlin", repository, "v1")
    assert detail["digest"] == made.digest == site.digest(repository, "v1")
    assert detail["pushed_at"] <= detail["seen_at"]
    seen_at, pushed_at = (parsed_moment(detail[name]) for name in ("seen_at", "pushed_at"))
    assert detail["lag_seconds"] == (seen_at - pushed_at) / 1000 >= 0
    assert heard.topic() == [{"source": "geosync", "detail-type": "Image Replicated", "detail": detail}]
    assert [key for key in site.items() if key[0] in SPREAD] == []


def test_a_tag_that_is_looked_at_again_is_not_told_again(site: Site, repository: str, heard: Heard) -> None:
    handle(push(site.make.image(repository, "v1")))
    handle(sample("sync-work.json", repository=repository, reason="resync", references=[{"tag": "v1"}]))
    assert len(heard.bus) == 1


def test_telling_costs_what_the_page_says_and_no_round_trip_of_the_discharge(
    site: Site, repository: str, heard: Heard
) -> None:
    handle(push(site.make.image(repository, "before")))
    made = site.make.image(repository, "v1")
    site.sync_registry.mark(repository, Reference.tag("v1"), Mark(expects=made.digest))
    site.sync_registry.tell(repository)
    with counted() as calls:
        assert handle(sample("sync-live.json", repository=repository)) == DONE
    told = {name: count - on_the_page("sync of a push").get(name, 0) for name, count in calls.items()}
    assert {name: count for name, count in told.items() if count} == on_the_page("telling of an arrival")
