"""functions/log_cursor turns a batch into marks and wakes. One message never decides about another."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from functions.log_cursor import app
from tests.functional.log_cursor.parts import (
    DIGEST,
    DONE,
    ROOT,
    TABLE,
    Site,
    again,
    handle,
    heartbeat,
    push,
)

from geosync.intake.marking import Marking
from geosync.messages.groups import message_group
from geosync.messages.work import WorkMessage
from geosync.sync_registry.items import PENDING, Reference, Seen
from geosync.sync_registry.site import subscription

Log = Callable[[], list[dict[str, Any]]]
BAD = "not JSON ÿ"


def test_the_sample_batch_is_marked_and_its_repository_woken_once(site: Site) -> None:
    event = json.loads((ROOT / "events" / "functions" / "log_cursor-batch.json").read_text())
    context: Any = None
    assert app.handler(event, context) == DONE
    repository = json.loads(event["Records"][0]["body"])["repository"]
    assert site.owed(repository) == ["tag#1.0", "tag#docker"]
    assert site.items()["#site", "heartbeat"]["site"] == "dublin"
    assert site.woken() == [repository]
    assert site.dead_letters() == []


def test_a_batch_is_marked_knocked_once_at_each_repository_and_one_wake_is_sent_for_each(site: Site) -> None:
    bodies = [push(f"group/app-{number % 2}", f"v{number}") for number in range(10)]
    assert handle(*bodies) == DONE
    for number in range(2):
        row = site.row(f"group/app-{number}")
        assert len(site.owed(row.repository)) == 5
        assert (row.revision, row.state, row.lease_token) == (1, PENDING, None)
        assert row.id is not None
    assert site.woken() == ["group/app-0", "group/app-1"]


def test_a_wake_names_no_reference_and_is_in_the_group_of_its_namespace(site: Site) -> None:
    assert handle(push("group/sub/app"), push("group/app"), push("other/app")) == DONE
    taken = site.take(site.live_url)
    groups = {WorkMessage.from_json(one["Body"]).repository: one["Attributes"]["MessageGroupId"] for one in taken}
    assert groups == {name: message_group(name) for name in ("group/sub/app", "group/app", "other/app")}
    assert groups["group/sub/app"] == groups["group/app"] != groups["other/app"]
    assert all(WorkMessage.from_json(one["Body"]).references == () for one in taken)
    assert {WorkMessage.from_json(one["Body"]).reason for one in taken} == {"event"}


def test_a_repository_that_somebody_holds_is_knocked_at_and_nobody_is_woken(site: Site) -> None:
    lease = site.sync_registry.acquire("group/app")
    assert lease is not None
    assert handle(push("group/app"), push("group/app", "v2")) == DONE
    row = site.row("group/app")
    assert (row.revision, row.lease_token) == (1, lease.token)
    assert site.woken() == []


def test_a_repository_whose_holder_died_is_woken(site: Site) -> None:
    assert site.sync_registry.acquire("group/app") is not None
    past = {":past": {"N": "1"}}
    key = {"repository": {"S": "group/app"}, "item": {"S": "row"}}
    update = "SET lease_expires = :past"
    site.dynamodb.update_item(TableName=TABLE, Key=key, UpdateExpression=update, ExpressionAttributeValues=past)
    assert handle(push("group/app")) == DONE
    assert site.woken() == ["group/app"]


def test_what_was_seen_already_is_neither_marked_nor_woken(site: Site, log: Log) -> None:
    lease = site.sync_registry.acquire("group/app")
    assert lease is not None
    later = 2_000_000_000_000
    site.sync_registry.record(lease, [(Reference.tag("v1"), Seen(digest=DIGEST, looked_at=later, seen_at=later))])
    site.sync_registry.release(lease)
    event = push("group/app")
    assert handle(event) == DONE
    assert site.owed("group/app") == []
    assert site.woken() == []
    assert [line["message"] for line in log()] == ["event_seen_already"]
    assert site.items()["#site", "cursor"]["id"] == json.loads(event)["id"]


def test_what_a_comparison_brought_is_marked_by_the_first_of_its_events_and_by_no_other(site: Site) -> None:
    lease, later = site.sync_registry.acquire("group/app"), 2_000_000_000_000
    assert lease is not None
    v1, seen = Reference.tag("v1"), Seen(digest=DIGEST, looked_at=later, seen_at=later)
    brought = replace(seen, unannounced=True, suspected=True)
    site.sync_registry.record(lease, [(v1, brought)])
    event = push("group/app")
    assert handle(event) == DONE
    assert site.owed("group/app") == ["tag#v1"]
    owed = site.sync_registry.look("group/app", v1).owed
    assert owed is not None
    assert site.sync_registry.discharge(lease, owed, seen)
    assert handle(event) == DONE
    assert site.owed("group/app") == []


def test_what_is_outside_the_selection_is_not_marked(site: Site, aws: pytest.MonkeyPatch, log: Log) -> None:
    aws.setenv("EXCLUDE_REPOSITORIES", "secret/**")
    assert handle(push("secret/app"), push("group/app")) == DONE
    assert (site.owed("secret/app"), site.owed("group/app")) == ([], ["tag#v1"])
    assert site.woken() == ["group/app"]
    assert "outside_the_selection" in [line["message"] for line in log()]


def test_a_selection_that_cannot_be_read_leaves_nothing_out(site: Site, aws: pytest.MonkeyPatch, log: Log) -> None:
    aws.setenv("INCLUDE_REPOSITORIES", "Not/A/Pattern{}")
    assert handle(push("group/app")) == DONE
    assert site.owed("group/app") == ["tag#v1"]
    assert "selection_misconfigured" in [line["message"] for line in log()]


def test_a_rename_marks_both_names_of_every_repository_below_it(site: Site) -> None:
    handle(*(push(name) for name in ("old", "old/a", "old/a/b", "older/c")))
    site.woken()
    renamed = push("new", None, digest=None, event_name="updated", version="2", renamed_from="old")
    assert handle(renamed, push("other/app")) == DONE
    names = ["new", "new/a", "new/a/b", "old", "old/a", "old/a/b"]
    assert [name for name in names if "*" in site.owed(name)] == names
    assert site.row("new/a").renamed_from == "old/a"
    assert site.owed("older/c") == ["tag#v1"]
    assert site.woken() == [*names, "other/app"]


def test_a_heartbeat_is_kept_and_an_older_one_is_not(site: Site) -> None:
    assert handle(heartbeat(), heartbeat(sent_at=1_795_498_979_000)) == DONE
    kept = site.items()["#site", "heartbeat"]
    assert (kept["site"], kept["sent_at"]) == ("dublin", 1_795_498_980_000)
    assert kept["arrived_at"] > kept["sent_at"]


@pytest.mark.parametrize(("followed", "kept"), [("dublin", True), ("frankfurt", False)])
def test_only_the_primary_that_is_followed_moves_the_heartbeat(
    site: Site, monkeypatch: pytest.MonkeyPatch, followed: str, kept: bool
) -> None:
    # After a promotion the former primary's topic is still subscribed, and the former primary may live.
    monkeypatch.setenv("PRIMARY_TOPIC_ARN", f"arn:aws:sns:eu-west-1:123456789012:geosync-{followed}")
    assert handle(heartbeat()) == DONE
    assert (("#site", "heartbeat") in site.items()) is kept


def test_the_cursor_is_that_of_the_newest_event_of_the_batch(site: Site) -> None:
    bodies = [push("group/app", f"v{at}", received_at=at) for at in (5, 9, 7)]
    assert handle(*bodies) == DONE
    assert site.items()["#site", "cursor"]["received_at"] == 9
    assert handle(push("group/app", "v8", received_at=8)) == DONE
    assert site.items()["#site", "cursor"]["received_at"] == 9


# ── messages that cannot be marked ──


@pytest.mark.parametrize(
    ("poison", "reason"),
    [
        (BAD, "not JSON"),
        (push("group/app", version="99"), "version"),
        (push("Not/A/Name"), "repository"),
        (push("group/app", event_name="sung"), "event_name"),
        (WorkMessage(repository="group/app", reason="sweep").to_json(), "kind 'work' is not known here"),
    ],
)
def test_one_poison_message_is_in_the_dlq_with_its_reason_and_the_others_are_done(
    site: Site, poison: str, reason: str
) -> None:
    assert handle(push("group/first"), poison, heartbeat(), push("group/last")) == DONE
    ((body, attributes),) = site.dead_letters()
    assert (body, attributes["kind"]) == (poison, "refused")
    assert reason in attributes["reason"]
    assert (site.owed("group/first"), site.owed("group/last")) == (["tag#v1"], ["tag#v1"])
    assert site.woken() == ["group/first", "group/last"]
    assert ("#site", "heartbeat") in site.items()
    assert site.items()["#site", "refused"]["count"] == 1, "the recovery point has to know"


def test_a_row_that_was_edited_by_hand_costs_its_own_events_only(site: Site) -> None:
    row = {"repository": {"S": "group/bad"}, "item": {"S": "row"}, "revision": {"S": "seven"}}
    site.dynamodb.put_item(TableName=TABLE, Item=row)
    assert handle(push("group/bad"), push("group/good")) == DONE
    ((body, attributes),) = site.dead_letters()
    assert json.loads(body)["repository"] == "group/bad"
    assert "group/bad" in attributes["reason"]
    assert "revision" in attributes["reason"]
    assert site.owed("group/good") == ["tag#v1"]


def test_without_its_table_every_message_comes_again(site: Site) -> None:
    site.dynamodb.delete_table(TableName=TABLE)
    assert handle(push("group/app"), heartbeat(), push("group/other")) == again(0, 1, 2)
    assert site.woken() == []


def test_without_its_dlq_only_the_unreadable_message_comes_again(site: Site) -> None:
    site.sqs.delete_queue(QueueUrl=site.dlq_url)
    assert handle(push("group/app"), BAD) == again(1)
    assert site.owed("group/app") == ["tag#v1"]
    assert site.woken() == ["group/app"]


def test_the_message_that_cannot_be_marked_comes_again_alone(site: Site) -> None:
    def cut(params: dict[str, Any], **_: Any) -> None:
        if "group/cut" in str(params) and "owed#" in str(params):
            raise EndpointConnectionError(endpoint_url="dynamodb")

    app.site()
    client: Any = app.site().intake._context.sync_registry._store
    client._client.meta.events.register("before-call.dynamodb.UpdateItem", cut)
    bodies = [push("group/a"), push("group/cut"), push("group/b", received_at=7), push("group/cut", "v2")]
    assert handle(*bodies) == again(1, 3)
    assert (site.owed("group/a"), site.owed("group/b"), site.owed("group/cut")) == (["tag#v1"], ["tag#v1"], [])
    assert site.woken() == ["group/a", "group/b"]


def test_a_fault_of_ours_costs_one_message_and_none_of_the_others(site: Site, aws: pytest.MonkeyPatch) -> None:
    mark = Marking.mark

    def broken(marking: Any, event: Any, glance: Any) -> Any:
        if event.repository == "group/fault":
            raise ZeroDivisionError
        return mark(marking, event, glance)

    aws.setattr(Marking, "mark", broken)
    assert handle(push("group/app"), push("group/fault")) == again(1)
    assert site.woken() == ["group/app"]


# ── after the mark ──


def test_a_knock_that_fails_sends_nothing_back_and_the_sweep_finds_it(site: Site, aws: pytest.MonkeyPatch) -> None:
    def lost(*_: Any, **__: Any) -> bool:
        raise EndpointConnectionError(endpoint_url="dynamodb")

    aws.setattr("geosync.sync_registry.sync_registry.SyncRegistry.tell", lost)
    assert handle(push("group/app")) == DONE
    assert site.sync_registry.due_repositories() == ["group/app"]


def test_a_wake_that_cannot_be_sent_loses_nothing(site: Site, log: Log) -> None:
    site.sqs.delete_queue(QueueUrl=site.live_url)
    assert handle(push("group/app")) == DONE
    assert "wakes_not_sent" in [line["message"] for line in log()]
    assert site.sync_registry.due_repositories() == ["group/app"]


# ── when nobody is to be woken ──


def test_a_paused_site_marks_and_wakes_nobody(site: Site) -> None:
    site.sync_registry.pause("maintenance")
    assert handle(push("group/app")) == DONE
    assert site.owed("group/app") == ["tag#v1"]
    assert site.row("group/app").state == PENDING
    assert site.woken() == []


@pytest.mark.parametrize("name", ["registry.berlin.example.com", "registry.dublin.example.com:5050"])
def test_while_a_registry_of_the_site_is_on_hold_nobody_is_woken(site: Site, name: str) -> None:
    site.sync_registry.hold(name, reason="503")
    assert handle(push("group/app")) == DONE
    assert site.owed("group/app") == ["tag#v1"]
    assert site.woken() == []


def test_a_hold_that_ran_out_or_of_another_registry_keeps_nobody_asleep(site: Site) -> None:
    site.sync_registry.hold("registry.of.the.past.example.com", reason="503")
    key = {"repository": {"S": "#site"}, "item": {"S": "hold#registry.berlin.example.com"}}
    over = {"until": {"N": "1"}, "attempts": {"N": "3"}, "reason": {"S": "it was down"}}
    site.dynamodb.put_item(TableName=TABLE, Item=key | over)
    assert handle(push("group/app")) == DONE
    assert site.woken() == ["group/app"]


def test_a_hold_that_cannot_be_read_marks_a_rename_and_wakes_nobody(site: Site) -> None:
    key = {"repository": {"S": "#site"}, "item": {"S": "hold#registry.berlin.example.com"}}
    site.dynamodb.put_item(TableName=TABLE, Item=key | {"until": {"S": "soon"}})
    renamed = push("new", None, digest=None, event_name="updated", version="2", renamed_from="old")
    assert handle(renamed) == DONE
    assert site.owed("new") == ["*"]
    assert site.woken() == []


def test_a_primary_drops_what_its_queue_brings(site: Site, aws: pytest.MonkeyPatch, log: Log) -> None:
    aws.setenv("SITE_ROLE", "primary")
    assert handle(push("group/app"), heartbeat()) == DONE
    assert site.items() == {}
    assert site.woken() == []
    assert {line["message"] for line in log()} == {"message_dropped"}


def test_an_event_without_records_is_done_without_a_call(aws: pytest.MonkeyPatch) -> None:
    context: Any = None
    assert app.handler({"Records": []}, context) == DONE
    assert app.handler({}, context) == DONE
    assert app.site.cache_info().currsize == 0


def test_the_selection_by_which_events_are_marked_is_noted_once(site: Site, aws: pytest.MonkeyPatch) -> None:
    handle(heartbeat())
    (known,) = site.sync_registry._store.batch_get([subscription.KEY]).values()
    assert "selected_from" not in known
    aws.setenv("INCLUDE_REPOSITORIES", "group/**")
    app.site.cache_clear()
    handle(heartbeat())
    (changed,) = site.sync_registry._store.batch_get([subscription.KEY]).values()
    assert changed["selection"] != known["selection"]
    assert changed["selected_from"] > time.time_ns() // 1_000_000
