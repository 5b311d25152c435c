"""The errors of AWS as an operator reads them: of a throttled call which one it was, and what to do.

An error of botocore's names the operation but no service, and says "An error occurred".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

THROTTLED = frozenset(
    {
        *("ProvisionedThroughputExceededException", "RequestLimitExceeded", "Throttling", "ThrottlingException"),
        *("RequestThrottled", "Throttled", "TooManyRequestsException", "ThrottledException"),
    }
)
"""By the developer guide of DynamoDB, "Error messages and codes", the common errors of AWS, and those of SQS, SNS
and Lambda."""
THROTTLED_REASONS = frozenset({"ThrottlingError", "ProvisionedThroughputExceeded"})
"""Reasons for which DynamoDB cancels a transaction (CancellationReasons)."""
WAY_OUT = "it is tried again; if it goes on, raise the quota (docs/scale.md)"
OF_DYNAMODB = (
    *("GetItem", "BatchGetItem", "Query", "Scan", "UpdateItem", "PutItem", "DeleteItem"),
    *("BatchWriteItem", "TransactWriteItems"),
)
"""The operations on tables that Geosync asks for."""
SAID = "AWS throttles "
"""The words by which what was made of a throttled call is found again, in an item or in a log."""
_CALL_SAID = re.compile(SAID + r"([\w:]+(?: [\w:]+){0,3})")
_SERVICES = {
    "DynamoDB": OF_DYNAMODB,
    "SQS": (
        *("SendMessage", "SendMessageBatch", "ReceiveMessage", "DeleteMessage", "DeleteMessageBatch"),
        *("ChangeMessageVisibility", "GetQueueAttributes"),
    ),
    "SNS": ("Publish", "PublishBatch", "Subscribe", "ListSubscriptionsByTopic", "GetSubscriptionAttributes"),
    "Secrets Manager": ("GetSecretValue",),
    "EventBridge": ("PutEvents",),
}
_SERVICE_OF = {operation: service for service, operations in _SERVICES.items() for operation in operations}


def throttled_call(error: BaseException | None) -> str | None:
    """The call that AWS throttled, such as `DynamoDB UpdateItem`; None: the error is of another kind.

    An error of ours has AWS's as its cause.
    """
    while error is not None and not isinstance(error, ClientError):
        error = error.__cause__
    if error is None or not _is_throttled(error):
        return None
    return f"{_SERVICE_OF.get(error.operation_name, '')} {error.operation_name}".strip()


def reason(error: BaseException) -> str:
    """The text of an error: of a throttled call the service, the operation, what to do, and AWS's own words.

    These come last: a failure is cut to what GitLab's column takes.
    """
    call = throttled_call(error)
    if call is None or not isinstance(error, ClientError):
        return str(error)
    said = next(_throttled_changes(error), error.response.get("Error", {}))
    return f"{SAID}{call}; {WAY_OUT} [{said.get('Code')}: {said.get('Message')}]"


def reason_of_entries(call: str, codes: Iterable[str]) -> str:
    """The text of a batch of which AWS refused entries with these codes: of throttled ones as `reason` has it."""
    found = set(codes)
    said = ", ".join(sorted(found))
    return f"{SAID}{call}; {WAY_OUT} [{said}]" if THROTTLED & found else said


def tells_of_throttling(text: str | None) -> bool:
    """True for a text that was made of a throttled call: a failure, or a hold's reason. For what is shown of it."""
    return text is not None and SAID in text


def call_told_of(text: str) -> str | None:
    """The call that a text was made of, such as `SQS SendMessage`; None for a text that tells of no throttled call."""
    found = _CALL_SAID.search(text)
    return found[1] if found is not None else None


def _is_throttled(error: ClientError) -> bool:
    if error.response.get("Error", {}).get("Code") in THROTTLED:
        return True
    return any(_throttled_changes(error))


def _throttled_changes(error: ClientError) -> Iterator[Mapping[str, Any]]:
    """The reasons that a cancelled transaction gives, of its throttled changes."""
    reasons: Any = error.response.get("CancellationReasons", [])
    return (one for one in reasons if one.get("Code") in THROTTLED_REASONS)
