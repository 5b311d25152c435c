"""An upload under way (OCI distribution-spec 1.1, "Pushing blobs")."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from geosync.oci.transport import Timeouts

#: A registry commits a layer before it answers the closing PUT: on S3 storage it copies the whole of it, part by part.
#: A slower commit counts as stuck.
COMMIT_BYTES_PER_SECOND = 8 * 1024 * 1024
#: A slower upload may outlive its token, and then begins again with another: no harm is done.
SLOW_BYTES_PER_SECOND = 1024 * 1024

_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,18})")


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadLimits:
    """The manner in which a registry takes the bytes of a blob; sizes in bytes.

    The defaults are those of Distribution and of the specification; a vendor's registry overrides
    `RegistryClient.upload_limits` with its own.
    """

    chunked: bool = True
    """A blob may come in more than one PATCH. Where not, a layer has to fit into one invocation."""
    min_chunk: int = 0
    """Every chunk but the last has at least so many bytes."""
    max_chunk: int | None = None
    """No chunk has more."""
    max_body: int | None = None
    """A request with a larger body is refused by what is in front of the registry: larger blobs come in chunks."""
    max_blob: int | None = None
    """A larger blob is refused, however it comes."""
    tells_offset: bool = True
    """A GET of the upload says how much has arrived. Where not, only our own count does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An upload that has begun. `location` is absolute and may hold a session's state: it is in no log or error.

    `min_chunk` is the least that the registry asked for when it began (`OCI-Chunk-Min-Length`, bytes).
    """

    repository: str
    location: str = field(repr=False)
    min_chunk: int = 0


def closing_url(location: str, digest: str) -> str:
    """Return the URL of the closing PUT: `digest` appended to whatever query is there, which is never encoded again."""
    return f"{location}{'&' if '?' in location else '?'}digest={digest}"


def closing_timeout(timeouts: Timeouts, size: int) -> Timeouts:
    """Return the time-outs of a closing PUT: the answer may take its usual time and one second more for each 8 MiB.

    30 s for a config, 46 s for 128 MiB, 286 s for 2 GiB; the deadline cuts all of them.
    """
    return replace(timeouts, answer_s=timeouts.answer_s + size / COMMIT_BYTES_PER_SECOND)


def token_life_s(size: int) -> float:
    """Return the seconds that a token for an upload of `size` bytes should have left."""
    return size / SLOW_BYTES_PER_SECOND


def arrived_bytes(header: str | None) -> int | None:
    """Return the bytes that a `Range: 0-<last>` says have arrived, None for anything else.

    Distribution sends `0-0` for an empty upload and for one of a single byte: both count as empty.
    """
    found = _RANGE.fullmatch((header or "").strip())
    if found is None:
        return None
    last = int(found.group(1))
    return last + 1 if last else 0
