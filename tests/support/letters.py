"""A dead-letter queue in memory, as functions/reconcile counts it and looks through it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any

from geosync.operating.dead_letters import DeadLetter, Sifted


def gave_up(event: dict[str, Any], *, condition: str = "RetriesExhausted", error: str | None = None) -> str:
    """The record that Lambda sends of an event that functions/notifications was invoked with."""
    context: dict[str, Any] = {
        "requestId": "e4b46cbf-b738-4e49-8880-a18cdf61200e",
        "functionArn": "arn:aws:lambda:us-west-2:123456789012:function:geosync-dublin-notifications:$LATEST",
        "condition": condition,
        "approximateInvokeCount": 3,
    }
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": "2026-11-24T05:16:05.568Z",
        "requestContext": context,
        "requestPayload": event,
    }
    if error is not None:
        record["responseContext"] = {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
        record["responsePayload"] = {"errorMessage": error, "errorType": "NotPublished"}
    return json.dumps(record)


def no_event(event: str) -> None:
    """Fail: the DLQ has no event of Amazon ECR."""
    raise AssertionError(event)


class LetterBox:
    """Letters in a list; `in_hand` of them are in flight."""

    def __init__(self, letters: list[DeadLetter] | None = None) -> None:
        self.letters = letters if letters is not None else []
        self.in_hand = 0
        self.looks = 0

    def dead_letters(self) -> int:
        return len(self.letters)

    def sift(self, unneeded: Callable[[Sequence[DeadLetter]], Collection[DeadLetter]], *, most: int) -> Sifted:
        self.looks += 1
        seen = self.letters[: max(min(most, len(self.letters)) - self.in_hand, 0)]
        gone = {letter.id for letter in unneeded(seen)}
        self.letters = [letter for letter in self.letters if letter.id not in gone]
        return Sifted(left=tuple(letter for letter in seen if letter.id not in gone), removed=len(gone))


def letter(
    number: int, body: str, *, kind: str = "parked", mark: str | None = None, sent_at: int | None = None
) -> DeadLetter:
    """A letter; a higher number was sent later, unless a moment is given."""
    at = number if sent_at is None else sent_at
    return DeadLetter(id=f"m-{number}", kind=kind, reason="why", sent_at=at, body=body, receipt="r", mark=mark)
