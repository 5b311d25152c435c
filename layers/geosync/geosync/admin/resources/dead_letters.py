"""The dead-letter queue: list, show, replay, discard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import Field, StringConstraints

from geosync.admin.common import MOST_PER_PAGE, AnswerModel, Reason, RequestModel
from geosync.admin.current import CurrentRequest
from geosync.admin.http import HttpRefusal
from geosync.admin.site import AdminSite
from geosync.operating.dead_letters import MOST, DeadLetter, Handled
from geosync.operating.documents import letter_fields

LETTERS = "/api/v4/geo/dead_letters"
MOST_IDS = 100
"""Messages that one request names: as many as a list has. To replay or discard them takes far less than 29 s."""
MOST_REPLAYED = 300
"""Messages that one request for all of them replays: two calls of SQS for each, one after the other, within 29 s."""
MessageId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,100}$")]


class DeadLetterModel(AnswerModel):
    """A message of the dead-letter queue: what it is about, and why it is there."""

    id: str
    kind: str
    about: str
    reason: str
    sent_at: str
    goes_to: Literal["events", "work", "notifications"] = Field(
        description="Where a replay sends it: a queue, or functions/notifications."
    )


class DeadLetterDetail(DeadLetterModel):
    """A message with its body, as it is."""

    body: str


class DeadLetterList(AnswerModel):
    """The messages that could be taken now. `count` is the queue's estimate, with those in somebody's hands."""

    nodes: list[DeadLetterModel]
    count: int


class LettersToReplay(RequestModel):
    """The messages to replay: by id, or all."""

    ids: list[MessageId] = Field(default=[], max_length=MOST_IDS)
    all: bool = False


class LettersToDiscard(RequestModel):
    """The messages to give up, and the reason; the audit log keeps them."""

    ids: Annotated[list[MessageId], Field(min_length=1, max_length=MOST_IDS)]
    reason: Reason


class LetterFailed(AnswerModel):
    """A message that is still in the queue, and why."""

    id: str
    reason: str


class LettersDone(AnswerModel):
    """The outcome for each message. `missing`: not in the queue, or in somebody's hands at this moment."""

    message: str
    done: list[str]
    missing: list[str]
    failed: list[LetterFailed]
    more: bool = Field(default=False, description="true: all were asked for, and there may be more. Ask again.")


MostLetters = Annotated[int, Query(ge=1, le=MOST_PER_PAGE, description="Messages at most.")]


class DeadLetterRoutes:
    """Shows the messages of the dead-letter queue, sends them back, and gives them up."""

    def __init__(self, site: AdminSite, current: CurrentRequest) -> None:
        self._site = site
        self._current = current

    def list_letters(self, per_page: MostLetters = MOST_PER_PAGE) -> DeadLetterList:
        """The messages that can be taken now."""
        letters = self._site.letters
        return DeadLetterList(nodes=[_letter(one) for one in letters.look(per_page)], count=letters.count())

    def show_letter(self, letter_id: Annotated[MessageId, Path()]) -> DeadLetterDetail:
        """One message, with its body."""
        letter = self._site.letters.find(letter_id)
        if letter is None:
            if self._site.letters.count() > MOST:
                raise HttpRefusal(404, f"{letter_id} is not among the first {MOST} of the DLQ of {self._site.name}")
            text = f"the DLQ of {self._site.name} has no message {letter_id}, or somebody has it in hand: {LETTERS}"
            raise HttpRefusal(404, text)
        return DeadLetterDetail(**dict(_letter(letter)), body=letter.body)

    def replay_letters(self, asked: LettersToReplay) -> LettersDone:
        """Send messages back to where they came from."""
        if asked.all == bool(asked.ids):
            raise HttpRefusal(400, "name the messages (ids), or say all: one of the two")
        ids = set(asked.ids)
        if not asked.all:
            return _done(self._site.letters.replay(ids), ids, "replayed")
        done = _done(self._site.letters.replay_some(MOST_REPLAYED), ids, "replayed")
        if done.more or len(done.done) + len(done.failed) < MOST_REPLAYED:
            return done
        return done.model_copy(update={"message": f"{done.message}; there may be more: ask again", "more": True})

    def discard_letters(self, asked: LettersToDiscard) -> LettersDone:
        """Delete messages, each after the audit log has it."""
        who = self._current.caller

        def note(letter: DeadLetter) -> None:
            self._site.audit.discarded(who.name, message=letter.id, body=letter.body, reason=asked.reason)

        ids = set(asked.ids)
        return _done(self._site.letters.discard(ids, note), ids, "discarded")


def _done(handled: Iterator[Handled], ids: set[str], how: str) -> LettersDone:
    """Have the messages handled, and return the outcome for each, and for those of `ids` that were not in the queue.

    Raises botocore's errors when nothing was done before the first.
    """
    done: list[str] = []
    failed: dict[str, str] = {}
    is_broken_off = False
    try:
        for one in handled:
            if one.failure is None:
                done.append(one.letter.id)
            else:
                failed[one.letter.id] = one.failure
    except (BotoCoreError, ClientError):
        if not done:
            raise
        is_broken_off = True
        failed |= dict.fromkeys(ids - {*done, *failed}, "AWS did not answer before this one was done")
    return LettersDone(
        message=_summary(how, len(done), len(failed), is_broken_off=is_broken_off),
        done=done,
        missing=sorted(ids - {*done, *failed}),
        more=is_broken_off and not ids,
        failed=[LetterFailed(id=id_, reason=reason) for id_, reason in sorted(failed.items())],
    )


def _summary(how: str, done: int, failed: int, *, is_broken_off: bool) -> str:
    text = f"{done} {how}" + (f", {failed} not" if failed else "")
    return f"{text}; AWS did not answer: ask again for the rest" if is_broken_off else text


def _letter(letter: DeadLetter) -> DeadLetterModel:
    return DeadLetterModel(**letter_fields(letter))
