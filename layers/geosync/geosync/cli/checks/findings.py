"""A finding: what was looked at, how it is, and the way to fix it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from botocore.exceptions import BotoCoreError, ClientError

from geosync.errors import GeosyncError

Result = Literal["ok", "problem", "unknown", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of `geosync check`. `fix` says what to do about a problem, or about what could not be looked at."""

    name: str
    result: Result
    text: str
    fix: str | None = None


def ok(name: str, text: str) -> Finding:
    """All is well."""
    return Finding(name=name, result="ok", text=text)


def problem(name: str, text: str, fix: str) -> Finding:
    """Something is wrong, and here is the way to fix it."""
    return Finding(name=name, result="problem", text=text, fix=fix)


def unknown(name: str, text: str, fix: str) -> Finding:
    """It could not be looked at."""
    return Finding(name=name, result="unknown", text=text, fix=fix)


def skipped(name: str, text: str, fix: str) -> Finding:
    """It was not asked for; `fix` says how to ask."""
    return Finding(name=name, result="skipped", text=text, fix=fix)


Look = Callable[[], Iterable[Finding]]


def looks(named: Iterable[tuple[str, Look]]) -> Iterator[Finding]:
    """Yield what each look finds; one that AWS refuses or that fails is `unknown`, and does not keep the others."""
    for name, look in named:
        try:
            yield from look()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            text = f"{error.operation_name} was answered with {code}"
            yield unknown(
                name, text, f"give the caller the permission for {error.operation_name}, or see the message: {error}"
            )
        except (BotoCoreError, GeosyncError) as error:
            yield unknown(name, str(error), "see the message")


def exit_code(findings: Iterable[Finding]) -> int:
    """0: all that was looked at is ok; 1: there is a problem; 2: none, but something could not be looked at."""
    results = {finding.result for finding in findings}
    if "problem" in results:
        return 1
    return 2 if "unknown" in results else 0
