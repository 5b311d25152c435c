"""What check says of the clocks, by the time that each answer has."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, cast

import boto3
import pytest
from tests.support.findings import problem

from geosync.cli.checks import clock
from geosync.cli.checks.findings import CheckFinding
from geosync.cli.site import AwsAccess, StackSite
from geosync.clock import SYSTEM_CLOCK, Clock


@contextmanager
def registry(seconds: float | None, status: int = 401) -> Iterator[str]:
    """A server whose clock is so many seconds ahead (None: it has none)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert "Authorization" not in self.headers
            self.send_response_only(status)
            if seconds is not None:
                self.send_header("Date", formatdate(time.time() + seconds, usegmt=True))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Session:
    """SQS whose answers have a time: AWS's clock is this machine's true one."""

    def __init__(self, date: str | None) -> None:
        self._headers = {} if date is None else {"date": date}

    def client(self, service: str, **_: object) -> Session:
        assert service == "sqs"
        return self

    def get_queue_attributes(self, **_: object) -> dict[str, Any]:
        return {"ResponseMetadata": {"HTTPHeaders": self._headers}}


class Ahead(Clock):
    """A machine's clock that is so many seconds ahead."""

    __slots__ = ("_seconds",)

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now_ms(self) -> int:
        return super().now_ms() + round(self._seconds * 1000)


def look(
    local: str, primary: str = "", *, machine: Clock = SYSTEM_CLOCK, aws: str | None = "now"
) -> list[CheckFinding]:
    session = Session(formatdate(time.time(), usegmt=True) if aws == "now" else aws)
    site = StackSite(
        access=AwsAccess(session=cast(boto3.Session, session), clock=machine),
        stack="geosync-oregon",
        region="us-west-2",
        state="CREATE_COMPLETE",
        parameters={"LocalRegistryUrl": local, "PrimaryRegistryUrl": primary},
        outputs={"EventsQueueUrl": "https://sqs.example.com/events"},
    )
    return list(clock.look(site))


def test_clocks_that_agree_are_ok_whatever_the_registries_answer() -> None:
    with registry(0) as local, registry(20, status=200) as primary:
        (finding,) = look(local, primary)
    assert (finding.name, finding.result) == ("clock", "ok")
    assert local in finding.text
    assert primary in finding.text


@pytest.mark.parametrize(("seconds", "said"), [(-300, "s behind AWS's clock"), (300, "s ahead of AWS's clock")])
def test_a_registry_s_clock_that_is_wrong_is_found(seconds: float, said: str) -> None:
    with registry(0) as local, registry(seconds) as primary:
        finding = problem(look(local, primary), "clock")
    assert finding.text.startswith(primary)
    assert said in finding.text
    assert "NTP" in (finding.fix or "")


@pytest.mark.parametrize(("seconds", "said"), [(-120, "s behind"), (120, "s ahead of")])
def test_this_machine_s_clock_that_is_wrong_is_found_and_no_registry_is_blamed(seconds: float, said: str) -> None:
    with registry(0) as local:
        finding = problem(look(local, machine=Ahead(seconds)), "clock")
    assert finding.text.startswith("this machine is 1")
    assert said in finding.text


def test_a_registry_without_a_time_or_without_an_answer_is_left_out() -> None:
    with registry(None) as local:
        pass  # nobody listens there any more
    with registry(None) as primary:
        (finding,) = look(local, primary)
    assert (finding.result, finding.text) == ("ok", "within 30 s of AWS's: this machine")


@pytest.mark.parametrize("date", [None, "yesterday"])
def test_without_the_time_of_aws_no_clock_is_judged(date: str | None) -> None:
    with registry(0) as local:
        (finding,) = look(local, aws=date)
    assert (finding.name, finding.result) == ("clock", "unknown")
