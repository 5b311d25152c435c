"""The endpoint's seconds: functions/notifications against a stub of AWS, over real connections.

    python -m bench.endpoint [--quick] [--write bench/README.md]

Each number is of a fresh interpreter that loads the function as Lambda does. The stub is a process of its own; it
answers at once, or late where a row says so, or never.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.functional.notifications import stub_aws
from tests.functional.notifications.parts import ENVIRONMENT, ROOT, StubAws

from bench import readme

HEADINGS = ("what", "least", "median", "max", "at most", "runs")

# Loads the function, answers one push, and leaves `took` (until that answer) and `post` (events) behind.
LOAD = f"""
import time
started = time.perf_counter()
import app, json, pathlib, types
path = pathlib.Path({str(ROOT / "events" / "functions" / "notifications-push.json")!r})
request = json.loads(path.read_text())
request["headers"]["Authorization"] = {stub_aws.TOKEN!r}
(event,) = json.loads(request["body"])["events"]
def post(number):
    events = [event | {{"id": f"event-{{one}}"}} for one in range(number)]
    body = json.dumps({{"events": events}})
    begun = time.perf_counter()
    status = app.handler(request | {{"body": body}}, types.SimpleNamespace(aws_request_id="r"))["statusCode"]
    return status, time.perf_counter() - begun
assert post(1)[0] == 200
took = time.perf_counter() - started
"""
# Between the two the stub is told how to behave; a line of input says that it was.
WARM = """
print("ready", flush=True)
input()
status, took = post({events})
assert status == {status}, status
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row: `events` are posted to a warm function while the stub behaves so; None: from nothing to an answer."""

    what: str
    at_most_s: float
    events: int | None = None
    status: int = 200
    behaviour: dict[str, Any] = field(default_factory=dict)


BOTH = ["PublishBatch", "BatchWriteItem"]
CASES = (
    Case(what="from a new process to the answer to its first push", at_most_s=0.5),
    Case(what="1 push, 200 ms a call", at_most_s=0.38, events=1, behaviour={"seconds": 0.2}),
    Case(what="500 events, 20 ms a call", at_most_s=0.5, events=500, behaviour={"seconds": 0.02}),
    Case(what="1 push, the topic hangs", at_most_s=6, events=1, status=503, behaviour={"hanging": BOTH[:1]}),
    Case(what="500 events, both hang", at_most_s=8, events=500, status=503, behaviour={"hanging": BOTH}),
)


@contextmanager
def stub() -> Iterator[StubAws]:
    """Run the stub of AWS."""
    command = [sys.executable, stub_aws.__file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - PIPE
        yield StubAws(int(process.stdout.readline()))
        process.terminate()


def measure(aws: StubAws, case: Case) -> float:
    """Return the seconds of one run of a case. Raises RuntimeError when the function fails."""
    aws.behave()
    warm = "" if case.events is None else WARM.format(events=case.events, status=case.status)
    code = f"{LOAD}{warm}\nprint(); print(took)"
    environment = ENVIRONMENT | {
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_LAMBDA_FUNCTION_NAME": "notifications",
        "PYTHONPATH": f"{ROOT / 'layers' / 'geosync'}:{ROOT / 'functions' / 'notifications'}",
    }
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, **pipes) as process:
        if warm:
            for line in process.stdout:  # type: ignore[union-attr]
                if line == "ready\n":
                    break
            aws.behave(**case.behaviour)
        printed, _ = process.communicate("\n")
    if process.returncode:
        raise RuntimeError(f"{case.what}: the function failed")
    return float(printed.splitlines()[-1])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; 1 when even the least is over its bound: whatever else the machine does only adds."""
    parser = argparse.ArgumentParser(prog="python -m bench.endpoint", description="The endpoint's seconds")
    parser.add_argument("--quick", action="store_true", help="few runs: a look, no measurement")
    parser.add_argument("--write", type=Path, help="a file that has the marks of the table")
    options = parser.parse_args(arguments)
    rows: list[tuple[str, ...]] = []
    losses: list[str] = []
    with stub() as aws:
        for case in CASES:
            hangs = "hanging" in case.behaviour
            runs = 1 if hangs or options.quick else 15
            took = [measure(aws, case) for _ in range(runs)]
            if min(took) > case.at_most_s:
                losses.append(f"{case.what}: {min(took):.2f} s, and at most {case.at_most_s:g} s is asked for")
            seconds = (f"{value:.2f} s" for value in (min(took), statistics.median(took), max(took)))
            rows.append((case.what, *seconds, f"{case.at_most_s:g} s", f"{runs}"))
    readme.tell("endpoint", readme.table(HEADINGS, rows), losses, path=options.write)
    return 1 if losses else 0


if __name__ == "__main__":
    sys.exit(main())
