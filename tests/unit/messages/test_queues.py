"""Sending to a queue: every message in the group of its namespace, ten in a request, and what is not taken is said."""

from __future__ import annotations

import json
from typing import Any

import pytest

from geosync.errors import NotSent
from geosync.messages.groups import SITE_GROUP, group_of_body, message_group
from geosync.messages.queues import Queue
from geosync.messages.work import CatalogueMessage, VerifyMessage, WorkMessage


class Sqs:
    """Takes messages, but for those whose body holds `refusing`."""

    def __init__(self, refusing: str = "never") -> None:
        self.batches: list[list[dict[str, Any]]] = []
        self.sent: list[dict[str, Any]] = []
        self.refusing = refusing

    def send_message(self, **message: Any) -> None:
        self.sent.append(message)

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        assert QueueUrl == "work"
        self.batches.append(Entries)
        failed = [{"Id": one["Id"], "Code": "Throttled"} for one in Entries if self.refusing in one["MessageBody"]]
        return {"Failed": failed} if failed else {}

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803
        assert QueueUrl == "work"
        return {"Attributes": dict.fromkeys(AttributeNames, "3")}


def queue(sqs: Sqs) -> Queue:
    client: Any = sqs
    return Queue(client, "work")


def wakes(count: int) -> list[WorkMessage]:
    return [WorkMessage(repository=f"group-{number}/app", reason="event") for number in range(count)]


def test_messages_go_ten_in_a_request_each_in_its_group() -> None:
    sqs = Sqs()
    assert queue(sqs).send_all(wakes(23)) == 23
    assert [len(batch) for batch in sqs.batches] == [10, 10, 3]
    for batch in sqs.batches:
        assert len({entry["Id"] for entry in batch}) == len(batch)
        for entry in batch:
            assert entry["MessageGroupId"] == message_group(json.loads(entry["MessageBody"])["repository"])


def test_nothing_to_send_is_no_request() -> None:
    sqs = Sqs()
    assert queue(sqs).send_all([]) == 0
    assert sqs.batches == []


def test_refused_messages_are_reported() -> None:
    with pytest.raises(
        NotSent, match=r"1 of 10 messages were not taken: AWS throttles SQS SendMessageBatch; .* \[Throttled\]"
    ):
        queue(Sqs(refusing="group-13/")).send_all(wakes(23))


def test_one_message_has_its_group_too() -> None:
    sqs = Sqs()
    for message in (
        WorkMessage(repository="group/app", reason="resync"),
        VerifyMessage(repository="group/other"),
        VerifyMessage(scope="all", asked_at=1),
        CatalogueMessage(),
    ):
        queue(sqs).send(message)
    group = message_group("group/whatever")
    assert [one["MessageGroupId"] for one in sqs.sent] == [group, group, SITE_GROUP, SITE_GROUP]


@pytest.mark.parametrize(
    ("body", "group"),
    [
        ('{"repository": "group/app", "tag": "v1"}', message_group("group/app")),
        ('{"kind": "catalogue"}', SITE_GROUP),
        ('{"repository": 7}', SITE_GROUP),
        ("not JSON ÿ", SITE_GROUP),
        ("[]", SITE_GROUP),
        ("[" * 10_000, SITE_GROUP),
    ],
)
def test_a_message_that_is_sent_as_it_was_found_has_the_group_that_it_names(body: str, group: str) -> None:
    sqs = Sqs()
    queue(sqs).send_body(body, {"kind": "refused"})
    assert group_of_body(body) == group == sqs.sent[0]["MessageGroupId"]
    assert sqs.sent[0]["MessageBody"] == body
    assert sqs.sent[0]["MessageAttributes"]["kind"] == {"DataType": "String", "StringValue": "refused"}


def test_a_count_is_of_what_waits_or_of_everything() -> None:
    assert queue(Sqs()).waiting() == 3
    assert queue(Sqs()).messages() == 9


@pytest.mark.parametrize("reason", ["event", "sweep", "resync", "replay"])
def test_every_reason_is_read_as_it_was_sent(reason: Any) -> None:
    message = WorkMessage(repository="group/app", reason=reason)
    assert WorkMessage.from_json(message.to_json()) == message


def test_what_the_previous_version_sent_is_read() -> None:
    body = '{"version":"1","kind":"work","repository":"group/app","reason":"sweep","references":["tag#v1"]}'
    assert WorkMessage.from_json(body).reason == "sweep"
