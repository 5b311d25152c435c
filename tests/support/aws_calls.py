"""Counts the calls to AWS that a block makes, and what docs/costs.md says they are."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient

PAGE = Path(__file__).resolve().parents[2] / "docs" / "costs.md"


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count by `service:Operation`; a transaction and a batch count their items besides, as `items written`, `read`."""
    calls: Counter[str] = Counter()
    counting = threading.Lock()
    original = BaseClient._make_api_call  # type: ignore[attr-defined]

    def noted(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> Any:
        service = client.meta.service_model.service_name
        with counting:
            calls[f"{service}:{operation}"] += 1
            if service == "dynamodb":
                calls["items written"] += _written(operation, parameters)
                calls["items read"] += _read(operation, parameters)
        return original(client, operation, parameters)

    with patch.object(BaseClient, "_make_api_call", noted):
        yield calls


def on_the_page(row: str) -> dict[str, int]:
    """Return the calls in the row of docs/costs.md that begins with `row`: `2 dynamodb:Query, 1 sns:Publish`."""
    (line,) = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| {row} |")]
    return {name: int(number) for number, name in re.findall(r"(\d+) `?([a-z]+:[A-Za-z]+|items \w+)`?", line)}


def _written(operation: str, parameters: Mapping[str, Any]) -> int:
    """A write of a transaction is charged as two."""
    if operation == "TransactWriteItems":
        return 2 * len(parameters["TransactItems"])
    if operation == "BatchWriteItem":
        return sum(len(requests) for requests in parameters["RequestItems"].values())
    return int(operation in {"PutItem", "UpdateItem", "DeleteItem"})


def _read(operation: str, parameters: Mapping[str, Any]) -> int:
    """A query of little counts as one item."""
    if operation == "BatchGetItem":
        return sum(len(request["Keys"]) for request in parameters["RequestItems"].values())
    return int(operation in {"GetItem", "Query"})
