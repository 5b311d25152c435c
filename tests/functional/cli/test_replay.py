"""`geosync dlq replay`, interrupted at each of its requests: nothing is lost, and the next one brings the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from moto.core.utils import unix_time_millis
from moto.sqs import models
from tests.functional.cli.conftest import REGION
from tests.support.letters import no_event

from geosync.clock import SYSTEM_CLOCK
from geosync.messages.work import WorkMessage
from geosync.operating import dead_letters
from geosync.operating.dead_letters import DeadLetters
from geosync.sync_registry.items import Reference

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

PARKED = [
    WorkMessage(repository=f"group/app{number}", reason="replay", references=(Reference.tag("v1"),)).to_json()
    for number in range(3)
]
CRASHED = json.dumps({"version": "1", "repository": "group/other", "tag": "v9"})
POISON = "no JSON"
ALL = {*PARKED, CRASHED, POISON}


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Dying:
    """SQS for a process that dies at its request number `at`: before it is sent, or before the answer is here."""

    sqs: Any
    at: int
    sent: bool
    made: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        def request(**asked: Any) -> Any:
            if len(self.made) >= self.at:
                raise Killed  # also of what it would do on its way out
            self.made.append(name)
            if len(self.made) < self.at:
                return getattr(self.sqs, name)(**asked)
            if self.sent:
                getattr(self.sqs, name)(**asked)
            raise Killed

        return request


@dataclass(frozen=True)
class Queues:
    sqs: Any
    dlq: str
    events: str
    work: str

    def letters(self, sqs: Any = None) -> DeadLetters:
        given = cast("SQSClient", sqs or self.sqs)
        return DeadLetters(given, dlq_url=self.dlq, events_url=self.events, work_url=self.work, hand_over=no_event)

    def bodies(self, queue: str) -> list[str]:
        """What arrived in a queue."""
        found: list[str] = []
        while messages := self.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            found += [message["Body"] for message in messages]
        return found


@pytest.fixture
def queues(aws: None) -> Callable[[str], Queues]:
    sqs = boto3.client("sqs", region_name=REGION)

    def make(name: str) -> Queues:
        made = [sqs.create_queue(QueueName=f"{name}-{one}")["QueueUrl"] for one in ("dlq", "events", "work")]
        for body in (*PARKED, POISON, CRASHED):
            sqs.send_message(QueueUrl=made[0], MessageBody=body)
        return Queues(sqs, *made)

    return make


def test_a_replay_that_dies_at_any_request_loses_none_and_the_next_one_brings_the_rest(
    queues: Callable[[str], Queues], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Dying(boto3.client("sqs", region_name=REGION), at=1000, sent=True)
    assert len(list(queues("whole").letters(whole).replay_all(SYSTEM_CLOCK.now_ms()))) == len(ALL)
    requests = len(whole.made)
    assert whole.made.count("send_message") == whole.made.count("delete_message") == len(ALL)
    died = []
    for at in range(1, requests + 1):
        for sent in (False, True):
            made = queues(f"at-{at}-{sent}")
            with pytest.raises(Killed):
                list(made.letters(Dying(made.sqs, at=at, sent=sent)).replay_all(SYSTEM_CLOCK.now_ms()))
            died.append(made)
    # What the dead had in their hands is seen again.
    monkeypatch.setattr(models, "unix_time_millis", lambda: unix_time_millis() + dead_letters.LOOK_SECONDS * 1000)
    for made in died:
        list(made.letters().replay_all(SYSTEM_CLOCK.now_ms()))
        work, events = made.bodies(made.work), made.bodies(made.events)
        assert set(work) == set(PARKED)
        assert set(events) == {CRASHED, POISON}
        assert len(work) + len(events) <= len(ALL) + 1  # the one in hand is sent twice at most, which does no harm
        assert made.letters().count() == 0


def test_ctrl_c_gives_back_at_once_what_was_not_sent(queues: Callable[[str], Queues]) -> None:
    made = queues("interrupted")

    class Interrupted:
        def __getattr__(self, name: str) -> Any:
            return getattr(made.sqs, name)

        def send_message(self, **_: Any) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(made.letters(Interrupted()).replay_all(SYSTEM_CLOCK.now_ms()))
    assert {letter.body for letter in made.letters().look()} == ALL


def test_two_operators_who_replay_at_the_same_time_send_each_message_once(queues: Callable[[str], Queues]) -> None:
    made = queues("two")
    one, other = made.letters().replay_all(SYSTEM_CLOCK.now_ms()), made.letters().replay_all(SYSTEM_CLOCK.now_ms())
    first = next(one)  # it has all of them in hand by now
    assert list(other) == []
    assert {first.letter.body, *(handled.letter.body for handled in one)} == ALL
    assert sorted(made.bodies(made.work) + made.bodies(made.events)) == sorted(ALL)
