"""A finding of `geosync check`: the thing looked at, its state, and the way to fix it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from botocore.exceptions import BotoCoreError, ClientError

from geosync.aws.errors import THROTTLED
from geosync.cli.output import CANNOT_TELL, NOTHING_OWED, SOMETHING_WRONG
from geosync.errors import GeosyncError

Result = Literal["ok", "problem", "unknown", "skipped"]
Name = Literal[
    "stack",
    "clock",
    "endpoint_reachable",
    "wrong_token_refused",
    "token_accepted",
    "registry_sends_the_token",
    "notifications_well_formed",
    "pulls_ignored",
    "replication_enabled",
    "reports_arrive",
    "subscription",
    "events_are_taken",
    "live_is_taken",
    "work_is_taken",
    "concurrency",
    "api_rate",
    "topic_rate",
    "table_units",
    "event_log",
    "throttled",
    "calls_throttled",
    "test_notification",
    "arrives_at",
    "not_paused",
    "registries_answer",
    "references_throttled",
    "heartbeat",
    "pushes_announced",
    "comparison",
    "nothing_parked",
    "sweep",
    "schedule",
    "reconcile",
    "log_cursor",
    "sync",
    "dlq_empty",
    "local_registry",
    "primary_registry",
    "s3_copies",
]
"""All there are; `arrives_at` is printed with the site's name behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFinding:
    """One line of `geosync check`. `fix` says what to do about a problem, or about a look that failed."""

    name: str
    result: Result
    text: str
    fix: str | None = None


def ok(name: Name, text: str, *, site: str = "") -> CheckFinding:
    """All is well. `site` is the other one that it is about."""
    return CheckFinding(name=_full(name, site), result="ok", text=text)


def problem(name: Name, text: str, fix: str, *, site: str = "") -> CheckFinding:
    """Something is wrong, and here is the way to fix it. `site` is the other one that it is about."""
    return CheckFinding(name=_full(name, site), result="problem", text=text, fix=fix)


def unknown(name: Name, text: str, fix: str) -> CheckFinding:
    """A look failed."""
    return CheckFinding(name=name, result="unknown", text=text, fix=fix)


def skipped(name: Name, text: str, fix: str) -> CheckFinding:
    """A look was not asked for; `fix` says how to ask."""
    return CheckFinding(name=name, result="skipped", text=text, fix=fix)


def _full(name: Name, site: str) -> str:
    return f"{name}_{site}" if site else name


CheckLook = Callable[[], Iterable[CheckFinding]]


def looks(named: Iterable[tuple[Name, CheckLook]]) -> Iterator[CheckFinding]:
    """Yield the findings of each look. A look that AWS refuses or that fails is `unknown`; the others go on."""
    for name, look in named:
        try:
            yield from look()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            text = f"{error.operation_name} was answered with {code}"
            if code in THROTTLED:
                yield unknown(name, f"{text}: AWS throttles", "wait a minute, and check again; see `throttled`")
                continue
            yield unknown(
                name, text, f"give the caller the permission for {error.operation_name}, or see the message: {error}"
            )
        except (BotoCoreError, GeosyncError) as error:
            yield unknown(name, str(error), "see the message")


def exit_code(findings: Iterable[CheckFinding]) -> int:
    """0: all that was looked at is ok; 1: there is a problem; 2: none, but something could not be looked at."""
    results = {finding.result for finding in findings}
    if "problem" in results:
        return SOMETHING_WRONG
    return CANNOT_TELL if "unknown" in results else NOTHING_OWED
