"""The wire to the registries, in the place of geosync.oci.transport.Transport. Everything above it is real."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from random import Random
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tests.simulation.calls import Caller, Calls, Weather
from tests.simulation.registry.server import Answer, Server
from tests.simulation.scheduler import Killed, Place, Scheduler

from geosync.oci.transport import BLOCK, Broken, HttpRequest, Timeouts

LATE_S = 50.0
"""A request whose client died lands within that; the store protocol leaves it 60 s."""
GIVEN_UP_S = 50.0
"""A request whose client gave up lands within that afterwards."""
BYTES_PER_S = 20_000.0


@dataclass(slots=True)
class Faults:
    """The faults on the way to one registry, as shares of the requests."""

    refused: float = 0.0
    """No connection."""
    errors: float = 0.0
    """A 5xx, before or after the effect."""
    throttled: float = 0.0
    """A 429."""
    cut: float = 0.0
    """The connection breaks, before or after the effect, or in the middle of the body."""
    hangs: float = 0.0
    """No answer comes; the request may land much later."""

    tag_writes: float = 0.0
    """Of the manifests that are put under a tag: no answer comes, and the write may land much later."""

    def calm(self) -> None:
        """End all faults."""
        self.tag_writes = 0.0
        self.refused = self.errors = self.throttled = self.cut = self.hangs = 0.0

    @property
    def total(self) -> float:
        """The share of requests that fail in one way or another."""
        return self.refused + self.errors + self.throttled + self.cut + self.hangs


class Wire:
    """Carries requests to the registries by the names of their hosts."""

    def __init__(self, scheduler: Scheduler, random: Random, calls: Calls) -> None:
        self.servers: dict[str, Server] = {}
        self.faults: dict[str, Faults] = {}
        self.requests = 0
        self.acting: Place | None = None
        """Who sent the request that has its effect just now, maybe long ago."""
        self._scheduler = scheduler
        self._random = random
        self._calls = calls

    def add(self, server: Server) -> None:
        """Make a registry known."""
        self.servers[server.host] = self.servers[f"storage.{server.host}"] = server
        self.faults[server.host] = Faults()

    def send(self, request: HttpRequest, timeouts: Timeouts, left: Callable[[], float]) -> Answered:
        """Send one request, with its fate. Raises Broken and Killed."""
        self.requests += 1
        parts = urlsplit(request.url)
        server = self.servers[parts.netloc]
        faults = self.faults[server.host]
        self._scheduler.check()
        if server.is_down:
            self._note_bad()
            self._scheduler.sleep(0.01)
            raise Broken("Connection refused", sent=False)
        body = self._body(request, min(timeouts.send_s, left()))
        patience_s = min(timeouts.answer_s, left())
        if faults.tag_writes and _is_tag_write(request) and self._random.random() < faults.tag_writes:
            return self._hang(self._effect(server, request, body), patience_s)
        if self._random.random() < faults.total:
            return self._fail(server, request, body, faults, patience_s)
        effect = self._effect(server, request, body)
        answer = self._calls.make(effect, _CALM, refused=_never, late_s=LATE_S)
        if answer.status in (405, 503):
            self._note_bad()
        if answer.after_s:
            self._wait(answer.after_s, min(timeouts.answer_s, left()))
        return Answered(self, answer, faults)

    def _effect(self, server: Server, request: HttpRequest, body: bytes) -> Callable[[], Answer]:
        """What the request does at the registry, now or later, in the name of who sends it.

        It is taken by the habits of the moment at which it was sent: a manifest that was sent ahead of its blobs is not
        on its way while the registry is configured anew.
        """
        place = self._scheduler.current.place
        who = place.name if isinstance(place, Caller) else "somebody"
        habits = server.habits

        def effect() -> Answer:
            if server.is_down:
                return Answer(503)
            self.acting, of_now, server.habits = place, server.habits, habits
            try:
                return server.answer(request.method, request.url, request.headers, body, why=who)
            finally:
                self.acting, server.habits = None, of_now

        return effect

    def _body(self, request: HttpRequest, seconds: float) -> bytes:
        """Read the body to send, at the speed of the wire."""
        body = request.body
        if body is None or isinstance(body, bytes):
            return body or b""
        parts: list[bytes] = []
        while data := body.read(BLOCK):
            parts.append(data)
            if len(data) > 100:
                self._scheduler.sleep(min(len(data) / BYTES_PER_S, max(seconds, 0.0)))
        return b"".join(parts)

    def _fail(self, server: Server, request: HttpRequest, body: bytes, faults: Faults, patience_s: float) -> Answered:
        self._note_bad()
        random = self._random
        lot = random.random() * faults.total
        if lot < faults.refused:
            self._scheduler.sleep(random.random() * 0.1)
            raise Broken("Connection refused", sent=False)
        if lot < faults.refused + faults.throttled:
            self._scheduler.sleep(0.01)
            after = random.choice(((), (("Retry-After", "1"),), (("Retry-After", "3"),), (("Retry-After", "20"),)))
            return Answered(self, Answer(429, list(after)), faults)
        has_effect = random.random() < 0.5
        if lot < faults.refused + faults.throttled + faults.errors:
            if has_effect:
                self._effect(server, request, body)()
            self._scheduler.sleep(0.02)
            return Answered(self, Answer(random.choice((500, 502, 503, 504))), faults)
        if lot < faults.refused + faults.throttled + faults.errors + faults.cut:
            if has_effect:
                self._effect(server, request, body)()
            self._scheduler.sleep(random.random() * 0.1)
            raise Broken("Connection reset by peer", sent=True)
        return self._hang(self._effect(server, request, body) if has_effect else None, patience_s)

    def _hang(self, effect: Callable[[], Answer] | None, patience_s: float) -> Answered:
        """Let the client wait and give up; its request may take effect before that, or later."""
        self._note_bad()
        if effect is not None:
            delay_s = self._random.random() * (patience_s + GIVEN_UP_S)
            self._scheduler.spawn(effect, "late", self._calls.beyond, delay_s=delay_s)
        self._scheduler.sleep(patience_s)
        raise Broken(f"no answer within {patience_s:.1f} s", sent=True)

    def _note_bad(self) -> None:
        """A registry did not serve the caller."""
        place = self._scheduler.current.place
        if isinstance(place, Caller):
            place.tally.did["was not served"] += 1

    def _wait(self, seconds: float, patience_s: float) -> None:
        self._scheduler.sleep(min(seconds, patience_s))
        if seconds > patience_s:
            self._note_bad()
            raise Broken(f"no answer within {patience_s:.1f} s", sent=True)

    def pass_on(self, faults: Faults, size: int) -> None:
        """Have some bytes of a body come in; raises Broken where the connection breaks."""
        if size > 100 or faults.cut:
            self._scheduler.sleep(size / BYTES_PER_S)
        if self._random.random() < faults.cut / 4:
            self._note_bad()
            raise Broken("the connection was closed in the middle of the body", sent=True)


class Answered:
    """An answer as the client reads it (the interface of transport.HttpAnswer)."""

    def __init__(self, wire: Wire, answer: Answer, faults: Faults) -> None:
        self.status = answer.status
        self.headers = Message()
        for name, value in answer.headers:
            self.headers[name] = value
        self.length = answer.length if answer.length is not None else len(answer.body)
        self._wire = wire
        self._faults = faults
        self._rest = answer.body

    def header(self, name: str) -> str | None:
        """Return a header, None when it was not sent."""
        value = self.headers.get(name)
        return None if value is None else str(value)

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes of the body."""
        if not self._rest:
            return b""
        data, self._rest = self._rest[:size], self._rest[size:]
        self._wire.pass_on(self._faults, len(data))
        return data

    def close(self) -> None:
        """Drop the rest."""
        self._rest = b""


class WireTransport:
    """What stands in place of Transport: `wire` is the world's."""

    wire: ClassVar[Wire]

    def __init__(self, **_: Any) -> None:
        """Take what Transport takes."""

    def send(
        self, request: HttpRequest, *, timeouts: Timeouts, left: Callable[[], float] = lambda: math.inf
    ) -> Answered:
        """Send one request; one that is repeatable is sent once more. Raises Broken."""
        try:
            return self.wire.send(request, timeouts, left)
        except Broken as broken:
            if (
                not request.repeatable
                or "within" in str(broken)
                or (request.body and not isinstance(request.body, bytes))
            ):
                raise
        return self.wire.send(request, timeouts, left)

    def idle(self, _: str) -> int:
        """Do nothing: to connect is no step of this world."""
        return 1000

    def close(self) -> None:
        """Close nothing."""


_CALM = Weather()


def _is_tag_write(request: HttpRequest) -> bool:
    return request.method == "PUT" and "/manifests/" in request.url and "/manifests/sha256:" not in request.url


def _never() -> Exception:
    return AssertionError("calm weather refuses nothing")


def headers_of(answer: Answer) -> Mapping[str, str]:
    """The headers of an answer as a mapping."""
    return dict(answer.headers)


__all__ = ["Answered", "Faults", "Killed", "Wire", "WireTransport", "headers_of"]
