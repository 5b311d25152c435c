"""The dead-letter queue."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from geosync.admin.models.common import Answer, Request

MOST_IDS = 100
"""Messages that one request names: as many as a list has, and what is done with them ends far within 29 s."""
MessageId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"\S")]


class DeadLetter(Answer):
    """A message of the dead-letter queue: what it is about, and why it is there."""

    id: str
    kind: str
    about: str
    reason: str
    sent_at: str
    goes_to: Literal["events", "work"] = Field(description="The queue that a replay sends it to.")


class DeadLetterDetail(DeadLetter):
    """A message with its body, as it is."""

    body: str


class DeadLetterList(Answer):
    """The messages that could be taken now. `count` is the queue's own estimate, with those in somebody's hands."""

    nodes: list[DeadLetter]
    count: int


class LettersToReplay(Request):
    """Which messages: by id, or all."""

    ids: list[MessageId] = Field(default=[], max_length=MOST_IDS)
    all: bool = False


class LettersToDiscard(Request):
    """Which messages are given up, and why; the audit log keeps them."""

    ids: Annotated[list[MessageId], Field(min_length=1, max_length=MOST_IDS)]
    reason: Reason


class LetterFailed(Answer):
    """A message that is still in the queue, and why."""

    id: str
    reason: str


class LettersDone(Answer):
    """What became of each message. `missing`: not in the queue, or in somebody's hands at this moment."""

    message: str
    done: list[str]
    missing: list[str]
    failed: list[LetterFailed]
