"""Registries in memory, as far as a drill reads them, and images of bytes that a test chooses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from tests.support.clock import FakeClock

from geosync.drilling.both import BothRegistries
from geosync.oci.deadline import Deadline
from geosync.oci.listings import ListedTag
from geosync.oci.manifests import Descriptor, Manifest
from geosync.oci.media_types import OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST
from geosync.pair.selection import Selection


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def image(*layers: bytes) -> Manifest:
    """An image with an empty config."""

    def descriptor(media_type: str, content: bytes) -> dict[str, object]:
        return {"mediaType": media_type, "digest": digest(content), "size": len(content)}

    parts = {"config": descriptor(OCI_CONFIG, b"{}"), "layers": [descriptor(OCI_LAYER_GZIP, one) for one in layers]}
    content = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, **parts}).encode()
    return Manifest.read(content, OCI_MANIFEST)


class ActingClock(FakeClock):
    """Stands until somebody sleeps; then `meanwhile` happens."""

    __slots__ = ("meanwhile",)

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], object] = lambda: None

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.meanwhile()


@dataclass
class PlayedReader:
    """The bytes of a blob, or what its last block ends with."""

    content: bytes
    error: Exception | None

    def __len__(self) -> int:
        return len(self.content)

    def __enter__(self) -> PlayedReader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass

    def read(self) -> bytes:
        if self.error is not None:
            raise self.error
        content, self.content = self.content, b""
        return content


@dataclass
class PlayedRegistry:
    """One registry. `errors` has what a question about a repository, a tag or a digest ends with."""

    tags: dict[str, dict[str, Manifest]]
    deadline: Deadline
    blobs: dict[str, bytes] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    last_error: Exception | None = None
    """What the listing of the repositories ends with."""
    asked: list[str] = field(default_factory=list)
    """The tags that were looked up, and the digests that were opened."""

    def put(self, repository: str, tag: str, *layers: bytes) -> None:
        self.tags.setdefault(repository, {})[tag] = image(*layers)
        self.blobs |= {digest(one): one for one in (b"{}", *layers)}

    def repositories(self) -> Iterator[list[str]]:
        yield from ([one] for one in list(self.tags))
        if self.last_error is not None:
            raise self.last_error

    def tags_with_digests(self, repository: str, *, last: str | None = None) -> Iterator[list[ListedTag]]:
        self._may(repository)
        yield [ListedTag(tag, None) for tag in self.tags.get(repository, {})]

    def head_manifest(self, repository: str, reference: str) -> Descriptor | None:
        found = self.get_manifest(repository, reference)
        return Descriptor(media_type=found.media_type, digest=found.digest, size=1) if found is not None else None

    def get_manifest(self, repository: str, reference: str) -> Manifest | None:
        self.asked.append(reference)
        self._may(reference)
        return self.tags.get(repository, {}).get(reference)

    def open_blob(self, repository: str, descriptor: Descriptor, *, offset: int) -> PlayedReader:
        self.asked.append(descriptor.digest)
        return PlayedReader(self.blobs[descriptor.digest], self.errors.get(descriptor.digest))

    def _may(self, question: str) -> None:
        if question in self.errors:
            raise self.errors[question]


@dataclass
class PlayedSites:
    """The primary's registry and the secondary's."""

    clock: ActingClock = field(default_factory=ActingClock)

    def __post_init__(self) -> None:
        deadline = Deadline(self.clock)
        self.primary, self.secondary = PlayedRegistry({}, deadline), PlayedRegistry({}, deadline)

    def put(self, repository: str, tag: str, *layers: bytes) -> None:
        """Put an image at both."""
        for one in (self.primary, self.secondary):
            one.put(repository, tag, *layers)

    @property
    def both(self) -> BothRegistries:
        primary: Any = self.primary
        secondary: Any = self.secondary
        return BothRegistries(primary=primary, secondary=secondary, prefix="", selection=Selection())
