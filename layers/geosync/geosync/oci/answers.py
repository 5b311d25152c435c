"""The meaning of an answer: OCI error bodies, Retry-After, and one table from (status, codes) to error classes.

OCI distribution-spec 1.1, "Error Codes"; RFC 9110 for Retry-After.
"""

from __future__ import annotations

import email.utils
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.errors import (
    ArrivedWrong,
    BlobsUnknown,
    Denied,
    MalformedManifest,
    NotFound,
    OutcomeUnknown,
    Refused,
    RegistryError,
    RegistryUnavailable,
    TooLarge,
    Unauthorized,
)
from geosync.oci.deadline import Deadline
from geosync.oci.documents import SMALL_BYTES, Document
from geosync.oci.manifests import MAX_REFERRED
from geosync.oci.media_types import essence
from geosync.oci.memory import Memory
from geosync.oci.references import is_digest
from geosync.oci.transport import Broken, HttpAnswer
from geosync.oci.words import printable

#: The answer to a manifest's PUT has an entry of some 170 bytes for each missing blob, and all of them are needed.
MAX_ERROR_BYTES = 8 * 1024 * 1024
MAX_DETAIL = 200
#: A body may have 600,000 entries with a code each. Codes are part of an error's text, which is stored in a row.
MAX_CODES = 8
MAX_CODE = 64
#: Entries that are read: one of Distribution's has 170 bytes.
MAX_ENTRIES = MAX_ERROR_BYTES // 170
#: No reference has more parts (copying/parts.py).
MAX_MISSING = MAX_REFERRED
#: No Retry-After holds a registry for longer than this: a wrong clock or a wrong unit must not stop a site for weeks.
MAX_RETRY_AFTER_S = 3600.0

API_HEADER = "Docker-Distribution-Api-Version"
"""Distribution and nearly all others send it with each answer; the load balancers before them do not."""
NOT_A_REGISTRYS = "an answer that is not a registry's"
EMPTY_ANSWER = "an empty answer, which may not be the registry's"

_BLOCK = 64 * 1024

# The table. A code that says more than its status comes first, then the status, then the kind of status.
_BY_CODE: dict[str, type[RegistryError]] = {
    "TOOMANYREQUESTS": RegistryUnavailable,
    "UNAVAILABLE": RegistryUnavailable,
    # The upload session is gone or broken: a later attempt begins a new one.
    "BLOB_UPLOAD_UNKNOWN": RegistryUnavailable,
    "BLOB_UPLOAD_INVALID": RegistryUnavailable,
    "UNAUTHORIZED": Unauthorized,
}
_BY_STATUS: dict[int, type[RegistryError]] = {
    401: Unauthorized,
    # Once somebody grants the permission, the same request succeeds.
    403: Denied,
    404: NotFound,
    408: RegistryUnavailable,
    425: RegistryUnavailable,
    429: RegistryUnavailable,
    # No later attempt changes these two of the 5xx.
    501: Refused,
    505: Refused,
}

_ARRIVED_WRONG = frozenset({"DIGEST_INVALID", "SIZE_INVALID"})

_DIGEST = re.compile(r"\bsha(?:256|384|512):[0-9a-f]{64,128}\b")

_SECRETS = re.compile(
    r"""
      eyJ[\w-]{5,}(?:\.[\w-]*)*                                              # a JWT
    | (?i:\b(?:bearer|basic)\s+)[^\s"',]+                                   # an Authorization header
    | (?<=[?&])[^\s"'<>]+                                                   # any query: presigned, or an upload's state
    | (?i:\b(?:password|passwd|secret|token|signature|credential)["']?\s*[=:]\s*["']?)[^\s"'&,}]+
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """The `errors` of an answer's body: the first MAX_CODES codes, and the first message.

    `well_formed`: the body had that form; `empty`: there was no body; `cut`: it broke off, so its text is not known.
    """

    codes: tuple[str, ...] = ()
    detail: str = ""
    missing: tuple[str, ...] = ()
    well_formed: bool = False
    empty: bool = False
    cut: bool = False


def read_bounded(
    answer: HttpAnswer, limit: int, deadline: Deadline, what: str, need: Callable[[int], None] | None = None
) -> bytes:
    """Read a whole body of at most `limit` bytes; raises TooLarge as soon as there are more, OutOfTime, Broken.

    `need` takes memory: it is called once, with the announced size before the first byte is read, or, where no size is
    announced, with `limit` after SMALL_BYTES. It may wait, and may raise.
    """
    if answer.length is not None and answer.length > limit:
        answer.close()
        raise TooLarge(f"{what} of {answer.length} bytes; at most {limit} are taken")
    parts: list[bytes] = []
    size = 0
    try:
        if need is not None and answer.length is not None:
            need(answer.length)
            need = None
        while data := answer.read(min(_BLOCK, limit + 1 - size)):
            size += len(data)
            if size > limit:
                raise TooLarge(f"{what} of more than {limit} bytes")
            parts.append(data)
            if need is not None and size > SMALL_BYTES:
                need(limit)
                need = None
            deadline.check()
    finally:
        answer.close()
    return b"".join(parts)


def read_errors(answer: HttpAnswer, deadline: Deadline, memory: Memory | None = None) -> Errors:
    """Read the errors in a refusal's body; there are none in one that is too large, breaks off or is no OCI error.

    A body over SMALL_BYTES waits for its memory; without `memory` it is too large. Raises OutOfTime.
    """
    with ExitStack() as held:

        def need(size: int) -> None:
            if memory is not None:
                held.enter_context(memory.refusal(size, deadline))

        limit = SMALL_BYTES if memory is None else MAX_ERROR_BYTES
        try:
            body = read_bounded(answer, limit, deadline, "an error body", need)
        except Broken:
            return Errors(cut=True)
        except TooLarge:
            return Errors()
        return parse_errors(body)


def parse_errors(body: bytes) -> Errors:
    """Parse an OCI error body; never raises."""
    if not body.strip():
        return Errors(empty=True)
    # There is an entry for each missing blob, nearly all with the same texts: only the few that are kept are redacted.
    kept = _KeptErrors()
    try:
        for one in _entries(body):
            kept.take(one)
    except MalformedManifest:
        return Errors()
    return Errors(
        codes=tuple(map(redact, kept.codes)),
        detail=redact(kept.message or ""),
        missing=tuple(kept.missing),
        well_formed=kept.well_formed,
    )


class _KeptErrors:
    """The codes and digests of an OCI error body that are kept, in its order and each once, and its first message."""

    def __init__(self) -> None:
        self.codes: dict[str, None] = {}
        self.missing: dict[str, None] = {}
        self.message: str | None = None
        self.well_formed = False

    def take(self, entry: dict[str, Any]) -> None:
        """Keep what counts of one entry of `errors`."""
        self.well_formed = True
        code, text = entry.get("code"), entry.get("message")
        if isinstance(code, str) and len(self.codes) < MAX_CODES:
            self.codes.setdefault(code[:MAX_CODE])
        if isinstance(text, str) and self.message is None:
            self.message = text
        if code == "MANIFEST_BLOB_UNKNOWN" and len(self.missing) < MAX_MISSING:
            self.missing.update(dict.fromkeys(_named_missing(entry)))


def _entries(body: bytes) -> Iterator[dict[str, Any]]:
    """Yield the objects in the `errors` of a body. Raises MalformedManifest where it is no OCI error."""
    listed = Document(body, ("errors",)).items("errors", ("code", "message", "detail")) or ()
    return (one for one in itertools.islice(listed, MAX_ENTRIES) if isinstance(one, dict))


def redact(text: str) -> str:
    """Return a registry's words on one line, cut to 200 characters, without anything that could be a secret."""
    line = " ".join(printable(text[: MAX_DETAIL * 10]).split())
    cleaned = _SECRETS.sub("[redacted]", line)
    return cleaned if len(cleaned) <= MAX_DETAIL else f"{cleaned[: MAX_DETAIL - 1]}…"


def retry_after(value: str | None, clock: Clock = SYSTEM_CLOCK) -> float | None:
    """Return the seconds of a Retry-After, given in seconds or as a date; between 0 and an hour, None for nonsense."""
    text = (value or "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text), MAX_RETRY_AFTER_S)
    try:
        at = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, TypeError):
        return None
    return min(max(at - clock.now_ms() / 1000, 0.0), MAX_RETRY_AFTER_S)


def is_registrys(answer: HttpAnswer, errors: Errors) -> bool:
    """Tell whether a refusal is the registry's own: an OCI error, or an empty body with the header that names its API.

    A proxy before a registry answers 404 or 405 by itself while the registry is away. An unexpected status below 400 (a
    cache's 304) refuses nothing.
    """
    return errors.well_formed or (answer.status >= 400 and errors.empty and answer.header(API_HEADER) is not None)


def names_registry(answer: HttpAnswer) -> bool:
    """Tell whether a 404 to a HEAD is the registry's own.

    Distribution sends the header also for paths that it does not know (behind a wrong prefix), but as plain text.
    """
    return answer.header(API_HEADER) is not None and essence(answer.header("Content-Type")) == "application/json"


def _kind(status: int, errors: Errors) -> type[RegistryError]:
    """The kind of error by the codes, else by the status."""
    known = next((_BY_CODE[code] for code in errors.codes if code in _BY_CODE), None) or _BY_STATUS.get(status)
    # Only its body tells whether a 400 is about missing blobs or a refusal for good: if it broke off, ask again.
    if known is None and (status >= 500 or errors.cut):
        return RegistryUnavailable
    return known or (Refused if _ARRIVED_WRONG.isdisjoint(errors.codes) else ArrivedWrong)


def classify(
    registry: str,
    request: str,
    status: int,
    errors: Errors,
    retry_after_s: float | None = None,
    *,
    explained: bool = True,
) -> RegistryError:
    """Return the error for a status and codes; `explained`: `is_registrys` holds of the answer."""
    # Distribution 2.8 answers 500 instead of 400 where it also refuses a foreign layer of the manifest.
    if errors.missing and status in (400, 404, 500):
        return BlobsUnknown(registry, request, errors.missing)
    kind = _kind(status, errors)
    if issubclass(kind, RegistryUnavailable):
        return RegistryUnavailable(
            registry, request, status=status, codes=errors.codes, detail=errors.detail, retry_after=retry_after_s
        )
    detail = errors.detail or ("" if explained else EMPTY_ANSWER if errors.empty else NOT_A_REGISTRYS)
    return kind(registry, request, status=status, codes=errors.codes, detail=detail, explained=explained)


def broken(registry: str, request: str, error: Broken, *, write: bool) -> RegistryUnavailable:
    """Return the error for a request without an answer: a write that was sent may still land."""
    kind = OutcomeUnknown if write and error.sent else RegistryUnavailable
    return kind(registry, request, detail=str(error))


def _named_missing(entry: dict[str, Any]) -> Iterable[str]:
    """Find what a MANIFEST_BLOB_UNKNOWN names: in its detail, else in a text (olareg: "layer not found: sha256:…")."""
    detail, message = entry.get("detail"), entry.get("message")
    found = list(_digests(detail))
    for text in (detail, message):
        if not found and isinstance(text, str):
            found = [word for word in _DIGEST.findall(text) if is_digest(word)]
    return found


def _digests(detail: Any) -> Iterable[str]:
    """Find the digests in a detail of MANIFEST_BLOB_UNKNOWN: a string (Distribution), an object or a list (others)."""
    if isinstance(detail, str):
        if is_digest(detail):
            yield detail
    elif isinstance(detail, dict):
        for value in detail.values():
            yield from _digests(value) if isinstance(value, str) else ()
    elif isinstance(detail, list):
        for value in detail:
            yield from _digests(value) if isinstance(value, str | dict) else ()
