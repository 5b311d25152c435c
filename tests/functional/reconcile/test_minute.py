"""Every minute: the subscription, the sweep and the comparison of a secondary, the heartbeat of a primary."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from functions.reconcile import app
from tests.functional.reconcile.parts import PRIMARY_REGION, TABLE, TOKEN, Endpoint, Site, minute
from tests.support.clock import FakeClock

from geosync.clock import SYSTEM_CLOCK
from geosync.messages.groups import message_group
from geosync.observability import Metrics
from geosync.operating import status
from geosync.operating.dead_letters import DeadLetterQueue
from geosync.sync_registry.items import Reference, Seen
from geosync.sync_registry.site import catalogue as catalogue_item
from geosync.sync_registry.site import subscription
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.changes import Update
from geosync.sync_registry.transitions.marks import Comparison, Mark
from geosync.syncing.reporting import Reporter

Log = Callable[[], list[dict[str, Any]]]


# ── the subscription ──


def test_a_secondary_follows_the_topic_in_the_topics_region_raw_and_once(site: Site) -> None:
    for _ in range(3):
        assert minute()["subscription"] == "done"
    assert site.followers(site.topic_arn) == [(site.queue_arn, "true")]


def test_after_a_promotion_it_follows_the_new_primary_s_topic_in_yet_another_region(
    site: Site, aws: pytest.MonkeyPatch
) -> None:
    minute()
    promoted = site.make_topic("us-west-2")
    aws.setenv("PRIMARY_TOPIC_ARN", promoted)
    app.site.cache_clear()
    assert minute()["subscription"] == "done"
    assert site.followers(promoted) == [(site.queue_arn, "true")]


def test_a_secondary_that_follows_nobody_says_so_and_sweeps(site: Site, aws: pytest.MonkeyPatch, log: Log) -> None:
    aws.setenv("PRIMARY_TOPIC_ARN", "")
    site.owe("group/app")
    assert set(minute().values()) == {"done"}
    assert "subscription_not_wanted" in [line["message"] for line in log()]
    assert site.woken() == ["group/app"]


# ── the sweep ──


def test_what_is_due_is_woken_once_for_each_repository(site: Site) -> None:
    repositories = [f"group/app-{number}" for number in range(23)]  # three batches
    site.owe(*repositories, *repositories)
    assert minute()["sweep"] == "done"
    assert sorted(site.woken()) == sorted(repositories)


def test_what_somebody_holds_or_is_due_later_is_left_alone(site: Site) -> None:
    site.owe("group/held", "group/later", "group/due")
    assert site.sync_registry.acquire("group/held") is not None
    (later,) = site.sync_registry.owed("group/later")
    site.sync_registry.postpone(later, time.time_ns() // 1_000_000 + 60_000)
    assert minute()["sweep"] == "done"
    assert site.woken() == ["group/due"]


def test_a_repository_whose_holder_died_is_woken(site: Site) -> None:
    site.owe("group/app")
    assert site.sync_registry.acquire("group/app") is not None
    key = {"repository": {"S": "group/app"}, "item": {"S": "row"}}
    past = {":past": {"N": str(time.time_ns() // 1_000_000 - 1)}}
    update = "SET lease_expires = :past"
    site.dynamodb.update_item(TableName=TABLE, Key=key, UpdateExpression=update, ExpressionAttributeValues=past)
    minute()
    assert site.woken() == ["group/app"]


def test_a_paused_site_wakes_nobody(site: Site, log: Log) -> None:
    site.owe("group/app")
    site.sync_registry.pause()
    assert minute()["sweep"] == "done"
    assert site.woken() == []
    assert [line["reason"] for line in log() if line["message"] == "swept"] == ["paused"]
    site.sync_registry.resume()
    minute()
    assert site.woken() == ["group/app"]


def test_while_a_registry_is_on_hold_nobody_is_woken(site: Site, log: Log) -> None:
    site.owe("group/app")
    site.sync_registry.hold("registry.example.com", reason="503")
    assert minute()["sweep"] == "done"
    assert site.woken() == []
    assert [line["reason"] for line in log() if line["message"] == "swept"] == ["registry.example.com is on hold"]


def test_while_a_registry_refuses_the_credentials_one_is_woken_to_see_whether_they_were_changed(site: Site) -> None:
    site.owe("group/app", "group/other")
    site.sync_registry.hold("registry.example.com", reason="401", credentials="version-1")
    minute()
    assert len(site.woken()) == 1


def test_a_wake_is_sent_to_each_worker_that_has_none_waiting(site: Site, aws: pytest.MonkeyPatch, log: Log) -> None:
    aws.setenv("WORK_CONCURRENCY", "15")
    site.owe(*(f"group/app-{number}" for number in range(20)))
    minute()
    minute()
    assert len(site.woken()) == 15
    minute()
    assert len(site.woken()) == 15, "the messages were taken: workers are at it, and the next wake relieves each"
    swept = [line for line in log() if line["message"] == "swept"]
    assert [line["woken"] for line in swept] == [15, 0, 15]
    assert "15 workers" in swept[1]["reason"]


def test_wakes_are_in_the_group_of_their_namespace(site: Site) -> None:
    site.owe("group/app", "other/app")
    minute()
    taken = site.sqs.receive_message(
        QueueUrl=site.work_url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["MessageGroupId"]
    )["Messages"]
    groups = {json.loads(one["Body"]).get("repository"): one["Attributes"]["MessageGroupId"] for one in taken}
    assert groups == {"group/app": message_group("group/app"), "other/app": message_group("other/app"), None: "site"}


# ── the comparison ──


@pytest.mark.parametrize(
    ("hours_ago", "finished", "asked"),
    [(25, True, True), (23, True, False), (1, False, True), (0, False, False)],
)
def test_the_primary_s_catalogue_is_walked_once_a_day_and_taken_up_where_it_was_left(
    site: Site, hours_ago: int, finished: bool, asked: bool
) -> None:
    site.subscribe()
    site.walked(started_at=time.time_ns() // 1_000_000 - hours_ago * 3_600_000, finished=finished)
    assert minute()["comparison"] == "done"
    assert site.messages() == ([{"version": "1", "kind": "catalogue"}] if asked else [])


def test_a_new_site_asks_for_its_backfill(site: Site) -> None:
    assert minute()["comparison"] == "done"
    assert site.messages() == [{"version": "1", "kind": "catalogue"}]


def test_a_new_site_s_backfill_waits_until_tags_announced_before_the_subscription_are_written(
    site: Site, aws: pytest.MonkeyPatch
) -> None:
    aws.setenv("SETTLE_SECONDS", "30")
    for _ in range(2):
        assert minute()["comparison"] == "done"
    assert site.messages() == []
    site.store.write(
        Update(key=subscription.KEY, set={"gapless_from": SYSTEM_CLOCK.now_ms()})
    )  # as half a minute later
    assert minute()["comparison"] == "done"
    assert site.messages() == [{"version": "1", "kind": "catalogue"}]


def test_no_comparison_is_asked_for_while_its_window_is_closed(site: Site, aws: pytest.MonkeyPatch) -> None:
    begins = datetime.now(UTC) + timedelta(hours=3)
    aws.setenv("BACKFILL_WINDOW", f"{begins:%H:%M}-{begins + timedelta(hours=1):%H:%M}")
    assert minute()["comparison"] == "done"
    assert site.messages() == []
    aws.setenv("BACKFILL_WINDOW", f"{begins - timedelta(hours=4):%H:%M}-{begins:%H:%M}")
    app.site.cache_clear()
    minute()
    assert site.messages() == [{"version": "1", "kind": "catalogue"}]


def test_a_gap_of_the_subscription_waits_for_no_window(site: Site, aws: pytest.MonkeyPatch) -> None:
    begins = datetime.now(UTC) + timedelta(hours=3)
    aws.setenv("BACKFILL_WINDOW", f"{begins:%H:%M}-{begins + timedelta(hours=1):%H:%M}")
    site.subscribe()
    began = SYSTEM_CLOCK.now_ms()
    site.walked(started_at=began)
    site.store.write(Update(key=catalogue_item.KEY, set={"proved_at": began, "settled_at": began}))
    minute()
    assert site.messages() == []
    site.store.write(Update(key=subscription.KEY, set={"gapless_from": began + 1}))
    minute()
    assert site.messages() == [{"version": "1", "kind": "catalogue"}]
    assert SyncRegistry(site.store).catalogue.is_asked_for()


@pytest.mark.parametrize("comparison_seconds", ["86400", "0"])
def test_a_comparison_that_began_before_the_subscription_is_followed_by_another(
    site: Site, aws: pytest.MonkeyPatch, comparison_seconds: str
) -> None:
    aws.setenv("COMPARISON_SECONDS", comparison_seconds)
    site.subscribe()
    began = SYSTEM_CLOCK.now_ms()
    site.walked(started_at=began)
    site.store.write(Update(key=catalogue_item.KEY, set={"proved_at": began, "settled_at": began}))
    minute()
    assert site.messages() == []
    sns = boto3.client("sns", region_name=PRIMARY_REGION)
    (known,) = sns.list_subscriptions_by_topic(TopicArn=site.topic_arn)["Subscriptions"]
    sns.unsubscribe(SubscriptionArn=known["SubscriptionArn"])
    minute()
    assert site.followers(site.topic_arn) == [(site.queue_arn, "true")]
    assert site.messages() == [{"version": "1", "kind": "catalogue"}]


def test_after_a_promotion_everything_is_compared_with_the_new_primary(site: Site, aws: pytest.MonkeyPatch) -> None:
    minute()
    site.messages()
    site.walked(started_at=time.time_ns() // 1_000_000)
    site.store.write(Update(key=catalogue_item.KEY, set={"following": site.topic_arn, "proved_at": 1, "settled_at": 1}))
    minute()
    assert site.messages() == []
    assert status.read(SyncRegistry(site.store)).proved_at == 1
    aws.setenv("PRIMARY_TOPIC_ARN", site.make_topic("us-west-2"))
    app.site.cache_clear()
    minute()
    assert site.messages() == [{"version": "1", "kind": "catalogue"}]
    assert status.read(SyncRegistry(site.store)).recovery_point is None


def test_a_site_that_was_the_primary_meanwhile_compares_everything_with_its_former_primary(
    site: Site, endpoint: Endpoint, aws: pytest.MonkeyPatch
) -> None:
    site.walked(started_at=time.time_ns() // 1_000_000)
    site.store.write(Update(key=catalogue_item.KEY, set={"following": site.topic_arn, "proved_at": 1, "settled_at": 1}))
    minute()  # as the primary
    aws.setenv("SITE_ROLE", "secondary")
    app.site.cache_clear()
    minute()
    assert site.messages() == [{"version": "1", "kind": "catalogue"}]
    assert status.read(SyncRegistry(site.store)).recovery_point is None


# ── the recovery point ──


def test_the_minute_notes_what_waits_in_the_events_queue_and_the_dlq(site: Site, log: Log) -> None:
    minute()
    site.walked(started_at=time.time_ns() // 1_000_000)
    minute()
    assert status.read(SyncRegistry(site.store)).recovery.why is None
    site.sqs.send_message(QueueUrl=site.dlq_url, MessageBody="{}")
    minute()
    assert status.read(SyncRegistry(site.store)).recovery.why == "the DLQ holds messages that could not be marked: 1"
    site.sqs.send_message(QueueUrl=site.events_url, MessageBody="{}")
    taken = site.sqs.receive_message(QueueUrl=site.events_url)["Messages"]  # in flight: somebody has it, or has died
    minute()
    assert status.read(SyncRegistry(site.store)).recovery.why == "events wait in the queue: 1"
    site.sqs.delete_message(QueueUrl=site.events_url, ReceiptHandle=taken[0]["ReceiptHandle"])
    site.sqs.purge_queue(QueueUrl=site.dlq_url)
    minute()
    lines = [line for line in log() if line["message"] == "recovery_point"]
    assert "why" not in lines[-1]
    assert "DLQ" in lines[-3]["why"]


def test_a_letter_goes_with_the_reason_for_it_and_the_others_stay_in_sight(site: Site) -> None:
    reporter = Reporter(logger=app.logger, metrics=Metrics("berlin"), sqs=site.sqs, dlq_url=site.dlq_url)
    marked = [site.sync_registry.mark("group/app", Reference.tag(f"v{number}")) for number in range(12)]
    for owed in marked:
        reporter.park(owed, "refused")
        site.sync_registry.fail(owed, "refused", parked=True)
    site.sqs.send_message(QueueUrl=site.dlq_url, MessageBody="no JSON")
    minute()
    assert status.read(SyncRegistry(site.store)).recovery.why == "the DLQ holds messages that could not be marked: 1"
    queue = DeadLetterQueue(site.sqs, dlq_url=site.dlq_url)
    assert len(queue.look()) == 13
    for owed in marked[:11]:
        site.sync_registry.mark("group/app", owed.reference)
    minute()
    assert sorted(letter.about for letter in queue.look()) == ["group/app tag#v11", "no JSON"]


def test_a_notification_that_nobody_sent_is_told_and_counted_once(site: Site, log: Log) -> None:
    minute()
    site.store.write(Update(key=subscription.KEY, set={"since": 1, "gapless_from": 1}))  # as if it had been for long
    earlier = SyncRegistry(site.store, clock=FakeClock(SYSTEM_CLOCK.now_ms() - 5 * 60_000))
    owed = earlier.mark("group/app", Reference.tag("v1"), Mark(comparison=Comparison(walk=1, unannounced=True)))
    lease = earlier.acquire("group/app")
    assert lease is not None
    earlier.suspected.record(owed)
    seen = Seen(digest="sha256:a", looked_at=1, seen_at=1, unannounced=True, suspected=True)
    assert earlier.discharge(lease, owed, seen)
    for _ in range(2):
        minute()
    lost = status.read(SyncRegistry(site.store)).lost
    assert lost is not None
    assert (lost.count, lost.repository, lost.reference) == (1, "group/app", "v1")
    (line,) = [line for line in log() if line["message"] == "notification_lost"]
    assert (line["repository"], line["reference"]) == ("group/app", "tag#v1")
    site.sync_registry.suspected.take_back("group/app", Reference.tag("v1"))
    assert status.read(SyncRegistry(site.store)).lost is None


# ── the heartbeat ──


def test_a_primary_posts_its_heartbeat_with_its_own_token(site: Site, endpoint: Endpoint) -> None:
    site.owe("group/app")
    before = time.time_ns() // 1_000_000
    assert minute() == {"heartbeat": "done", "following": "done", "minute": "done", "health": "done"}
    ((headers, body),) = endpoint.posted
    assert headers["Authorization"] == TOKEN
    (event,) = body["events"]
    assert before <= event["sent_at"] <= time.time_ns() // 1_000_000
    # Nothing else is a primary's to do: it neither follows a topic nor wakes anybody.
    assert site.woken() == []
    assert site.followers(site.topic_arn) == []


@pytest.mark.parametrize("status", [401, 500, 503, 302, 204])
def test_a_heartbeat_that_is_refused_is_reported_without_the_token(
    site: Site, endpoint: Endpoint, log: Log, status: int
) -> None:
    endpoint.status = status
    assert minute() == {"heartbeat": "HeartbeatFailed", "following": "done", "minute": "done", "health": "done"}
    (line,) = [line for line in log() if line["message"] == "heartbeat_failed"]
    assert str(status) in line["reason"]
    assert TOKEN not in json.dumps(log())
    assert len(endpoint.posted) == 1


def test_an_endpoint_that_does_not_answer_is_reported(site: Site, aws: pytest.MonkeyPatch, log: Log) -> None:
    aws.setenv("SITE_ROLE", "primary")
    assert minute() == {"heartbeat": "HeartbeatFailed", "following": "done", "minute": "done", "health": "done"}
    (line,) = [line for line in log() if line["message"] == "heartbeat_failed"]
    assert "does not answer" in line["reason"]


# ── each for itself ──


def test_a_topic_that_is_gone_does_not_keep_the_sweep(site: Site, aws: pytest.MonkeyPatch, log: Log) -> None:
    aws.setenv("PRIMARY_TOPIC_ARN", f"{site.topic_arn}-gone")
    site.owe("group/app")
    ended = minute()
    assert ended["sweep"] == "done"
    assert ended["subscription"] != "done"
    assert [line["error"] for line in log() if line["message"] == "subscription_failed"] == [ended["subscription"]]
    assert site.woken() == ["group/app"]


def test_a_topic_that_is_no_topic_does_not_keep_the_sweep(site: Site, aws: pytest.MonkeyPatch) -> None:
    aws.setenv("PRIMARY_TOPIC_ARN", "somewhere")
    ended = minute()
    assert ended.pop("subscription") == "ConfigurationError"
    others = {"sweep", "comparison", "verification", "recovery", "clock", "counts", "history", "minute", "health"}
    assert set(ended) == others
    assert set(ended.values()) == {"done"}


def test_a_table_that_is_gone_does_not_keep_the_subscription(site: Site) -> None:
    site.dynamodb.delete_table(TableName=TABLE)
    ended = minute()
    assert {ended.pop("clock"), ended.pop("health")} == {"done"}  # they have nothing to judge by, and say so
    others = {"sweep", "comparison", "verification", "recovery", "counts", "history", "minute"}
    assert set(ended) == {"subscription", *others}
    assert "done" not in ended.values()
    assert site.followers(site.topic_arn) == [(site.queue_arn, "true")]


def test_a_queue_that_is_gone_loses_nothing(site: Site) -> None:
    site.owe("group/app")
    site.sqs.delete_queue(QueueUrl=site.work_url)
    assert minute()["sweep"] != "done"
    assert site.sync_registry.due_repositories() == ["group/app"]
