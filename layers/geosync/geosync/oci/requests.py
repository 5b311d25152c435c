"""One request to a registry: authorised, within the deadline, its redirects followed without credentials."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn
from urllib.parse import urljoin, urlsplit

from geosync.errors import ConfigurationError, Denied, OutcomeUnknown, ReadOnly, RegistryUnavailable, Unauthorized
from geosync.oci import scopes
from geosync.oci.addresses import Egress
from geosync.oci.answers import Errors, broken, classify, is_registrys, read_bounded, read_errors, retry_after
from geosync.oci.auth import Authorizer
from geosync.oci.credentials import Credentials
from geosync.oci.deadline import Deadline
from geosync.oci.options import DEFAULT_OPTIONS, ClientOptions
from geosync.oci.realms import is_plain, is_plain_path
from geosync.oci.throttle import COUNTED_BYTES, PATIENCE_S, PAUSES_S, NoTurn, Throttle
from geosync.oci.transport import Body, Broken, HttpAnswer, HttpRequest, Timeouts, Transport
from geosync.oci.words import LONGEST_PATH, shown

MAX_REDIRECTS = 5
_FIRST_S = 30.0
"""Seconds for which others wait for the first request's answer, which has the registry's challenge."""
MAX_URL = 16 * 1024
"""Characters. A presigned URL has some 4,000; relative redirects could make each URL longer than the last."""
AHEAD_S = 3.0
"""Seconds to open a connection that no request waits for yet."""
USER_AGENT = "geosync"

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_PUSHES = frozenset({"POST", "PUT"})
"""The verbs that begin and end an upload, and put a manifest: every registry that can be written to has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to a registry, with what it needs and how it may end."""

    method: str
    target: str = field(repr=False)
    """A path of the registry or an absolute URL (an upload's location, a page's link)."""
    access: scopes.Scopes
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | Body | None = field(default=None, repr=False)
    timeouts: Timeouts | None = None
    """None: the client's."""
    bound_s: float | None = None
    """A bound on the whole call: the wait for the first answer, a token request and a second sending included."""
    write: bool = False
    """A break after sending, or a 500, 502 or 504, leaves the outcome open."""
    repeatable: bool = False
    """It may be sent once more over a broken connection."""
    lasting_s: float = 0.0
    """The token should be valid for so many more seconds."""
    shown: str | None = None
    """The text by which errors name it, where its path must not be shown."""

    @property
    def replayable(self) -> bool:
        """True where it can be sent a second time: a stream is consumed."""
        return self.body is None or isinstance(self.body, bytes)

    @property
    def is_long(self) -> bool:
        """True where it takes so long that no other request should wait for it."""
        return self.body is not None and len(self.body) > COUNTED_BYTES


class Requester:
    """Sends calls to one registry; thread-safe. `name` (host:port) is what its errors are about."""

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        deadline: Deadline,
        writes: bool,
        options: ClientOptions = DEFAULT_OPTIONS,
    ) -> None:
        self.base = _base(url)
        self.name = urlsplit(self.base).netloc
        self.deadline = deadline
        self.memory = options.memory
        self._clock = deadline.clock
        self._origin = _origin(self.base)
        self._timeouts = options.timeouts
        self._transport = Transport(
            ca_bundle=options.ca_bundle,
            connections=options.connections,
            egress=Egress(home=urlsplit(self.base).hostname, hosts=options.allowed_hosts),
            clock=deadline.clock,
        )
        self._throttle = Throttle(deadline.clock, options.threads)
        self._authorizer = Authorizer(
            self.base, credentials, self._transport, deadline, writes=writes, threads=options.threads
        )
        self._lock = threading.Lock()
        self._has_first = False
        self._storage: str | None = None
        """Scheme and host of the storage to which a reader was last redirected."""
        self._first_answered = options.threads.event()

    @property
    def sent(self) -> int:
        """The number of requests that were sent so far, redirects and repetitions too, but none for tokens."""
        return self._throttle.begun

    def connections_ahead(self, most: int) -> list[Callable[[], None]]:
        """Return functions that open the connections missing to `most` idle ones, for threads of the caller's.

        The connections are to the registry, and to the host to which it last redirected a reader. No function raises:
        the request that needs the connection tells what is wrong.
        """
        urls = (self.base, self._storage) if self._storage is not None else (self.base,)
        return [partial(self._connect, url) for url in urls for _ in range(most - self._transport.idle(url))]

    def _connect(self, url: str) -> None:
        end_s = self._clock.monotonic_s() + AHEAD_S

        def left_s() -> float:
            return min(self.deadline.left_s(), end_s - self._clock.monotonic_s())

        with suppress(Broken):
            self._transport.connect(url, timeouts=self._timeouts, left=left_s)

    def close(self) -> None:
        """Close the idle connections."""
        self._transport.close()

    def resolve(self, reference: str, base: str | None = None) -> str:
        """Return a Location or a link as an absolute URL, its path and query as they are.

        Raises RegistryUnavailable where it is no URL, or would leave https for http.
        """
        url = ""
        try:
            url = urljoin(base or self.base, reference)
            scheme, host, _ = _origin(url)
        except ValueError:
            scheme, host = "", ""
        if scheme not in ("http", "https") or not host or len(url) > MAX_URL or not is_plain(url):
            raise RegistryUnavailable(self.name, "redirect", detail="it leads to what is not an http or https URL")
        if self._origin[0] == "https" and scheme != "https":
            raise RegistryUnavailable(self.name, "redirect", detail="it leads from https to http: not followed")
        return url

    def _url(self, call: Call) -> str:
        path = call.target.removeprefix(self.base)
        return self.base + path if is_plain_path(path) else self.resolve(call.target)

    def is_own(self, url: str) -> bool:
        """Tell whether a URL is on the registry's own scheme, host and port."""
        return url.startswith(self.base + "/") or _origin(url) == self._origin

    def label(self, call: Call) -> str:
        """Return the text by which errors name a call: its method and its path, without query, cut to LONGEST_PATH."""
        return call.shown or f"{call.method} {shown(urlsplit(self._url(call)).path, LONGEST_PATH)}"

    def send(self, call: Call) -> HttpAnswer:
        """Send a call and return its answer, whatever its status but a redirect; a 401 is tried once more, authorised.

        A 429 that asks for a short pause is waited for and tried again, with fewer requests beside it (throttle.py).

        Raises OutOfTime, Unauthorized, RegistryUnavailable, and OutcomeUnknown for a write that broke after sending.
        """
        budget = Deadline(self._clock)
        if call.bound_s is not None:
            budget.set(call.bound_s)
        if not self._authorizer.waits_for_challenge or self._first_answered.is_set():
            return self._send(call, budget)
        # Of requests that begin side by side, one is refused. The others wait for the challenge that it gets.
        with self._lock:
            is_first, self._has_first = not self._has_first, True
        if is_first:
            try:
                return self._send(call, budget)
            finally:
                self._first_answered.set()
        self._first_answered.wait(min(self.deadline.left_s(), budget.left_s(), _FIRST_S))
        return self._send(call, budget)

    def _send(self, call: Call, budget: Deadline) -> HttpAnswer:
        url = self._url(call)
        # Credentials are for the registry alone: an upload may have been given a location elsewhere.
        if not self.is_own(url):
            return self._follow(call, url, None, budget)
        refused = throttled = 0
        while True:
            authorization = self._authorizer.header(call.access, call.lasting_s)
            answer = self._follow(call, url, authorization, budget)
            if answer.status == 429 and call.replayable:
                throttled += 1
                if not self._can_wait(self._pause_s(answer, throttled), budget):
                    return answer
            elif answer.status in (401, 403):
                refused += 1
                if refused == 2 or not self._learn_from(call, answer, authorization):
                    return answer
            else:
                return answer
            answer.close()

    def _can_wait(self, pause_s: float | None, budget: Deadline) -> bool:
        """Tell whether there is a pause to wait for, and time for it."""
        return pause_s is not None and pause_s < min(self.deadline.left_s(), budget.left_s())

    def _learn_from(self, call: Call, answer: HttpAnswer, used: str | None) -> bool:
        """Learn from a 401 or a 403; True where the call can be sent again, with another Authorization than `used`."""
        try:
            if answer.status == 401:
                again = self._authorizer.learn(call.access, answer, used)
                self._first_answered.set()
            else:
                again = self._authorizer.drop_if_ended(used)
        except Unauthorized:
            answer.close()
            raise
        # A stream is consumed; but the refused token is dropped, so that the next attempt has another.
        return again and call.replayable

    def fail(self, call: Call, answer: HttpAnswer, errors: Errors | None = None) -> NoReturn:
        """Raise the error for an answer that is no success, its body read within bounds."""
        found = read_errors(answer, self.deadline, self.memory) if errors is None else errors
        label = self.label(call)
        if answer.status == 401:
            # The advice comes first: a row keeps few characters, and the registry's text often says nothing.
            detail = "; ".join(filter(None, (self._authorizer.explain(answer, call.access), found.detail)))
            raise Unauthorized(self.name, label, status=401, codes=found.codes, detail=detail)
        if answer.status == 403:
            detail = "; ".join(filter(None, (found.detail, scopes.advice(call.access))))
            raise Denied(self.name, label, status=403, codes=found.codes, detail=detail)
        if answer.status == 405 and (read_only := self._read_only(call, answer, found)) is not None:
            raise read_only
        after = retry_after(answer.header("Retry-After"), self._clock)
        error = classify(self.name, label, answer.status, found, after, explained=is_registrys(answer, found))
        # Behind a gateway that gave up, or a registry that broke, the write may still be done. A 503 was not begun.
        if call.write and isinstance(error, RegistryUnavailable) and answer.status >= 500 and answer.status != 503:
            error = OutcomeUnknown(
                self.name,
                label,
                status=answer.status,
                codes=found.codes,
                detail=found.detail,
                retry_after=error.retry_after,
            )
        raise error

    def _read_only(self, call: Call, answer: HttpAnswer, errors: Errors) -> ReadOnly | None:
        """Return the error for a 405 that says read-only; None where it refuses this verb, or what was put.

        Distribution in `maintenance.readonly` has no verbs that write: it answers without a code, and names the others
        in Allow. A code (UNSUPPORTED) that answers an upload means a repository that takes none now. In the answer to a
        manifest it is about the format, to a DELETE or a chunk about these.
        """
        if call.method in _READS:
            return None
        pushes = call.method in _PUSHES
        if errors.codes:
            is_upload = pushes and "/blobs/uploads/" in self.label(call)
            return ReadOnly(self.name, self.label(call), codes=errors.codes, everywhere=False) if is_upload else None
        allowed = {verb.strip().upper() for verb in (answer.header("Allow") or "").split(",")} - {""}
        if not pushes and not (allowed and allowed <= _READS):
            return None
        return ReadOnly(self.name, self.label(call), everywhere=True)

    def read(
        self, call: Call, answer: HttpAnswer, limit: int, what: str, need: Callable[[int], None] | None = None
    ) -> bytes:
        """Read a body of at most `limit` bytes; raises TooLarge, OutOfTime, RegistryUnavailable when it breaks off.

        `need` takes the memory for so many bytes, by default what a manifest of that size needs.
        """
        try:
            return read_bounded(answer, limit, self.deadline, what, need or self.memory.need)
        except Broken as error:
            self.deadline.check()
            raise broken(self.name, self.label(call), error, write=False) from error

    def unusable(self, call: Call, status: int, detail: str) -> RegistryUnavailable:
        """Return the error for an answer that no registry gives: a proxy gave it, so the registry is put on hold."""
        return RegistryUnavailable(self.name, self.label(call), status=status, detail=detail)

    def _follow(self, call: Call, url: str, authorization: str | None, budget: Deadline) -> HttpAnswer:
        """Send, and follow redirects; when a storage refuses a presigned URL (403), ask for another, once."""
        asked_again, hops, start = False, 0, url
        while True:
            answer = self._once(call, url, authorization if self._takes_credentials(url, hops) else None, budget)
            if answer.status == 403 and self._may_ask_again(call, url, hops) and not asked_again:
                answer.close()
                asked_again, hops, url = True, 0, start
                continue
            location = _next_location(call, answer) if hops < MAX_REDIRECTS else None
            if location is None:
                return answer
            answer.close()
            hops += 1
            url = self.resolve(location, url)
            if not self.is_own(url):
                self._note_storage(call, url)

    def _once(self, call: Call, url: str, authorization: str | None, budget: Deadline) -> HttpAnswer:
        self.deadline.check()
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **call.headers}
        if authorization is not None:
            headers["Authorization"] = authorization
        if budget.left_s() <= 0:
            late = Broken("no time was left to send it", sent=False)
            raise broken(self.name, self.label(call), late, write=call.write)

        def left_s() -> float:
            return min(self.deadline.left_s(), budget.left_s())

        request = HttpRequest(method=call.method, url=url, headers=headers, body=call.body, repeatable=call.repeatable)
        try:
            with self._throttle.turn(left_s, counts=self.is_own(url) and not call.is_long) as turn:
                answer = self._transport.send(request, timeouts=call.timeouts or self._timeouts, left=left_s)
                if answer.status == 429:
                    turn.pause_s = self._pause_s(answer, 1) or 0.0
                return answer
        except NoTurn:
            self.deadline.check()
            detail = "it throttles, and its turn did not come in time"
            raise RegistryUnavailable(self.name, self.label(call), status=429, detail=detail) from None
        except Broken as error:
            found = broken(self.name, self.label(call), error, write=call.write)
            if not isinstance(found, OutcomeUnknown):
                self.deadline.check()
            raise found from error

    def _pause_s(self, answer: HttpAnswer, times: int) -> float | None:
        """Return the seconds to wait after a call's `times`-th 429; None where that is not waited for here."""
        if times > len(PAUSES_S):
            return None
        wanted = retry_after(answer.header("Retry-After"), self._clock)
        if wanted is None:
            return PAUSES_S[times - 1]
        return wanted if wanted <= PATIENCE_S else None

    def _note_storage(self, call: Call, url: str) -> None:
        """Note the storage to which a reader is redirected; raises RegistryUnavailable where a body would go there."""
        if call.body is not None:
            # Credentials and bodies meant for the registry go to no other host.
            raise RegistryUnavailable(self.name, self.label(call), detail="it sends a body on to another host")
        if call.method == "GET":
            self._storage = "{0.scheme}://{0.netloc}".format(urlsplit(url))

    def _may_ask_again(self, call: Call, url: str, hops: int) -> bool:
        """Tell whether a redirect led to `url` at a storage, and no body was sent there."""
        return bool(hops) and not self.is_own(url) and call.body is None

    def _takes_credentials(self, url: str, hops: int) -> bool:
        """Tell whether Authorization goes along: to the registry's own API only.

        A presigned URL may be on the registry's own host too (a storage behind the same front), and a storage refuses a
        request that is signed in its query and has an Authorization beside it.
        """
        return self.is_own(url) and (hops == 0 or urlsplit(url).path.startswith("/v2/"))


def _next_location(call: Call, answer: HttpAnswer) -> str | None:
    """Return the Location that a call is sent to next; None where there is no redirect to follow."""
    location = answer.header("Location")
    if answer.status not in _REDIRECTS or not location or not call.replayable:
        return None
    changes_method = answer.status in (301, 302, 303) and call.method not in ("GET", "HEAD")
    return None if changes_method else location


def _base(url: str) -> str:
    """Return the registry's URL as scheme://host[:port]; raises ConfigurationError for anything else."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigurationError("the registry's URL cannot be read: use https://host or https://host:port") from None
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or parts.username is not None
        or parts.path not in ("", "/")
        or parts.query
        or parts.fragment
    ):
        # Not quoted: it may hold a password.
        raise ConfigurationError("the registry's URL must be https://host or https://host:port, nothing else")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
