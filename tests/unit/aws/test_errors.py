"""An error of AWS's says which call was throttled, and what to do; any other keeps its own words."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from geosync.aws import errors as aws_errors
from geosync.errors import Contended


def error(code: str, operation: str, **more: Any) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": "Rate exceeded"}, **more}
    return ClientError(answer, operation)


@pytest.mark.parametrize(
    ("code", "operation", "call"),
    [
        ("ProvisionedThroughputExceededException", "UpdateItem", "DynamoDB UpdateItem"),
        ("RequestThrottled", "SendMessageBatch", "SQS SendMessageBatch"),
        ("Throttled", "PublishBatch", "SNS PublishBatch"),
        ("ThrottlingException", "GetSecretValue", "Secrets Manager GetSecretValue"),
        ("TooManyRequestsException", "Invoke", "Invoke"),
    ],
)
def test_a_throttled_call_is_named_with_what_to_do(code: str, operation: str, call: str) -> None:
    said = aws_errors.reason(error(code, operation))
    assert said == f"AWS throttles {call}; {aws_errors.WAY_OUT} [{code}: Rate exceeded]"
    assert aws_errors.tells_of_throttling(f"registry.example.com: {said}")


@pytest.mark.parametrize(
    ("text", "call"),
    [
        (f"a: its secret cannot be read: {aws_errors.reason(error('Throttled', 'GetSecretValue'))}", "Secrets Manager"),
        ("AWS throttles ecr:GetAuthorizationToken; it is tried again", "ecr:GetAuthorizationToken"),
        ("AWS throttles Invoke; it is tried again", "Invoke"),
        ("AWS is slow", None),
    ],
)
def test_a_text_tells_which_call_it_was(text: str, call: str | None) -> None:
    found = aws_errors.call_named_in(text)
    assert found == (f"{call} GetSecretValue" if call == "Secrets Manager" else call)


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (["InternalError", "InternalError"], "InternalError"),
        (
            ["InternalError", "RequestThrottled"],
            f"AWS throttles SQS SendMessageBatch; {aws_errors.WAY_OUT} [InternalError, RequestThrottled]",
        ),
    ],
)
def test_throttled_entries_of_a_batch_are_named_like_a_throttled_call(codes: list[str], said: str) -> None:
    assert aws_errors.reason_of_entries("SQS SendMessageBatch", iter(codes)) == said  # a queue gives them once


def test_a_transaction_that_was_cancelled_for_its_throughput_is_throttled_and_a_conflict_is_none() -> None:
    def cancelled(reason: str) -> ClientError:
        reasons = [{"Code": "None"}, {"Code": reason, "Message": "too much"}]
        return error("TransactionCanceledException", "TransactWriteItems", CancellationReasons=reasons)

    for reason in ("ThrottlingError", "ProvisionedThroughputExceeded"):
        assert aws_errors.throttled_call(cancelled(reason)) == "DynamoDB TransactWriteItems"
        assert aws_errors.reason(cancelled(reason)).endswith(f" [{reason}: too much]")
    assert aws_errors.throttled_call(cancelled("TransactionConflict")) is None


def test_an_error_of_ours_is_throttled_where_its_cause_is() -> None:
    for cause, call in ((error("Throttled", "Publish"), "SNS Publish"), (None, None)):
        try:
            raise Contended("ten times in a row") from cause
        except Contended as contended:
            assert aws_errors.throttled_call(contended) == call
            assert aws_errors.reason(contended) == "ten times in a row"


def test_any_other_error_keeps_its_text() -> None:
    denied = error("AccessDeniedException", "GetItem")
    assert aws_errors.reason(denied) == str(denied)
    assert not aws_errors.tells_of_throttling(str(denied))
    assert not aws_errors.tells_of_throttling(None)
