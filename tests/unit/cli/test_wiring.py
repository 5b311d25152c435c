"""What check says of the functions, by what its invocation answers."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any, cast

import boto3
import pytest
from tests.support.findings import problem

from geosync.cli.checks.findings import CheckFinding
from geosync.cli.checks.wiring import look_at_log_cursor, look_at_reconcile, look_at_s3_copies, look_at_sync
from geosync.cli.site import AwsAccess, StackSite

Look = Callable[[StackSite], Iterator[CheckFinding]]


class Lambda:
    """Answers an invocation with a given payload."""

    def __init__(self, payload: bytes, error: str | None) -> None:
        self._answer: dict[str, Any] = {"Payload": io.BytesIO(payload)}
        if error is not None:
            self._answer["FunctionError"] = error

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert FunctionName in {f"geosync-oregon-{name}" for name in ("reconcile", "log-cursor", "sync")}
        assert json.loads(Payload) in ({}, {"Records": []}, {"probe": "s3", "repository": "team/app"})
        assert ("reconcile" in FunctionName) == (json.loads(Payload) == {})
        return self._answer


class Session:
    def __init__(self, client: Lambda) -> None:
        self._client = client

    def client(self, service: str, **_: object) -> Lambda:
        assert service == "lambda"
        return self._client


def look(payload: bytes, error: str | None = None, *, at: Look = look_at_reconcile, bucket: str = "") -> CheckFinding:
    site = StackSite(
        access=AwsAccess(session=cast(boto3.Session, Session(Lambda(payload, error)))),
        stack="geosync-oregon",
        region="us-west-2",
        state="CREATE_COMPLETE",
        parameters={"SiteName": "oregon", "SiteRole": "secondary", "LocalRegistryBucket": bucket},
        outputs={
            "ReconcileFunction": "geosync-oregon-reconcile",
            "LogCursorFunction": "geosync-oregon-log-cursor",
            "SyncFunction": "geosync-oregon-sync",
        },
    )
    (finding,) = at(site)
    return finding


def test_tasks_that_are_done_are_ok() -> None:
    finding = look(b'{"subscription": "done", "sweep": "done"}')
    assert (finding.result, finding.text) == ("ok", "done: subscription, sweep")


def test_a_task_that_failed_is_named_with_its_error() -> None:
    finding = problem([look(b'{"subscription": "NotFoundException", "sweep": "done"}')], "reconcile")
    assert "subscription (NotFoundException)" in finding.text


@pytest.mark.parametrize(
    "payload", [b'{"errorMessage": "Unable to import module \'app\'", "errorType": "X"}', b"Unable to import module"]
)
def test_a_function_that_fails_is_a_problem_with_what_it_said(payload: bytes) -> None:
    finding = problem([look(payload, "Unhandled")], "reconcile")
    assert "Unable to import module" in finding.text
    assert "Architecture" in (finding.fix or "")


def test_an_unknown_answer_is_a_problem() -> None:
    problem([look(b'"null"')], "reconcile")


def test_a_sync_function_that_starts_is_ok_and_one_that_does_not_is_a_problem() -> None:
    assert look(b'{"batchItemFailures": []}', at=look_at_sync).result == "ok"
    finding = problem([look(b'{"errorMessage": "No module named jwt"}', "Unhandled", at=look_at_sync)], "sync")
    assert "No module named jwt" in finding.text


@pytest.mark.parametrize(
    ("answer", "result", "fix"),
    [
        ({"result": "ok", "text": "S3 copied it"}, "ok", ""),
        ({"result": "problem", "text": "AccessDenied"}, "problem", "docs/bucket-to-bucket.md"),
        ({"result": "unknown", "text": "no image"}, "unknown", "--repository"),
        ({"batchItemFailures": []}, "unknown", "--repository"),
    ],
)
def test_the_probe_of_s3_is_told_as_the_function_saw_it(answer: dict[str, Any], result: str, fix: str) -> None:
    def at(site: StackSite) -> Iterator[CheckFinding]:
        return look_at_s3_copies(site, "team/app")

    finding = look(json.dumps(answer).encode(), at=at, bucket="layers")
    assert (finding.name, finding.result) == ("s3_copies", result)
    if result == "problem":
        assert problem([finding], "s3_copies").text == "AccessDenied"
    assert fix in (finding.fix or "")
    with pytest.raises(ValueError, match="not enough values"):
        look(b"{}", at=at)  # no bucket, no finding


def test_a_log_cursor_function_that_starts_is_ok_and_one_that_does_not_is_a_problem() -> None:
    assert look(b'{"batchItemFailures": []}', at=look_at_log_cursor).result == "ok"
    failure = b'{"errorMessage": "LIVE_QUEUE_URL is missing"}'
    assert "LIVE_QUEUE_URL" in problem([look(failure, "Unhandled", at=look_at_log_cursor)], "log_cursor").text
