"""A pytest plugin that notes which IAM actions the code of each function asks for while its functional tests run.

    pytest -p tests.support.aws_actions --aws-actions FOLDER tests/functional

writes {"notifications": ["dynamodb:BatchWriteItem", …], …} into a file of its own in FOLDER, each process of a run that
has several; `seen` puts them together. A test belongs to the function whose folder it is in
(tests/functional/<function>/). Calls that a test makes, to arrange or to look, do not count, with the library's help or
without: a call counts when code of functions/ is on the stack, or code of the layer in a thread that it started.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from botocore.client import BaseClient

ROOT = Path(__file__).parents[2]
FUNCTIONAL = ROOT / "tests" / "functional"
HANDLERS = f"{ROOT / 'functions'}/"
LIBRARY = f"{ROOT / 'layers'}/"
PLAYED = f"{FUNCTIONAL / 'pull'}/"
"""In these tests a holder works, whom the test plays, while the function waits for it."""

# What IAM asks for where it is not the operation's own name. A transaction asks for the action of each of its parts.
_ACTIONS = {
    "lambda:Invoke": "lambda:InvokeFunction",
    "sns:PublishBatch": "sns:Publish",
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
}
_S3 = {
    "CreateMultipartUpload": ["s3:PutObject"],
    "UploadPartCopy": ["s3:PutObject", "s3:GetObject"],
    "CompleteMultipartUpload": ["s3:PutObject"],
    "HeadObject": ["s3:GetObject"],
}
# What an operation needs beside its own name when it is given this parameter.
_WITH = {"ecr:CreateRepository": {"tags": "ecr:TagResource"}}
_TRANSACTIONS = {"dynamodb:TransactWriteItems", "dynamodb:TransactGetItems"}
_PARTS = {
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
    "Get": "dynamodb:GetItem",
}


def actions(service: str, operation: str, parameters: Mapping[str, Any]) -> Iterable[str]:
    """Return the IAM actions that one call needs."""
    name = f"{service}:{operation}"
    if name in _TRANSACTIONS:
        return {_PARTS[part] for item in parameters["TransactItems"] for part in item}
    if service == "s3" and operation in _S3:
        return _S3[operation]
    more = {action for parameter, action in _WITH.get(name, {}).items() if parameters.get(parameter)}
    return {_ACTIONS.get(name, name), *more}


KEYS = " keys"
"""Ends the name under which the partitions that a function writes to are noted, as `partitions` has them."""
_SHOWN = 12
"""Characters of a partition that are noted: conditions name what it begins with."""
_CHANGES = ("Put", "Update", "Delete")


def partitions(service: str, operation: str, parameters: Mapping[str, Any]) -> Iterator[str]:
    """Yield `dynamodb:DeleteItem repository #site` for each item that one call writes, which IAM may have a word in."""
    if service != "dynamodb":
        return
    if operation == "BatchWriteItem":
        for requests in parameters["RequestItems"].values():
            for request in requests:
                yield from _partition(operation, next(iter(request.values())))
    elif operation == "TransactWriteItems":
        for item in parameters["TransactItems"]:
            for part in item.keys() & set(_CHANGES):
                yield from _partition(f"{part}Item", item[part])
    elif operation.removesuffix("Item") in _CHANGES:
        yield from _partition(operation, parameters)


def _partition(operation: str, written: Mapping[str, Any]) -> Iterator[str]:
    item = written.get("Key") or written.get("Item") or {}
    name = "repository" if "item" in item else "id"  # the keys of the sync registry, and of the event log
    value = item[name]["S"] if isinstance(item[name], dict) else item[name]
    yield f"dynamodb:{operation} {name} {value[:_SHOWN]}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--aws-actions", type=Path, metavar="FOLDER", help="write there the IAM actions that functions ask for"
    )


def pytest_configure(config: pytest.Config) -> None:
    if folder := config.getoption("--aws-actions"):
        config.pluginmanager.register(_Recorder(folder), "aws-actions-recorder")


def seen(folder: Path) -> dict[str, set[str]]:
    """The actions that each function asked for, as the files in `folder` say."""
    found: dict[str, set[str]] = defaultdict(set)
    for file in folder.glob("*.json"):
        for function, used in json.loads(file.read_text()).items():
            found[function] |= set(used)
    return dict(found)


class _Recorder:
    """Listens at the one place that every call of every client passes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._function: str | None = None
        self._seen: dict[str, set[str]] = defaultdict(set)
        self._call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def pytest_sessionstart(self) -> None:
        recorder = self

        def noted(client: BaseClient, operation: str, parameters: Mapping[str, Any]) -> Any:
            if recorder._function and _is_ours():
                service = client.meta.service_model.service_name
                recorder._seen[recorder._function].update(actions(service, operation, parameters))
                recorder._seen[recorder._function + KEYS].update(partitions(service, operation, parameters))
            return recorder._call(client, operation, parameters)

        BaseClient._make_api_call = noted  # type: ignore[attr-defined]

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        folder = item.path.relative_to(FUNCTIONAL).parts[0] if item.path.is_relative_to(FUNCTIONAL) else ""
        self._function = folder if (ROOT / "functions" / folder / "app.py").is_file() else None

    def pytest_sessionfinish(self) -> None:
        BaseClient._make_api_call = self._call  # type: ignore[attr-defined]
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{os.getpid()}.json"
        file.write_text(json.dumps({name: sorted(used) for name, used in self._seen.items()}))


def _is_ours() -> bool:
    ours = HANDLERS if threading.current_thread() is threading.main_thread() else (HANDLERS, LIBRARY)
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(ours):
            return True
        if path.startswith(PLAYED) and "/test_" in path:
            return False  # a test plays somebody else while the function waits
        frame = frame.f_back
    return False
