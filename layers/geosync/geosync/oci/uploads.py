"""An upload under way (OCI distribution-spec 1.1, "Pushing blobs"), and the bodies that are streamed into it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urljoin


class Body(Protocol):
    """Something to stream: `len()` is the exact number of bytes that `read` will give in all, b"" at the end."""

    def __len__(self) -> int: ...

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Where the bytes of a blob go. `location` is absolute and may hold a session's state: it is in no log and no error."""

    repository: str
    location: str = field(repr=False)


def resolve(location: str, base: str) -> str:
    """Return a Location header as an absolute URL: it may be absolute, relative to the host or to the request."""
    return urljoin(base, location)


def closing_url(location: str, digest: str) -> str:
    """Return the URL of the closing PUT: `digest` appended to whatever query is there, which is never encoded again."""
    return f"{location}{'&' if '?' in location else '?'}digest={digest}"
