"""The dead-letter queue: its messages, why each is there, the way back, and the way out.

Four kinds end there: `parked` (a reference that failed for good: a work message that marks it anew), `refused` (a
message that cannot be read, with the reason), `crashed` (by redrive: the function died before it could mark), and
`unpublished` (an event of Amazon ECR that functions/notifications failed at: Lambda's record of it).
A queue cannot be read without taking its messages out of others' sight for a moment, so a look gives them back.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from geosync.messages.queues import Queue
from geosync.messages.work import KINDS
from geosync.operating import failed_events
from geosync.operating.failed_events import UNPUBLISHED, FailedEvent

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LOOK_SECONDS = 120
"""Time for which a message that is listed or replayed is out of others' sight, unless it is given back before."""
WAIT_SECONDS = 1
"""Of each request for messages: a short poll asks only some of the servers."""
MOST = 1000
"""Messages that one look goes through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One message of the DLQ. `sent_at` is in milliseconds; `receipt` deletes the message while it is out of sight.

    `mark` is the mark of the reference that was parked; None in messages of other kinds, and of earlier versions.
    """

    id: str
    kind: str
    reason: str
    sent_at: int
    body: str
    receipt: str = field(repr=False)
    mark: str | None = field(default=None, repr=False)

    @property
    def about(self) -> str:
        """The repository and the references that the message names, as far as it can be read."""
        if (failed := self.failed_event) is not None:
            return failed.about
        try:
            fields = json.loads(self.body)
            whole = "help" if "help" in fields else "*"
            names = fields.get("references") or [fields.get("tag") or fields.get("digest") or whole]
            return f"{fields['repository']} {' '.join(map(str, names))}"
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
            return f"{self.body[:60]}…" if len(self.body) > 60 else self.body

    @property
    def failed_event(self) -> FailedEvent | None:
        """The event of a registry that was not published; None for a message of a queue."""
        return failed_events.read(self.body) if self.kind == UNPUBLISHED else None

    @property
    def goes_to(self) -> Literal["notifications", "work", "events"]:
        """Where it came from, and a replay sends it: functions/notifications, the work queue or the events queue."""
        if self.failed_event is not None:
            return "notifications"
        try:
            kind = json.loads(self.body).get("kind")
        except (ValueError, AttributeError, RecursionError):
            return "events"
        return "work" if kind in KINDS else "events"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """The outcome for one message. `failure`: a refusal of AWS that leaves it in the DLQ; None: it is done."""

    letter: DeadLetter
    failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifted:
    """The outcome of `sift`: the messages that are left, and how many were deleted."""

    left: tuple[DeadLetter, ...]
    removed: int


class DeadLetterQueue:
    """One site's DLQ, to be looked through."""

    def __init__(self, sqs: SQSClient, *, dlq_url: str) -> None:
        self._sqs = sqs
        self._dlq_url = dlq_url

    def count(self) -> int:
        """About how many messages it holds, in flight or not."""
        return Queue(self._sqs, self._dlq_url).messages()

    def look(self, most: int = MOST) -> list[DeadLetter]:
        """The messages, at most `most`; they stay where they are."""
        letters: list[DeadLetter] = []
        try:
            letters.extend(self._receive(most))
        finally:
            self._give_back(letters)
        return letters

    def find(self, id_: str) -> DeadLetter | None:
        """One message by its id; None: not here, or in somebody's hands at this moment."""
        return next((letter for letter in self.look() if letter.id == id_), None)

    def sift(self, unneeded: Callable[[Sequence[DeadLetter]], Collection[DeadLetter]], *, most: int) -> Sifted:
        """Look through at most `most` messages (and MOST), and delete those that `unneeded` names of them.

        Raises what SQS raises, and what `unneeded` raises.
        """
        letters: list[DeadLetter] = []
        gone: set[str] = set()
        try:
            letters.extend(self._receive(min(most, MOST)))
            for letter in unneeded(letters):
                self._delete(letter)
                gone.add(letter.id)
        finally:
            self._give_back(letter for letter in letters if letter.id not in gone)
        left = tuple(letter for letter in letters if letter.id not in gone)
        return Sifted(left=left, removed=len(gone))

    def _receive(self, most: int) -> Generator[DeadLetter, None, None]:
        """Yield the messages, at most `most`, each once; they are out of sight until they are deleted or given back."""
        known: set[str] = set()
        while len(known) < most:
            answer = self._sqs.receive_message(
                QueueUrl=self._dlq_url,
                MaxNumberOfMessages=min(10, most - len(known)),
                MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["SentTimestamp"],
                VisibilityTimeout=LOOK_SECONDS,
                WaitTimeSeconds=WAIT_SECONDS,
            )
            letters = [_letter(message) for message in answer.get("Messages", [])]
            fresh = [letter for letter in letters if letter.id not in known]
            if not fresh:
                return
            known.update(letter.id for letter in fresh)
            yield from self._one_by_one(deque(fresh))

    def _one_by_one(self, waiting: deque[DeadLetter]) -> Generator[DeadLetter, None, None]:
        """Yield the messages received; whoever has enough before the end has the rest given back."""
        try:
            while waiting:
                yield waiting.popleft()
        finally:
            self._give_back(waiting)

    def _delete(self, letter: DeadLetter) -> None:
        self._sqs.delete_message(QueueUrl=self._dlq_url, ReceiptHandle=letter.receipt)

    def _give_back(self, letters: Iterable[DeadLetter]) -> None:
        """Let others see the messages again. Should that fail, they are seen again after LOOK_SECONDS."""
        with suppress(BotoCoreError, ClientError):
            for letter in letters:
                self._sqs.change_message_visibility(
                    QueueUrl=self._dlq_url, ReceiptHandle=letter.receipt, VisibilityTimeout=0
                )


class DeadLetters(DeadLetterQueue):
    """One site's DLQ, and where its messages came from: queues (by URL), and functions/notifications.

    `hand_over` gives that function an event (failed_events.invoker).
    """

    def __init__(
        self, sqs: SQSClient, *, dlq_url: str, events_url: str, work_url: str, hand_over: Callable[[str], None]
    ) -> None:
        super().__init__(sqs, dlq_url=dlq_url)
        self._queues = {"events": Queue(sqs, events_url), "work": Queue(sqs, work_url)}
        self._hand_over = hand_over

    def replay(self, ids: Collection[str]) -> Iterator[Handled]:
        """Send messages back to where they came from, and yield the outcome of each.

        A message is deleted here only after its queue or Lambda has it: an interruption loses none, and what is sent
        twice does no harm. One that still cannot be read comes back with its reason. Raises botocore's errors when AWS
        does not answer, and when the DLQ cannot be read: what was not yielded then is still there.
        """
        return self._each(self._named(ids), self._send_back)

    def replay_some(self, most: int) -> Iterator[Handled]:
        """Send at most `most` messages back (and MOST), whichever come first. Else as `replay`."""
        # All are taken before the first is sent: a bad message that is replayed is back in a moment.
        return self._each(self._one_by_one(deque(self._receive(min(most, MOST)))), self._send_back)

    def replay_all(self, began_ms: int) -> Iterator[Handled]:
        """Send all messages back that are there now, at `began_ms` (ms). Else as `replay`.

        What comes later, as a bad message that was replayed does, stays.
        """
        return self._each(self._all(began_ms), self._send_back)

    def discard(self, ids: Collection[str], note: Callable[[DeadLetter], None]) -> Iterator[Handled]:
        """Delete the messages named, each after `note` wrote it down, and yield the outcome of each.

        Raises as `replay`.
        """

        def give_up(letter: DeadLetter) -> None:
            note(letter)
            self._delete(letter)

        return self._each(self._named(ids), give_up)

    def _send_back(self, letter: DeadLetter) -> None:
        if (failed := letter.failed_event) is not None:
            self._hand_over(failed.event)
        else:
            self._queues[letter.goes_to].send_body(letter.body)
        self._delete(letter)

    def _each(self, taken: Generator[DeadLetter, None, None], do: Callable[[DeadLetter], None]) -> Iterator[Handled]:
        """Take one message after the other; a refusal of AWS for one does not keep the others."""
        # Given back only in the end: given back at once, the search for the others would take it again.
        left: list[DeadLetter] = []
        try:
            with closing(taken) as letters:
                for letter in letters:
                    failure = None
                    try:
                        do(letter)
                    except ClientError as error:
                        left.append(letter)
                        failure = f"{error.operation_name} was refused: {error.response['Error']['Code']}"
                    except BaseException:
                        left.append(letter)
                        raise
                    yield Handled(letter=letter, failure=failure)
        finally:
            self._give_back(left)

    def _all(self, began_ms: int) -> Generator[DeadLetter, None, None]:
        """Yield the messages sent before `began_ms`, each once, and MOST at a time; give the others back in the end."""
        others: list[DeadLetter] = []
        tried: set[str] = set()
        try:
            while True:
                taken = list(self._receive(MOST))
                due = _due(taken, began_ms, tried)
                due_ids = {one.id for one in due}
                others.extend(one for one in taken if one.id not in due_ids)
                tried |= due_ids
                yield from self._one_by_one(deque(due))
                if not due or len(taken) < MOST:
                    return
        finally:
            self._give_back(others)

    def _named(self, ids: Collection[str]) -> Generator[DeadLetter, None, None]:
        """Yield the messages named; the others are given back in the end."""
        others, missing = [], set(ids)
        try:
            with closing(self._receive(MOST)) as letters:
                for letter in letters:
                    if letter.id not in missing:
                        others.append(letter)
                        continue
                    yield letter
                    missing.discard(letter.id)
                    if not missing:
                        return
        finally:
            self._give_back(others)


def _due(taken: list[DeadLetter], began_ms: int, tried: set[str]) -> list[DeadLetter]:
    """Return those of the messages taken that are to be replayed: sent before `began_ms`, and not tried yet.

    The first ones are there now, even if this machine's clock is behind that of SQS. One that AWS refused is in sight
    again after LOOK_SECONDS.
    """
    return [one for one in taken if one.sent_at < began_ms and one.id not in tried] if tried else taken


def _letter(message: Any) -> DeadLetter:
    attributes = {name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()}
    # Lambda's own message has none of them. One that has was sent by a function or by somebody else's topic.
    failed = None if attributes else failed_events.read(message["Body"])
    kind, reason = "crashed", "the function ended before it could mark it (see its log)"
    if failed is not None:
        kind, reason = UNPUBLISHED, failed.reason
    return DeadLetter(
        id=message["MessageId"],
        kind=attributes.get("kind", kind),
        reason=attributes.get("reason", reason),
        sent_at=int(message.get("Attributes", {}).get("SentTimestamp", 0)),
        body=message["Body"],
        receipt=message["ReceiptHandle"],
        mark=attributes.get("mark"),
    )
