"""Lambda's record of an event that it gave up on: the event itself, what it is about, and why.

EventBridge invokes functions/notifications with an event of Amazon ECR and waits for no answer. Lambda tries three
times, for up to six hours, and then sends a record to the DLQ ("Capturing records of Lambda asynchronous invocations").
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_lambda import LambdaClient

UNPUBLISHED = "unpublished"
"""The kind of such a dead letter."""
SOURCE = "aws.ecr"
REASON_LENGTH = 1_000
"""Characters of a reason; what the function raised may be of any length."""
_REASONS = {
    "RetriesExhausted": "functions/notifications failed at it {tries} times",
    "EventAgeExceeded": "functions/notifications could not take it within six hours",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedEvent:
    """An event of Amazon ECR that was not published. `event` is the JSON with which the function was invoked."""

    about: str
    reason: str
    event: str


def read(body: str) -> FailedEvent | None:
    """The event in a record of Lambda's; None for any other message. Raises nothing, whatever the body is."""
    try:
        record = json.loads(body)
        event = _within(record, "requestPayload")
        if _within(event, "source") != SOURCE or not isinstance(_within(event, "detail-type"), str):
            return None
        return FailedEvent(about=_about(_within(event, "detail")), reason=_reason(record), event=json.dumps(event))
    except (ValueError, RecursionError):
        return None


def invoker(client: Callable[[], LambdaClient], function: str) -> Callable[[str], None]:
    """Return what hands an event to functions/notifications as EventBridge does: Lambda keeps it, and tries again.

    `client` is asked for with the first event. What is returned raises what Lambda raises when it does not take it.
    """

    def hand_over(event: str) -> None:
        client().invoke(FunctionName=function, InvocationType="Event", Payload=event.encode())

    return hand_over


def _about(detail: object) -> str:
    """The repository and the reference that the event names, as far as it does."""
    reference = _within(detail, "image-tag") or _within(detail, "image-digest") or "*"
    return f"{_within(detail, 'repository-name') or '?'} {reference}"


def _reason(record: object) -> str:
    context = _within(record, "requestContext")
    condition, tries = _within(context, "condition"), _within(context, "approximateInvokeCount")
    why = _REASONS.get(str(condition), "Lambda gave up on it: {condition}").format(tries=tries, condition=condition)
    error = _within(_within(record, "responsePayload"), "errorMessage")
    return (f"{why}: {error}" if error else f"{why} (see its log, and its alarm of throttles)")[:REASON_LENGTH]


def _within(node: object, name: str) -> Any:
    return node.get(name) if isinstance(node, dict) else None
