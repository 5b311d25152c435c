"""The DLQ over HTTP: list, show, replay, discard; none of them loses a message."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber
from functions.admin import app
from tests.functional.admin.parts import ROOT, Ask, Site
from tests.support.letters import gave_up

from geosync.admin.resources import dead_letters as routes
from geosync.messages.work import WorkMessage
from geosync.sync_registry.items import Reference

ALL = "/api/v4/geo/dead_letters"
PARKED = WorkMessage(repository="group/app", reason="replay", references=(Reference.tag("v1"),)).to_json()
POISON = json.dumps({"version": "9", "repository": "group/<b>poison</b>"})


@pytest.fixture
def letters(site: Site) -> dict[str, str]:
    return {
        "parked": site.send_dead_letter(PARKED, kind="parked", reason="manifest invalid"),
        "refused": site.send_dead_letter(POISON, kind="refused", reason="message version '9' is not known here"),
    }


def test_the_list_says_what_each_is_about_and_leaves_it_where_it_is(
    site: Site, ask: Ask, letters: dict[str, str]
) -> None:
    for _ in range(2):
        answer = ask("GET", ALL)
        assert answer.json["count"] == 2
        found = {node["kind"]: node for node in answer.json["nodes"]}
        assert found["parked"]["about"] == "group/app tag#v1"
        assert (found["parked"]["goes_to"], found["refused"]["goes_to"]) == ("work", "events")
        assert found["parked"]["reason"] == "manifest invalid"
        assert found["refused"]["id"] == letters["refused"]
        assert found["parked"]["sent_at"].endswith("Z")
    assert len(site.messages("dlq")) == 2


def test_one_message_is_shown_with_its_body(site: Site, ask: Ask, letters: dict[str, str]) -> None:
    shown = ask("GET", f"{ALL}/{letters['refused']}")
    assert shown.json["body"] == POISON
    assert ask("GET", f"{ALL}/none").status == 404
    assert len(site.messages("dlq")) == 2


def test_some_are_replayed_to_where_they_came_from_and_the_rest_stays(
    site: Site, ask: Ask, letters: dict[str, str]
) -> None:
    answer = ask.act(f"{ALL}/replay", {"ids": [letters["parked"], "gone"]})
    assert answer.status == 202
    assert (answer.json["done"], answer.json["missing"]) == ([letters["parked"]], ["gone"])
    assert site.messages("work") == [json.loads(PARKED)]
    assert site.messages("events") == []
    assert site.messages("dlq") == [json.loads(POISON)]


def test_all_are_replayed(site: Site, ask: Ask, letters: dict[str, str]) -> None:
    assert len(ask.act(f"{ALL}/replay", {"all": True}).json["done"]) == 2
    assert (site.messages("work"), site.messages("events")) == ([json.loads(PARKED)], [json.loads(POISON)])
    assert site.messages("dlq") == []


def test_more_than_one_request_replays_is_said(
    site: Site, ask: Ask, letters: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "MOST_REPLAYED", 1)
    for is_more in (True, True, False):
        answer = ask.act(f"{ALL}/replay", {"all": True}).json
        assert (answer["more"], len(answer["done"])) == (is_more, is_more)
        assert answer["message"].endswith("there may be more: ask again") == is_more
    assert site.messages("dlq") == []


def test_a_replay_of_all_that_aws_breaks_off_says_that_there_is_more(
    site: Site, ask: Ask, letters: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sqs: Any = app.api()._site.sqs
    send, sent = sqs.send_message, list[Any]()

    def send_once(**message: Any) -> Any:
        if sent:
            raise EndpointConnectionError(endpoint_url="sqs")
        sent.append(message)
        return send(**message)

    monkeypatch.setattr(sqs, "send_message", send_once)
    answer = ask.act(f"{ALL}/replay", {"all": True}).json
    assert (len(answer["done"]), answer["more"]) == (1, True)


def test_a_replay_that_is_interrupted_loses_none(
    site: Site, ask: Ask, letters: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sqs: Any = app.api()._site.sqs

    def fail(**_: Any) -> None:
        raise RuntimeError("killed before the message is deleted")

    with monkeypatch.context() as patched:
        patched.setattr(sqs, "delete_message", fail)
        assert ask.act(f"{ALL}/replay", {"all": True}).status == 500
    sent = site.messages("work") + site.messages("events")
    assert len(sent) == 1
    assert ask("GET", ALL).json["count"] == 2


def test_a_discarded_message_is_in_the_audit_log_with_the_reason(site: Site, ask: Ask, letters: dict[str, str]) -> None:
    answer = ask.act(f"{ALL}/discard", {"ids": [letters["refused"]], "reason": "made by a test of the proxy"})
    assert (answer.status, answer.json["done"]) == (200, [letters["refused"]])
    assert site.messages("dlq") == [json.loads(PARKED)]
    (kept,) = [item for item in site.audit() if item["action"] == f"discard {letters['refused']}"]
    assert (kept["body"], kept["detail"], kept["who"]) == (POISON, "made by a test of the proxy", "act token")


def test_a_message_that_cannot_be_written_down_is_not_discarded(
    site: Site, ask: Ask, letters: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the table does not answer")

    monkeypatch.setattr(app.api()._site.audit, "discarded", fail)
    assert ask.act(f"{ALL}/discard", {"ids": list(letters.values()), "reason": "test"}).status == 500
    assert ask("GET", ALL).json["count"] == 2


def test_a_refusal_for_one_message_does_not_stop_the_others_and_is_reported(
    site: Site, ask: Ask, letters: dict[str, str]
) -> None:
    site.sqs.delete_queue(QueueUrl=site.queues["work"])
    answer = ask.act(f"{ALL}/replay", {"ids": [*letters.values(), "gone"]})
    assert (answer.status, answer.message) == (202, "1 replayed, 1 not")
    assert (answer.json["done"], answer.json["missing"]) == ([letters["refused"]], ["gone"])
    (failed,) = answer.json["failed"]
    assert failed["id"] == letters["parked"]
    assert failed["reason"].startswith("SendMessage was refused: ")
    assert site.messages("dlq") == [json.loads(PARKED)]


def test_when_aws_stops_answering_the_done_part_is_reported_and_the_rest_stays(
    site: Site, ask: Ask, letters: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    audit: Any = app.api()._site.audit
    discarded = audit.discarded
    noted: list[str] = []

    def once(who: str, **said: str) -> None:
        if noted:
            raise EndpointConnectionError(endpoint_url="http://dynamodb")
        noted.append(said["message"])
        discarded(who, **said)

    with monkeypatch.context() as patched:
        patched.setattr(audit, "discarded", once)
        answer = ask.act(f"{ALL}/discard", {"ids": list(letters.values()), "reason": "made by a test"})
    assert (answer.status, answer.json["done"]) == (200, noted)
    (left,) = set(letters.values()) - set(noted)
    assert [one["id"] for one in answer.json["failed"]] == [left]
    assert "AWS did not answer" in answer.message
    assert [one["id"] for one in ask("GET", ALL).json["nodes"]] == [left]  # given back, not held for two minutes


def test_an_action_on_as_many_as_may_be_named_is_in_the_audit_log_with_each_of_them(site: Site, ask: Ask) -> None:
    ids = [str(uuid.UUID(int=number)) for number in range(100)]
    for path, more in (("replay", {}), ("discard", {"reason": "r" * 1000})):
        assert ask.act(f"{ALL}/{path}", {"ids": ids, **more}).json["missing"] == ids
        (entry,) = [one for one in site.audit() if one["action"] == f"POST {ALL}/{path}"]
        assert json.loads(entry["detail"]) == {"ids": ids, **more}


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("replay", {}, "all"),
        ("replay", {"all": True, "ids": ["x"]}, "all"),
        ("replay", {"ids": ["a b"]}, "ids"),
        ("replay", {"ids": ["x"] * 101}, "at most 100"),
        ("discard", {"ids": ["x"] * 101, "reason": "test"}, "at most 100"),
        ("discard", {"ids": [], "reason": "test"}, "ids"),
        ("discard", {"ids": ["x"]}, "reason"),
        ("discard", {"ids": ["x"], "reason": "  "}, "reason"),
    ],
)
def test_a_malformed_request_moves_no_message(
    site: Site, ask: Ask, letters: dict[str, str], path: str, body: dict[str, Any], word: str
) -> None:
    answer = ask.act(f"{ALL}/{path}", body)
    assert (answer.status, word in answer.message) == (400, True), answer.text
    assert len(site.messages("dlq")) == 2


@pytest.fixture
def notifications(monkeypatch: pytest.MonkeyPatch) -> Stubber:
    """Lambda with what it answers to those who invoke a function."""
    client = boto3.client("lambda")
    others: Callable[..., Any] = boto3.client
    monkeypatch.setattr(boto3, "client", lambda name, **more: client if name == "lambda" else others(name, **more))
    stubber = Stubber(client)
    stubber.activate()
    return stubber


def test_an_event_of_ecr_that_was_not_published_goes_back_to_the_function_that_failed_at_it(
    primary: Site, ask: Ask, notifications: Stubber
) -> None:
    event = json.loads((ROOT / "events" / "functions" / "notifications-ecr-push.json").read_text())
    message = primary.send_dead_letter(gave_up(event, error="SNS refused it"))
    invocation = {"FunctionName": "geosync-dublin-notifications", "InvocationType": "Event"}
    payload = {"Payload": json.dumps(event).encode()}
    notifications.add_client_error("invoke", "TooManyRequestsException", expected_params=invocation | payload)
    notifications.add_response("invoke", {"StatusCode": 202}, invocation | payload)

    (node,) = ask("GET", ALL).json["nodes"]
    assert (node["kind"], node["goes_to"]) == ("unpublished", "notifications")
    assert node["about"] == "my-repository-name latest"
    assert node["reason"].endswith("SNS refused it")
    refused = ask.act(f"{ALL}/replay", {"all": True}).json
    assert refused["failed"] == [{"id": message, "reason": "Invoke was refused: TooManyRequestsException"}]
    assert ask("GET", ALL).json["count"] == 1
    assert ask.act(f"{ALL}/replay", {"all": True}).json["done"] == [message]
    notifications.assert_no_pending_responses()
    assert [primary.messages(queue) for queue in ("dlq", "events", "work")] == [[], [], []]


def test_an_event_of_ecr_that_nobody_wants_is_discarded_and_the_audit_log_has_it(primary: Site, ask: Ask) -> None:
    event = json.loads((ROOT / "events" / "functions" / "notifications-ecr-push.json").read_text())
    message = primary.send_dead_letter(gave_up(event))
    assert ask.act(f"{ALL}/discard", {"ids": [message], "reason": "a test"}).json["done"] == [message]
    assert primary.messages("dlq") == []
    (kept,) = [entry for entry in primary.audit() if entry["action"] == f"discard {message}"]
    assert json.loads(kept["body"])["requestPayload"] == event
