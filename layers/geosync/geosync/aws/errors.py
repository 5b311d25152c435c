"""AWS's errors as an operator reads them: for a throttled call, which call it was and what to do.

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
"""Error codes by DynamoDB's developer guide, "Error messages and codes", AWS's common errors, and those of SQS, SNS and
Lambda."""
THROTTLED_REASONS = frozenset({"ThrottlingError", "ProvisionedThroughputExceeded"})
"""Reasons for which DynamoDB cancels a transaction (CancellationReasons)."""
WAY_OUT = "it is tried again; if it goes on, raise the quota (docs/scale.md)"
OF_DYNAMODB = (
    *("GetItem", "BatchGetItem", "Query", "Scan", "UpdateItem", "PutItem", "DeleteItem"),
    *("BatchWriteItem", "TransactWriteItems"),
)
"""The operations on tables that Geosync calls."""
THROTTLES = "AWS throttles "
"""Begins the text of a throttled call, and finds it again in an item or in a log."""
_CALL = re.compile(THROTTLES + r"([\w:]+(?: [\w:]+){0,3})")
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

    Geosync's errors have AWS's as their cause.
    """
    while error is not None and not isinstance(error, ClientError):
        error = error.__cause__
    if error is None or not _is_throttled(error):
        return None
    return f"{_SERVICE_OF.get(error.operation_name, '')} {error.operation_name}".strip()


def reason(error: BaseException) -> str:
    """The text of an error; for a throttled call the service, the operation, what to do, and AWS's own message.

    That comes last, because a failure is cut to the length of GitLab's column.
    """
    call = throttled_call(error)
    if call is None or not isinstance(error, ClientError):
        return str(error)
    cause = next(_throttled_changes(error), error.response.get("Error", {}))
    return f"{THROTTLES}{call}; {WAY_OUT} [{cause.get('Code')}: {cause.get('Message')}]"


def reason_of_entries(call: str, codes: Iterable[str]) -> str:
    """The text for a batch of which AWS refused entries with these codes; for throttled ones as `reason`."""
    found = set(codes)
    listed = ", ".join(sorted(found))
    return f"{THROTTLES}{call}; {WAY_OUT} [{listed}]" if THROTTLED & found else listed


def tells_of_throttling(text: str | None) -> bool:
    """Tell whether a failure or a hold's reason is the text of a throttled call. For display alone."""
    return text is not None and THROTTLES in text


def call_named_in(text: str) -> str | None:
    """The throttled call that a text names, such as `SQS SendMessage`; None where it names none."""
    found = _CALL.search(text)
    return found[1] if found is not None else None


def _is_throttled(error: ClientError) -> bool:
    if error.response.get("Error", {}).get("Code") in THROTTLED:
        return True
    return any(_throttled_changes(error))


def _throttled_changes(error: ClientError) -> Iterator[Mapping[str, Any]]:
    """The cancellation reasons of a transaction's throttled changes."""
    reasons: Any = error.response.get("CancellationReasons", [])
    return (one for one in reasons if one.get("Code") in THROTTLED_REASONS)
