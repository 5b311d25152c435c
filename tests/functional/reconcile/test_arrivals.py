"""Arrivals=on: a minute announces the events that functions/sync left in the outbox; off: it reads nothing."""

from __future__ import annotations

import json

import boto3
import pytest
from functions.reconcile import app
from tests.functional.reconcile.parts import Site, minute
from tests.support.aws_calls import PAGE, counted

from geosync.clock import SYSTEM_CLOCK
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site.outbox import PREFIX, SPREAD, ReplicationEvent

A = f"sha256:{'a' * 64}"


def left(site: Site, tag: str, *, age_s: float) -> None:
    """Have a holder write an arrival into the outbox, and die."""
    event = ReplicationEvent(
        name=tag,
        kind="replicated",
        repository="group/app",
        reference=Reference.tag(tag),
        at_ms=SYSTEM_CLOCK.now_ms() - round(age_s * 1000),
        digest=A,
    )
    site.store.write(event.put(now_ms=event.at_ms))


@pytest.fixture
def heard(site: Site, monkeypatch: pytest.MonkeyPatch) -> str:
    """The queue that the topic of arrivals delivers to."""
    sqs, sns = boto3.client("sqs"), boto3.client("sns")
    url = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="arrivals")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    monkeypatch.setenv("ARRIVALS_TOPIC_ARN", topic)
    app.site.cache_clear()
    return str(url)


def tags(url: str) -> list[str]:
    taken = boto3.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(json.loads(one["Body"])["Message"])["detail"]["tag"] for one in taken]


def test_a_minute_tells_what_is_left_over_and_forgets_it(site: Site, heard: str) -> None:
    left(site, "v1", age_s=60)
    left(site, "v2", age_s=0)  # its holder is telling it
    with counted() as calls:
        assert minute()["arrivals"] == "done"
    assert (calls["events:PutEvents"], calls["sns:PublishBatch"]) == (1, 1)
    assert tags(heard) == ["v1"]
    assert [key for key in _outbox(site) if "v1" in key] == []
    assert len(_outbox(site)) == 1


def test_a_topic_that_takes_nothing_leaves_them_to_the_next_minute(
    site: Site, heard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left(site, "v1", age_s=60)
    monkeypatch.setenv("ARRIVALS_TOPIC_ARN", "arn:aws:sns:eu-central-1:123456789012:gone")
    app.site.cache_clear()
    assert minute()["arrivals"] != "done"
    assert len(_outbox(site)) == 1


def test_an_empty_outbox_costs_the_reads_that_the_page_says(site: Site, heard: str) -> None:
    announcer = app.site().announcer
    assert announcer is not None
    with counted() as calls:
        assert announcer.tell_left_over() == 0
    assert {name: count for name, count in calls.items() if count} == {"dynamodb:Query": 8, "items read": 8}
    assert "reads eight items more, in as many queries" in " ".join(PAGE.read_text().split())


@pytest.mark.parametrize("role", ["primary", "secondary"])
def test_leftover_events_are_announced_last(site: Site, heard: str, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SITE_ROLE", role)
    if role == "secondary":
        monkeypatch.setenv("PRIMARY_ADMIN_URL", "https://admin.example.com")
    tasks = list(app.site().tasks())
    assert (tasks[-1], "health" in tasks, "report" in tasks) == ("arrivals", True, role == "secondary")


def test_while_nobody_listens_no_minute_asks(site: Site) -> None:
    left(site, "v1", age_s=60)
    assert "arrivals" not in minute()
    assert len(_outbox(site)) == 1


def _outbox(site: Site) -> list[str]:
    return [str(item["item"]) for name in SPREAD for item in site.store.items(name, PREFIX, limit=100)]
