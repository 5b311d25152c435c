"""Events while AWS throttles, with AWS's own answers: each is marked, or its message comes again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.functional.log_cursor.parts import DONE, Site, again, handle, push
from tests.support.throttled import throttled

from geosync.aws.errors import WAY_OUT

Log = Callable[[], list[dict[str, Any]]]
NAMES = [f"group/app-{number}" for number in range(10)]


def test_messages_whose_writes_dynamodb_refuses_come_again(site: Site) -> None:
    with throttled("dynamodb") as throttle:
        assert handle(*map(push, NAMES)) == again(*range(10))
    assert throttle.refused["dynamodb:BatchGetItem"] > 1, "the SDK has tried again"
    assert site.dead_letters() == []
    assert handle(*map(push, NAMES)) == DONE
    assert [site.owed(name) for name in NAMES] == [["tag#v1"]] * 10


@pytest.mark.parametrize(
    ("service", "operation", "message"),
    [
        ("DynamoDB", "BatchGetItem", "event_not_marked"),
        ("DynamoDB", "UpdateItem", "event_not_marked"),
        ("SQS", "SendMessageBatch", "wakes_not_sent"),
    ],
)
def test_the_log_names_the_call_that_was_throttled(
    site: Site, log: Log, service: str, operation: str, message: str
) -> None:
    handle(push("group/app"))
    with throttled(service.lower(), operations=(operation,)):
        handle(push("group/app", "v2"))
    (line,) = [line for line in log() if line["message"] == message]
    assert f"AWS throttles {service} {operation}; {WAY_OUT} [" in line["reason"]


def test_a_partial_read_is_read_to_its_end(site: Site) -> None:
    handle(*map(push, NAMES))
    with throttled("dynamodb", every=3) as throttle:
        assert handle(*(push(name, "v2") for name in NAMES)) == DONE
    assert throttle.halved["dynamodb:BatchGetItem"] > 0
    assert [sorted(site.owed(name)) for name in NAMES] == [["tag#v1", "tag#v2"]] * 10


def test_a_mark_is_kept_although_sqs_refuses_its_wake(site: Site) -> None:
    with throttled("sqs", every=2) as throttle:
        assert handle(*map(push, NAMES)) == DONE
        assert handle(*(push(name, "v2") for name in NAMES)) == DONE
    assert throttle.refused.total() + throttle.halved.total() > 0
    assert all(site.owed(name) for name in NAMES), "the sweep wakes whom no wake reached"
    assert site.dead_letters() == []
