"""The site's own registry, asked in a client's name: with the client's Authorization, and with nothing of the site's.

The host is the one that an operator named, whatever a client or the registry says: no redirect is followed. Nothing is
kept from one request to the next but idle connections, so that no answer reaches a caller who did not ask for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from geosync.errors import OutOfTime, TooLarge
from geosync.oci.addresses import Egress
from geosync.oci.answers import is_registrys, parse_errors, read_bounded
from geosync.oci.deadline import Deadline
from geosync.oci.manifests import MAX_MANIFEST_BYTES
from geosync.oci.requests import USER_AGENT
from geosync.oci.transport import Broken, HttpAnswer, HttpRequest, Timeouts, Transport
from geosync.reading.refusals import ReadRefusal, unavailable

TIMEOUTS = Timeouts(connect_s=3.0, send_s=5.0, answer_s=10.0, read_s=10.0)
KEPT_HEADERS = (
    "Content-Type",
    "Docker-Content-Digest",
    "ETag",
    "OCI-Filters-Applied",
    "Retry-After",
    "WWW-Authenticate",
)
"""Headers of the registry that a client is given as they are."""
MOST_HEADER = 8192
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The registry's answer. `headers` are those of KEPT_HEADERS that it sent; `body` is b"" where it was not read."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    location: str | None = field(default=None, repr=False)
    """Where it redirects to, as an absolute URL."""
    link: str | None = None
    """The path and query of the next page."""
    is_registrys: bool = False
    """A refusal is the registry's own, not a proxy's. Never True of an answer to HEAD, which has no body."""


class OwnRegistry:
    """The site's registry at `url`, for one thread at a time. Holds call it by its `name` (host:port)."""

    def __init__(self, url: str, deadline: Deadline) -> None:
        parts = urlsplit(url)
        self.base = f"{parts.scheme}://{parts.netloc}"
        self.name = parts.netloc
        self._deadline = deadline
        self._transport = Transport(connections=4, egress=Egress(home=parts.hostname), clock=deadline.clock)

    def close(self) -> None:
        """Close the idle connections."""
        self._transport.close()

    def ask(
        self, method: str, target: str, authorization: str | None, *, accept: str | None = None, reads: bool = True
    ) -> Answered:
        """Ask for `target` (a path and query); `reads` False: the body of a success is not wanted.

        Raises ReadRefusal (503) where there is no answer in time, or none of at most 4 MiB.
        """
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        headers |= {"Accept": accept} if accept is not None else {}
        headers |= {"Authorization": authorization} if authorization is not None else {}
        request = HttpRequest(method=method, url=self.base + target, headers=headers, repeatable=True)
        try:
            self._deadline.check()
            answer = self._transport.send(request, timeouts=TIMEOUTS, left=self._deadline.left_s)
            return self._read(answer, target, reads=method != "HEAD" and (reads or answer.status >= 400))
        except TooLarge:
            raise ReadRefusal(502, "UNAVAILABLE", "the registry's answer is larger than can be passed on") from None
        except (Broken, OutOfTime):
            raise unavailable("this site's registry does not answer") from None

    def _read(self, answer: HttpAnswer, target: str, *, reads: bool) -> Answered:
        kept = {name: text for name in KEPT_HEADERS if (text := answer.header(name)) and _is_plain(text)}
        location = answer.header("Location") if answer.status in _REDIRECTS else None
        link = answer.header("Link")
        body = b""
        if reads:
            body = read_bounded(answer, MAX_MANIFEST_BYTES, self._deadline, "an answer")
        else:
            answer.close()
        return Answered(
            status=answer.status,
            headers=kept,
            body=body,
            location=self._absolute(location, target) if location else None,
            link=_own_link(link, self.base + target) if link else None,
            is_registrys=reads and is_registrys(answer, parse_errors(body)),
        )

    def _absolute(self, location: str, target: str) -> str | None:
        """Return where a redirect leads; None for what is no http or https URL, or would leave https for http."""
        try:
            url = urljoin(self.base + target, location)
            parts = urlsplit(url)
        except ValueError:
            return None
        if parts.scheme not in ("http", "https") or not parts.hostname or not url.isascii() or not url.isprintable():
            return None
        return None if self.base.startswith("https:") and parts.scheme != "https" else url


def _is_plain(text: str) -> bool:
    """Tell whether API Gateway takes a header's value: it answers 502 for others, and a client reads none."""
    return len(text) <= MOST_HEADER and text.isascii() and text.isprintable()


def _own_link(link: str, url: str) -> str | None:
    """Return a Link to the next page without its host; None where it leads to another host, or is none."""
    reference, _, rest = link.partition(">")
    try:
        there, here = urlsplit(urljoin(url, reference.strip().removeprefix("<"))), urlsplit(url)
    except ValueError:
        return None
    if there.netloc != here.netloc or not there.path.startswith("/v2/") or 'rel="next"' not in rest:
        return None
    target = there.path + (f"?{there.query}" if there.query else "")
    return f'<{target}>; rel="next"' if _is_plain(target) else None
