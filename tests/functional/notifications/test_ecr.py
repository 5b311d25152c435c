"""Amazon ECR's events, as EventBridge invokes the function with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from functions.notifications import app
from tests.functional.notifications.parts import CONTEXT, ROOT, Post, Site
from tests.support.letters import gave_up

from geosync.clock import SYSTEM_CLOCK
from geosync.errors import NotPublished
from geosync.messages import event_log
from geosync.notifications.formats import heartbeat
from geosync.operating.dead_letters import DeadLetters

REGISTRY = "https://123456789012.dkr.ecr.us-west-2.amazonaws.com"
DIGEST = "sha256:7f5b2640fe6fb4f46592dfd3410c4a79dac4f89e4782432e0378abcd12345678"
CACHED = "ECR Pull Through Cache Action"
RESTORED: dict[str, object] = {"action_type": "UPDATE_STORAGE_CLASS", "target_storage_class": "STANDARD"}
Log = Callable[[], list[dict[str, Any]]]


def sample(name: str, **detail: object) -> dict[str, Any]:
    """A file of events/functions; `detail` replaces fields of its detail (underscores for hyphens), None takes one."""
    event: dict[str, Any] = json.loads((ROOT / "events" / "functions" / name).read_text())
    changed = event["detail"] | {key.replace("_", "-"): value for key, value in detail.items()}
    return event | {"detail": {key: value for key, value in changed.items() if value is not None}}


def kind(detail_type: str, **detail: object) -> dict[str, Any]:
    """The push of an image under another detail-type."""
    return sample("notifications-ecr-push.json", **detail) | {"detail-type": detail_type}


@pytest.fixture
def ecr(aws: Site, environment: pytest.MonkeyPatch) -> Site:
    """A primary whose registry is ECR."""
    environment.setenv("NOTIFICATION_SOURCE", "ecr")
    environment.setenv("LOCAL_REGISTRY_URL", REGISTRY)
    return aws


def take(event: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(app.handler(event, CONTEXT)["body"])
    return answer


def test_an_event_is_logged_in_the_shard_of_its_id(ecr: Site, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("EVENT_LOG_SHARDS", "16")
    event = sample("notifications-ecr-push.json")
    take(event)
    (item,) = ecr.items()
    shard = event_log.shard_of(event["id"], 16)
    assert shard != 0
    assert item["hour"] == event_log.partition(event_log.hour_of(int(item["received_at"])), shard)


@pytest.mark.parametrize(
    ("event", "becomes"),
    [
        (sample("notifications-ecr-push.json"), ("created", "latest")),
        (sample("notifications-ecr-push.json", image_tag=None), ("created", None)),
        (sample("notifications-ecr-push.json", image_tag=""), ("created", None)),
        (sample("notifications-ecr-delete.json"), ("deleted", "latest")),
        (sample("notifications-ecr-delete.json", image_tag=None), ("deleted", None)),
        (kind("ECR Referrer Action", image_tag=None), ("created", None)),
        (kind("ECR Artifact Action"), ("created", "latest")),
        (kind("ECR Replication Action", action_type="REPLICATE"), ("created", "latest")),
        (kind(CACHED, result=None, action_type=None, sync_status="SUCCESS"), ("created", "latest")),
        (sample("notifications-ecr-push.json", image_tag=None, **RESTORED), ("created", None)),
    ],
)
def test_an_action_after_which_an_image_is_there_or_gone_becomes_a_geo_event(
    ecr: Site, event: dict[str, Any], becomes: tuple[str, str | None]
) -> None:
    assert take(event)["accepted"] == 1
    (message,) = ecr.messages()
    assert (message["event_name"], message.get("tag")) == becomes
    assert (message["repository"], message["digest"]) == ("my-repository-name", DIGEST)
    assert (message["id"], message["source"], message["correlation_id"]) == (event["id"], "ecr", event["id"])
    assert message["occurred_at"] == event["time"]


def test_an_event_that_comes_twice_is_one_in_the_event_log(ecr: Site) -> None:
    take(sample("notifications-ecr-push.json"))
    take(sample("notifications-ecr-push.json"))
    assert [item["id"] for item in ecr.items()] == ["13cde686-328b-6117-af20-0e5566167482"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"action_type": "SCAN"}, "unknown_action"),
        ({"repository_name": "No Such Name"}, "bad_repository"),
        ({"image_digest": "sha256:x"}, "bad_digest"),
        ({"image_tag": "a tag"}, "bad_tag"),
        ({"image_tag": None, "image_digest": None}, "no_reference"),
    ],
)
def test_what_cannot_be_used_is_in_the_event_log_with_its_reason(
    ecr: Site, change: dict[str, object], reason: str
) -> None:
    assert take(sample("notifications-ecr-push.json", **change))["unusable"] == 1
    assert [item["reason"] for item in ecr.items()] == [reason]
    assert ecr.messages() == []


@pytest.mark.parametrize("change", [{"account": "999999999999"}, {"region": "eu-west-1"}])
def test_another_registry_s_event_is_not_taken_for_ours(ecr: Site, change: dict[str, str]) -> None:
    assert take(sample("notifications-ecr-push.json") | change)["unusable"] == 1
    assert [item["reason"] for item in ecr.items()] == ["other_registry"]


@pytest.mark.parametrize(
    "event",
    [
        sample("notifications-ecr-push.json", result="FAILURE"),
        sample("notifications-ecr-push.json") | {"detail-type": "ECR Image Scan"},
        sample("notifications-ecr-push.json") | {"detail-type": ["ECR Image Action"]},
        sample("notifications-ecr-push.json", action_type="UPDATE_STORAGE_CLASS", target_storage_class="ARCHIVE"),
        kind("ECR Replication Action", action_type="REPLICATE", result="FAILED"),
        kind(CACHED, sync_status="FAILURE"),
        kind("ECR Image Action", result=None, sync_status="SUCCESS"),
        sample("notifications-ecr-push.json") | {"source": "aws.ecs"},
    ],
)
def test_an_event_about_no_image_is_dropped(ecr: Site, event: dict[str, Any]) -> None:
    assert take(event)["dropped"] == 1
    assert ecr.items() == ecr.messages() == []


@pytest.mark.parametrize("detail", [None, "text", [], {"result": "SUCCESS", "action-type": {}}])
def test_nothing_that_an_event_holds_can_raise(ecr: Site, detail: object) -> None:
    assert take(sample("notifications-ecr-push.json") | {"detail": detail})["accepted"] == 0


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"SITE_ROLE": "secondary"}, "is a secondary"),
        ({"NOTIFICATION_SOURCE": "distribution"}, "is distribution"),
    ],
)
def test_a_site_that_takes_none_drops_it_and_says_why(
    ecr: Site, environment: pytest.MonkeyPatch, log: Log, setting: dict[str, str], said: str
) -> None:
    for name, value in setting.items():
        environment.setenv(name, value)
    app.endpoint.cache_clear()
    assert said in take(sample("notifications-ecr-push.json"))["message"]
    assert said in log()[-1]["reason"]
    assert ecr.messages() == []


def test_lambda_retries_an_event_that_was_not_written(ecr: Site, environment: pytest.MonkeyPatch) -> None:
    ecr.table.delete()
    with pytest.raises(NotPublished):
        app.handler(sample("notifications-ecr-push.json"), CONTEXT)


def test_by_http_only_the_site_s_own_heartbeat_is_taken(ecr: Site, post: Post) -> None:
    status, answer = post(body=heartbeat.envelope(1).decode())
    assert (status, answer["message"]) == (200, "accepted")
    event = sample("notifications-ecr-push.json")
    status, answer = post(body=json.dumps(event))
    assert status == 400
    assert "come from EventBridge" in answer["message"]


def test_an_event_that_lambda_gave_up_on_is_published_by_a_replay(ecr: Site) -> None:
    sqs = boto3.client("sqs")
    queues = {f"{name}_url": sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("dlq", "events", "work")}
    event = sample("notifications-ecr-push.json")
    sqs.send_message(QueueUrl=queues["dlq_url"], MessageBody=gave_up(event, error="not everything is written"))

    def invoke(body: str) -> None:
        app.handler(json.loads(body), CONTEXT)

    letters = DeadLetters(sqs, **queues, hand_over=invoke)
    (letter,) = letters.look()
    assert (letter.kind, letter.about) == ("unpublished", "my-repository-name latest")
    assert letter.reason == "functions/notifications failed at it 3 times: not everything is written"

    assert [handled.failure for handled in letters.replay_all(SYSTEM_CLOCK.now_ms())] == [None]
    (message,) = ecr.messages()
    assert (message["repository"], message["tag"], message["digest"]) == ("my-repository-name", "latest", DIGEST)
    assert [item["id"] for item in ecr.items()] == [event["id"]]
    assert letters.count() == 0
