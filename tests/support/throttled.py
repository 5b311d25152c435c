"""AWS's own answers to who asks too much, as they are on the wire: whole refusals, and batches done in part.

Each service has its protocol: DynamoDB, SQS and Secrets Manager speak JSON, SNS speaks the query protocol with XML. A
test puts them in front of the fakes with `throttled`, and in front of the emulator with tests/support/aws_proxy.py.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from botocore import endpoint
from botocore.awsrequest import AWSPreparedRequest
from moto.core.botocore_stubber import BotocoreStubber

REQUEST_ID = "00000000-0000-4000-8000-000000000000"
SERVICES = {
    "DynamoDB_20120810": "dynamodb",
    "AmazonSQS": "sqs",
    "secretsmanager": "secretsmanager",
}
"""What `X-Amz-Target` begins with."""
CONFLICT, THROTTLING = "TransactionConflict", "ThrottlingError"
_MESSAGES = {
    CONFLICT: "Transaction is ongoing for the item",
    THROTTLING: "Throughput exceeds the current capacity of your table or index",
}
"""By the API reference of TransactWriteItems, "Errors"."""
SNS = "http://sns.amazonaws.com/doc/2010-03-31/"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to AWS: `dynamodb`, `BatchGetItem`, and its body."""

    service: str
    operation: str
    body: bytes

    @classmethod
    def of(cls, headers: Mapping[str, str], body: bytes) -> Asked | None:
        """Read a request; None: it is for a service that is not throttled here. Header names are in lower case."""
        prefix, _, operation = headers.get("x-amz-target", "").partition(".")
        if prefix in SERVICES:
            return cls(SERVICES[prefix], operation, body)
        if "/sns/" in headers.get("authorization", ""):
            fields = dict(pair.partition(b"=")[::2] for pair in body.split(b"&"))
            return cls("sns", fields.get(b"Action", b"").decode(), body)
        return None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of AWS's."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def refusal(asked: Asked, *, cancelled: str = CONFLICT) -> Answer:
    """The answer to a request that asks too much. A transaction is `cancelled` for that reason instead."""
    if asked.service == "dynamodb":
        if asked.operation == "TransactWriteItems":
            return _cancelled(len(json.loads(asked.body)["TransactItems"]), cancelled)
        return _json(
            "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput for the table was exceeded. "
            "Consider increasing your provisioning level with the UpdateTable API.",
        )
    if asked.service == "sqs":
        answer = _json("com.amazonaws.sqs#RequestThrottled", "Request is throttled.")
        return Answer(403, {**answer.headers, "x-amzn-query-error": "RequestThrottled;Sender"}, answer.body)
    if asked.service == "secretsmanager":
        return _json("ThrottlingException", "Rate exceeded")
    text = (
        f'<ErrorResponse xmlns="{SNS}"><Error><Type>Sender</Type><Code>Throttled</Code>'
        f"<Message>Rate exceeded</Message></Error><RequestId>{REQUEST_ID}</RequestId></ErrorResponse>"
    )
    return Answer(429, {"Content-Type": "text/xml", "x-amzn-RequestId": REQUEST_ID}, text.encode())


def _json(kind: str, message: str, **more: Any) -> Answer:
    body = json.dumps({"__type": kind, "message": message, **more}).encode()
    return Answer(400, {"Content-Type": "application/x-amz-json-1.0", "x-amzn-RequestId": REQUEST_ID}, body)


def _cancelled(changes: int, reason: str) -> Answer:
    codes = [reason, *["None"] * (changes - 1)]
    return _json(
        "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{', '.join(codes)}]",
        CancellationReasons=[
            {"Code": code, **({"Message": _MESSAGES[reason]} if code != "None" else {})} for code in codes
        ],
    )


@dataclass(slots=True)
class Part:
    """A batch of which a part is done: `asked` is what goes on to the service, `merged` makes the whole answer."""

    asked: Asked
    merged: Callable[[bytes], bytes]


def part_of(asked: Asked) -> Part | None:
    """Divide a batch of two or more: the first half is done, the rest is answered as AWS answers it. None: it is none.

    SNS takes a batch of Geosync's as a whole or not at all here: its entries are numbered fields of a form.
    """
    if asked.service not in ("dynamodb", "sqs"):
        return None
    request = json.loads(asked.body)
    if asked.operation in ("BatchGetItem", "BatchWriteItem"):
        return _part_of_a_table(asked, request)
    if asked.operation in ("SendMessageBatch", "DeleteMessageBatch") and len(request["Entries"]) > 1:
        return _part_of_a_queue(asked, request)
    return None


def _part_of_a_table(asked: Asked, request: dict[str, Any]) -> Part | None:
    ((table, wanted),) = request["RequestItems"].items()
    is_read = asked.operation == "BatchGetItem"
    items = wanted["Keys"] if is_read else wanted
    if len(items) < 2:
        return None
    half = len(items) // 2

    def with_items(some: list[Any]) -> Any:
        return {**wanted, "Keys": some} if is_read else some

    def merged(answer: bytes) -> bytes:
        left = "UnprocessedKeys" if is_read else "UnprocessedItems"
        return json.dumps({**json.loads(answer), left: {table: with_items(items[half:])}}).encode()

    body = json.dumps({**request, "RequestItems": {table: with_items(items[:half])}}).encode()
    return Part(Asked(asked.service, asked.operation, body), merged)


def _part_of_a_queue(asked: Asked, request: dict[str, Any]) -> Part:
    half = len(request["Entries"]) // 2
    refused = [
        {"Id": one["Id"], "SenderFault": False, "Code": "InternalError", "Message": "try again"}
        for one in request["Entries"][half:]
    ]

    def merged(answer: bytes) -> bytes:
        said = json.loads(answer)
        return json.dumps({**said, "Failed": [*said.get("Failed", []), *refused]}).encode()

    body = json.dumps({**request, "Entries": request["Entries"][:half]}).encode()
    return Part(Asked(asked.service, asked.operation, body), merged)


@dataclass(slots=True)
class Throttle:
    """Decides the fate of each request: of every `every` of a service the first is refused, or done in part.

    `operations`: of these alone. Transactions are `cancelled` for that reason.
    """

    services: tuple[str, ...]
    every: int = 1
    operations: tuple[str, ...] = ()
    cancelled: str = CONFLICT
    seen: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    """By `service:Operation`."""
    halved: Counter[str] = field(default_factory=Counter)

    def fate(self, asked: Asked) -> Answer | Part | None:
        """A refusal, a batch in part, or None: it goes on as it is."""
        if asked.service not in self.services or (self.operations and asked.operation not in self.operations):
            return None
        self.seen[asked.service] += 1
        if (self.seen[asked.service] - 1) % self.every:
            return None
        name = f"{asked.service}:{asked.operation}"
        part = part_of(asked) if self.every > 1 else None
        if part is not None and self.halved[name] <= self.refused[name]:
            self.halved[name] += 1
            return part
        self.refused[name] += 1
        return refusal(asked, cancelled=self.cancelled)


@contextmanager
def throttled(
    *services: str, every: int = 1, operations: tuple[str, ...] = (), cancelled: str = CONFLICT
) -> Iterator[Throttle]:
    """Have these services of moto's AWS throttle one request of `every`; the SDK's pauses take no time.

    `operations` and `cancelled` as in Throttle.
    """
    throttle = Throttle(services, every, operations, cancelled)
    answer = BotocoreStubber.process_request

    def throttling(stubber: BotocoreStubber, request: AWSPreparedRequest) -> Any:
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        asked = Asked.of(headers, _bytes(request.body))
        fate = throttle.fate(asked) if asked is not None else None
        if isinstance(fate, Answer):
            return fate.status, dict(fate.headers), fate.body
        if isinstance(fate, Part):
            request.body = fate.asked.body
            status, given, body = answer(stubber, request)  # type: ignore[misc]
            return status, given, fate.merged(_bytes(body))
        return answer(stubber, request)

    with (
        patch.object(BotocoreStubber, "process_request", throttling),
        patch.object(endpoint.time, "sleep"),  # type: ignore[attr-defined]
    ):
        yield throttle


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body or b"")
