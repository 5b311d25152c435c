"""Lambda's record of an event that it gave up on, as the DLQ has it: what it is about, why, and the event itself."""

from __future__ import annotations

import json

import pytest
from tests.support.letters import gave_up, letter
from tests.unit.template.parts import ROOT

from geosync.notifications.formats import ecr
from geosync.operating import failed_events

PUSH = json.loads((ROOT / "events" / "functions" / "notifications-ecr-push.json").read_text())
DIGEST = PUSH["detail"]["image-digest"]


def test_a_record_says_what_it_is_about_why_and_which_event_it_was() -> None:
    found = failed_events.read(gave_up(PUSH, error="SNS refused it"))
    assert found is not None
    assert found.about == "my-repository-name latest"
    assert found.reason == "functions/notifications failed at it 3 times: SNS refused it"
    assert json.loads(found.event) == PUSH


def test_an_event_without_a_tag_is_named_by_its_digest() -> None:
    detail = {key: value for key, value in PUSH["detail"].items() if key != "image-tag"}
    found = failed_events.read(gave_up(PUSH | {"detail": detail}))
    assert found is not None
    assert found.about == f"my-repository-name {DIGEST}"


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("EventAgeExceeded", "could not take it within six hours"),
        ("SomethingNew", "Lambda gave up on it: SomethingNew"),
    ],
)
def test_a_record_without_an_error_says_what_lambda_says(condition: str, says: str) -> None:
    found = failed_events.read(gave_up(PUSH, condition=condition))
    assert found is not None
    assert says in found.reason
    assert "log" in found.reason


def test_a_reason_has_an_end() -> None:
    found = failed_events.read(gave_up(PUSH, error="x" * 100_000))
    assert found is not None
    assert len(found.reason) == failed_events.REASON_LENGTH


@pytest.mark.parametrize(
    "body",
    [
        "no JSON",
        "[" * 100_000,
        "[]",
        "{}",
        json.dumps({"requestPayload": PUSH | {"source": "somebody"}}),
        json.dumps({"requestPayload": {"source": "aws.ecr"}}),
        json.dumps(PUSH),
    ],
)
def test_other_messages_are_none(body: str) -> None:
    assert failed_events.read(body) is None


@pytest.mark.parametrize("detail", [None, "text", [], {"repository-name": 7}])
def test_an_event_may_hold_anything(detail: object) -> None:
    assert failed_events.read(gave_up(PUSH | {"detail": detail})) is not None


def test_the_source_is_that_of_ecr_s_events() -> None:
    assert failed_events.SOURCE == ecr.SOURCE


def test_only_what_lambda_sent_goes_back_to_the_function() -> None:
    # A message with a kind was refused by a function: its body is whatever somebody sent.
    for kind in ("refused", "parked", "crashed"):
        assert letter(1, gave_up(PUSH), kind=kind).goes_to == "events"
    assert letter(1, gave_up(PUSH), kind=failed_events.UNPUBLISHED).goes_to == "notifications"
    assert letter(1, "{}", kind=failed_events.UNPUBLISHED).goes_to == "events"
