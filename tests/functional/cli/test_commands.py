"""The commands on a stack in moto: what they print, write and send, and how they end."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.stub import Stubber
from tests.functional.cli.conftest import REGION, Site
from tests.support.letters import gave_up, no_event
from tests.support.scripted import Reply, Script, ScriptedServer
from tests.unit.template.parts import ROOT

from geosync.cli import dlq
from geosync.cli.site import StackSite
from geosync.clock import SYSTEM_CLOCK
from geosync.messages.work import CatalogueMessage, VerifyMessage, WorkMessage
from geosync.operating import dead_letters
from geosync.operating.dead_letters import DeadLetters
from geosync.sync_registry.items import Reference
from geosync.sync_registry.site.sites import site_id

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

PARKED = WorkMessage(repository="group/app", reason="replay", references=(Reference.tag("v1"),)).to_json()


def dead_letter(site: Site, body: str, **attributes: str) -> str:
    sent = site.sqs.send_message(
        QueueUrl=site.outputs["DeadLetterQueueUrl"],
        MessageBody=body,
        MessageAttributes={name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()},
    )
    identity: str = sent["MessageId"]
    return identity


# ── status ──


def test_a_site_that_is_healthy_and_owes_nothing_ends_with_0(secondary: Site) -> None:
    secondary.well()
    answer = secondary.run("status")
    assert answer.exit_code == 0, answer.output
    assert "nothing" in answer.output
    assert "frankfurt (secondary" in answer.output
    assert re.search(r"^health\tHealthy$", answer.output, re.MULTILINE)


def test_a_site_that_owes_nothing_and_is_not_healthy_ends_with_1_and_says_why(secondary: Site) -> None:
    secondary.well()
    secondary.sync_registry.pause("storage is moved")
    degraded = secondary.run("status", "--json")
    document = json.loads(degraded.output)
    assert (degraded.exit_code, document["health_status"], document["healthy"]) == (1, "Degraded", False)
    assert (document["health"], document["health_reasons"]) == (
        "the site is paused: storage is moved",
        ["the site is paused: storage is moved"],
    )
    secondary.sync_registry.hold("dublin:5000", reason="connection refused")
    shown = secondary.run("status")
    assert (shown.exit_code, "Unhealthy" in shown.output) == (1, True)
    assert "the registry dublin:5000 is on hold: connection refused" in shown.output


def test_a_primary_is_judged_by_its_heartbeats_and_by_who_reports(primary: Site) -> None:
    primary.sync_registry.minute.record()
    primary.sync_registry.posted_heartbeat.record(at=SYSTEM_CLOCK.now_ms())
    well = primary.run("status", "--json")
    said = json.loads(well.output)
    assert (well.exit_code, said["health"], said["last_drill"]) == (0, "Healthy", None)
    primary.sync_registry.sites.add(name="oregon", url="https://oregon.example.com", key="0" * 64, now_ms=1)
    silent = primary.run("status")
    assert (silent.exit_code, "the site oregon has not reported yet" in silent.output) == (1, True)


def test_the_id_of_a_site_is_the_one_that_the_admin_api_shows(secondary: Site) -> None:
    assert json.loads(secondary.run("status", "--json").output)["id"] == site_id("frankfurt")


def test_what_is_owed_is_shown_with_its_failure_and_ends_with_1(secondary: Site) -> None:
    sync_registry = secondary.sync_registry
    sync_registry.fail(sync_registry.mark("group/app", Reference.tag("v1")), "[red]dublin: 503")
    answer = secondary.run("status")
    assert answer.exit_code == 1
    assert "1 reference, 1 failed" in answer.output
    assert "[red]dublin: 503" in answer.output


def test_programs_read_one_json_document(secondary: Site) -> None:
    sync_registry = secondary.sync_registry
    sync_registry.mark("group/app", Reference.tag("v1"))
    sync_registry.fail(sync_registry.mark("group/app", Reference.tag("v2")), "refused", parked=True)
    sync_registry.pause("upgrade")
    answer = secondary.run("status", "--json", "--limit", "1")
    assert answer.exit_code == 1
    document = json.loads(answer.output)
    assert (document["owed"], document["parked"], document["paused"]["reason"]) == (1, 1, "upgrade")
    assert [one["reference"] for one in document["references"]] == ["v1"]


def test_a_message_in_the_dlq_is_something_wrong(secondary: Site) -> None:
    dead_letter(secondary, PARKED)
    assert secondary.run("status").exit_code == 1


# ── pause, resume, resync ──


def test_pause_and_resume(secondary: Site) -> None:
    assert secondary.run("pause", "upgrade").exit_code == 0
    assert secondary.sync_registry.is_paused()
    assert "upgrade" in secondary.run("status").output
    assert secondary.run("resume").exit_code == 0
    assert not secondary.sync_registry.is_paused()
    assert "is not paused" in secondary.run("resume").output


def test_resync_sends_what_functions_sync_reads(secondary: Site) -> None:
    digest = f"sha256:{'0' * 64}"
    assert secondary.run("resync", "group/app", "v1", digest).exit_code == 0
    assert secondary.run("resync", "group/app").exit_code == 0
    read = [WorkMessage.from_json(json.dumps(body)) for body in secondary.bodies("WorkQueueUrl")]
    assert [(message.repository, message.reason) for message in read] == [("group/app", "resync")] * 2
    assert {message.references for message in read} == {
        (Reference.tag("v1"), Reference.digest(digest)),
        (Reference.whole(),),
    }


def primary_registry(secondary: Site, stacks: dict[str, StackSite], script: Script) -> ScriptedServer:
    """Have the secondary's parameters name a registry with this answer."""
    server = ScriptedServer(script)
    stack = stacks[secondary.stack]
    parameters = {**stack.parameters, "PrimaryRegistryUrl": server.url}
    stacks[secondary.stack] = replace(stack, parameters=parameters)
    return server


def test_resync_of_what_is_not_at_the_primary_says_so_and_sends_nothing(
    secondary: Site, stacks: dict[str, StackSite]
) -> None:
    unknown = b'{"errors":[{"code":"NAME_UNKNOWN","message":"repository name not known to registry"}]}'
    answer = Reply(status=404, headers=[("Content-Type", "application/json")], body=unknown)
    with primary_registry(secondary, stacks, lambda _: answer) as server:
        found = secondary.run("resync", "no/such")
        assert (found.exit_code, found.output) == (
            1,
            "no/such is not at the primary, and frankfurt has no row of it: nothing to resync\n",
        )
        assert [one.path for one in server.requests] == ["/v2/no/such/tags/list"]
        assert secondary.bodies("WorkQueueUrl") == []
        # What this site knows is not asked about: that it is gone from the primary is what a resync is to settle.
        assert secondary.sync_registry.acquire("group/app") is not None
        assert secondary.run("resync", "group/app").exit_code == 0
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [200, 401, 500])
def test_resync_of_what_the_primary_has_or_cannot_be_asked_about_is_enqueued(
    secondary: Site, stacks: dict[str, StackSite], status: int
) -> None:
    answer = Reply(status=status, headers=[("Content-Type", "application/json")], body=b'{"tags":[]}')
    with primary_registry(secondary, stacks, lambda _: answer):
        assert secondary.run("resync", "new/app").exit_code == 0
        assert [body["repository"] for body in secondary.bodies("WorkQueueUrl")] == ["new/app"]


@pytest.mark.parametrize("arguments", [["Group/App"], ["group/app", "not a tag"], ["../app"]])
def test_resync_refuses_a_name_that_is_none_and_sends_nothing(secondary: Site, arguments: list[str]) -> None:
    assert secondary.run("resync", *arguments).exit_code == 2
    assert secondary.bodies("WorkQueueUrl") == []


@pytest.mark.parametrize(
    ("arguments", "repository", "scope"),
    [(["group/app"], "group/app", None), (["--all"], None, "all"), (["--failed"], None, "failed")],
)
def test_reverify_sends_what_functions_sync_reads(
    secondary: Site, arguments: list[str], repository: str | None, scope: str | None
) -> None:
    assert secondary.run("reverify", *arguments).exit_code == 0
    (read,) = [VerifyMessage.from_json(json.dumps(body)) for body in secondary.bodies("WorkQueueUrl")]
    assert (read.repository, read.scope) == (repository, scope)
    assert read.asked_at is not None


@pytest.mark.parametrize("arguments", [[], ["Group/App"], ["group/app", "--all"], ["--all", "--failed"]])
def test_reverify_of_nothing_clear_sends_nothing(secondary: Site, arguments: list[str]) -> None:
    assert secondary.run("reverify", *arguments).exit_code == 2
    assert secondary.bodies("WorkQueueUrl") == []


# ── the DLQ ──


def test_the_dlq_is_listed_with_kinds_and_reasons_and_stays(secondary: Site) -> None:
    dead_letter(secondary, PARKED, kind="parked", reason="schema 1 is refused")
    dead_letter(secondary, "not json", kind="refused", reason="not JSON")
    dead_letter(secondary, '{"version": "1", "repository": "group/other", "tag": "v9"}')
    answer = secondary.run("dlq", "list", "--json")
    assert answer.exit_code == 1
    listed = {one["kind"]: one for one in json.loads(answer.output)}
    assert set(listed) == {"parked", "refused", "crashed"}
    assert listed["parked"]["reason"] == "schema 1 is refused"
    people = secondary.run("dlq", "list")
    assert "group/app tag#v1" in people.output
    assert "group/other v9" in people.output


def test_replay_sends_each_message_to_the_queue_that_it_came_from(secondary: Site) -> None:
    event = {"version": "1", "repository": "group/other", "tag": "v9"}
    work = [PARKED, CatalogueMessage().to_json(), VerifyMessage(repository="group/app").to_json()]
    for body in work:
        dead_letter(secondary, body)
    dead_letter(secondary, json.dumps(event))
    assert secondary.run("dlq", "replay", "--all").exit_code == 0
    assert sorted(map(str, secondary.bodies("WorkQueueUrl"))) == sorted(str(json.loads(body)) for body in work)
    assert secondary.bodies("EventsQueueUrl") == [event]
    assert secondary.run("dlq", "list").exit_code == 0


def test_replay_of_one_leaves_the_others_in_sight(secondary: Site) -> None:
    wanted = dead_letter(secondary, PARKED)
    other = dead_letter(secondary, "not json")
    answer = secondary.run("dlq", "replay", wanted, "no-such-id")
    assert answer.exit_code == 1
    assert "not in the DLQ: no-such-id" in answer.output
    left = json.loads(secondary.run("dlq", "list", "--json").output)
    assert [one["id"] for one in left] == [other]


def test_several_are_replayed_or_discarded_at_once_and_what_is_refused_for_one_does_not_keep_the_others(
    secondary: Site, events_table: str
) -> None:
    parked, other = (dead_letter(secondary, body) for body in (PARKED, "not json"))
    given_up = [dead_letter(secondary, f"poison {number}") for number in range(2)]
    answer = secondary.run("dlq", "discard", *given_up, "--reason", "made by a test")
    assert answer.exit_code == 0
    assert all(f"discarded {id_}" in answer.stdout for id_ in given_up)
    secondary.sqs.delete_queue(QueueUrl=secondary.outputs["WorkQueueUrl"])
    answer = secondary.run("dlq", "replay", parked, other)
    assert answer.exit_code == 2
    assert f"failed, still in the DLQ: {parked}: group/app tag#v1: SendMessage was refused" in answer.stderr
    assert f"replayed {other}" in answer.stdout
    assert [one["id"] for one in json.loads(secondary.run("dlq", "list", "--json").output)] == [parked]


def test_a_replay_that_cannot_send_loses_nothing(secondary: Site) -> None:
    dead_letter(secondary, PARKED)
    secondary.sqs.delete_queue(QueueUrl=secondary.outputs["WorkQueueUrl"])
    assert secondary.run("dlq", "replay", "--all").exit_code == 2
    attributes = secondary.sqs.get_queue_attributes(
        QueueUrl=secondary.outputs["DeadLetterQueueUrl"], AttributeNames=["All"]
    )["Attributes"]
    kept = int(attributes["ApproximateNumberOfMessages"]) + int(attributes["ApproximateNumberOfMessagesNotVisible"])
    assert kept == 1


def test_messages_beyond_those_that_were_looked_at_are_not_said_to_be_gone(
    secondary: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (dead_letters, dlq):
        monkeypatch.setattr(module, "MOST", 1)
    for _ in range(2):
        dead_letter(secondary, PARKED)
    answer = secondary.run("dlq", "list")
    assert (answer.exit_code, "more than 1 messages: only 1 of them are listed" in answer.output) == (1, True)
    answer = secondary.run("dlq", "replay", "no-such-id")
    assert (answer.exit_code, "not among the first 1 of the DLQ: no-such-id" in answer.output) == (1, True)


def test_what_somebody_else_has_in_hand_is_not_said_to_be_gone(secondary: Site) -> None:
    dead_letter(secondary, PARKED)
    taken = secondary.sqs.receive_message(QueueUrl=secondary.outputs["DeadLetterQueueUrl"], VisibilityTimeout=60)
    assert len(taken["Messages"]) == 1
    for command in (["dlq", "list"], ["dlq", "replay", "--all"]):
        answer = secondary.run(*command)
        assert answer.exit_code == 1
        assert "1 message in use by another command right now: seen again within 120 s" in answer.output


@pytest.mark.parametrize("at_a_time", [dead_letters.MOST, 5])
def test_all_are_replayed_and_poison_that_comes_back_at_once_only_once(
    secondary: Site, at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "MOST", at_a_time)

    class Returning:
        """SQS with a function at the queues that refuses everything, before the next message is looked at."""

        def __getattr__(self, name: str) -> Any:
            return getattr(secondary.sqs, name)

        def send_message(self, *, QueueUrl: str, MessageBody: str, **_: Any) -> None:  # noqa: N803 - boto3's names
            assert QueueUrl == secondary.outputs["EventsQueueUrl"]
            dead_letter(secondary, MessageBody, kind="refused", reason="not JSON")

    sent = {dead_letter(secondary, f"poison {number}") for number in range(12)}
    letters = DeadLetters(
        cast("SQSClient", Returning()),
        dlq_url=secondary.outputs["DeadLetterQueueUrl"],
        events_url=secondary.outputs["EventsQueueUrl"],
        work_url=secondary.outputs["WorkQueueUrl"],
        hand_over=no_event,
    )
    time.sleep(0.01)  # what comes back was sent in a later millisecond
    began_ms = SYSTEM_CLOCK.now_ms() - 2
    assert sorted(handled.letter.id for handled in letters.replay_all(began_ms)) == sorted(sent)
    monkeypatch.undo()
    assert len(letters.look()) == len(sent)


def test_an_event_of_ecr_that_was_not_published_is_listed_with_its_reason_and_handed_over_again(
    primary: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = boto3.client("lambda", region_name=REGION)
    event = json.loads((ROOT / "events" / "functions" / "notifications-ecr-push.json").read_text())
    dead_letter(primary, gave_up(event, error="SNS refused it"))
    listed = primary.run("dlq", "list")
    assert listed.exit_code == 1
    for text in ("unpublished", "my-repository-name latest", "SNS refused it"):
        assert text in listed.output
    primary.well()
    assert "dead" in primary.run("status").output

    services = StackSite.client
    monkeypatch.setattr(StackSite, "client", lambda site, name: client if name == "lambda" else services(site, name))
    with Stubber(client) as stubber:
        stubber.add_response(
            "invoke",
            {"StatusCode": 202},
            {
                "FunctionName": primary.outputs["NotificationsFunction"],
                "InvocationType": "Event",
                "Payload": json.dumps(event).encode(),
            },
        )
        answer = primary.run("dlq", "replay", "--all")
    assert answer.exit_code == 0, answer.output
    assert "my-repository-name latest" in answer.output
    assert primary.run("dlq", "list").exit_code == 0


@pytest.mark.parametrize("arguments", [[], ["--all", "an-id"]])
def test_replay_wants_messages_or_all(secondary: Site, arguments: list[str]) -> None:
    dead_letter(secondary, PARKED)
    assert secondary.run("dlq", "replay", *arguments).exit_code == 2
    assert secondary.bodies("WorkQueueUrl") == []


def test_a_discarded_message_is_in_the_audit_log_with_who_and_why_and_the_others_stay(
    secondary: Site, events_table: str
) -> None:
    wanted = dead_letter(secondary, "not json", kind="refused", reason="not JSON")
    other = dead_letter(secondary, PARKED)
    answer = secondary.run("dlq", "discard", wanted, "no-such-id", "--reason", "made by a [red]test")
    assert answer.exit_code == 1
    assert f"discarded {wanted}" in answer.output
    assert "not in the DLQ: no-such-id" in answer.output
    (kept,) = boto3.client("dynamodb", region_name=REGION).scan(TableName=events_table)["Items"]
    assert (kept["body"]["S"], kept["detail"]["S"]) == ("not json", "made by a [red]test")
    assert kept["who"]["S"].startswith("arn:aws:")
    assert "made by a [red]test" in secondary.run("events", "--audit", "--hours", "1", "--json").output
    assert [one["id"] for one in json.loads(secondary.run("dlq", "list", "--json").output)] == [other]
    assert secondary.bodies("EventsQueueUrl") == []


def test_a_message_that_the_audit_log_does_not_take_is_not_discarded(secondary: Site) -> None:
    secondary.outputs["EventsTable"] = "no-such-table"
    letter = dead_letter(secondary, PARKED)
    answer = secondary.run("dlq", "discard", letter, "--reason", "made by a test")
    assert answer.exit_code == 2
    assert f"failed, still in the DLQ: {letter}" in answer.stderr
    assert "PutItem was refused: ResourceNotFoundException" in answer.stderr
    assert answer.stdout == "0 discarded.\n"
    attributes = secondary.sqs.get_queue_attributes(
        QueueUrl=secondary.outputs["DeadLetterQueueUrl"], AttributeNames=["All"]
    )["Attributes"]
    kept = int(attributes["ApproximateNumberOfMessages"]) + int(attributes["ApproximateNumberOfMessagesNotVisible"])
    assert kept == 1


@pytest.mark.parametrize("arguments", [["--reason", "no id"], ["an-id"], ["an-id", "--reason", " "]])
def test_discard_wants_messages_and_a_reason(secondary: Site, arguments: list[str]) -> None:
    dead_letter(secondary, PARKED)
    assert secondary.run("dlq", "discard", *arguments).exit_code == 2
    assert len(json.loads(secondary.run("dlq", "list", "--json").output)) == 1
