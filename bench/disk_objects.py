"""Buckets whose objects are files, for bench/disk_s3.py."""

from __future__ import annotations

import base64
import hashlib
import itertools
import threading
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

BLOCK = 1024 * 1024
LEAST_PART = 5 * BLOCK
"""Bytes of a part that is not the last ("Amazon S3 multipart upload limits")."""


class Refused(Exception):
    """An error as S3 says it."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A file with bytes of an object; `sha256` where it was asked for, in base64."""

    path: Path
    size: int
    etag: str
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An object: its pieces in order."""

    pieces: tuple[Piece, ...]
    etag: str

    @property
    def size(self) -> int:
        """Bytes of all pieces."""
        return sum(piece.size for piece in self.pieces)

    def ranges(self, first: int, last: int) -> Iterator[tuple[Piece, int, int]]:
        """The pieces that have the bytes `first` to `last`, each with an offset and a length in it."""
        start = 0
        for piece in self.pieces:
            begin, end = max(first - start, 0), min(last + 1 - start, piece.size)
            if begin < end:
                yield piece, begin, end - begin
            start += piece.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A multipart upload under way."""

    bucket: str
    key: str
    algorithm: str
    parts: dict[int, Piece] = field(default_factory=dict)


class Store:
    """Buckets with objects whose bytes are files of one folder. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = itertools.count()
        self._lock = threading.Lock()
        self._buckets: dict[str, dict[str, Stored]] = {}
        self._uploads: dict[str, Upload] = {}

    def make(self, bucket: str) -> None:
        """Make a bucket."""
        with self._lock:
            self._buckets.setdefault(bucket, {})

    def find(self, bucket: str, key: str) -> Stored:
        """Return an object; raises Refused."""
        with self._lock:
            if key not in self._bucket(bucket):
                raise Refused(404, "NoSuchKey")
            return self._buckets[bucket][key]

    def keys(self, bucket: str, prefix: str) -> list[tuple[str, Stored]]:
        """The objects with a prefix, in the order of their keys."""
        with self._lock:
            return sorted((key, one) for key, one in self._bucket(bucket).items() if key.startswith(prefix))

    def uploads(self, bucket: str, prefix: str) -> list[tuple[str, Upload]]:
        """The uploads under way with a prefix."""
        with self._lock:
            return [item for item in self._uploads.items() if _is_in(item[1], bucket, prefix)]

    def put(self, bucket: str, key: str, pieces: tuple[Piece, ...]) -> Stored:
        """Have an object, in the place of the one that was there."""
        stored = Stored(pieces=pieces, etag=_etag())
        with self._lock:
            former = self._bucket(bucket).get(key)
            self._buckets[bucket][key] = stored
        _remove(former.pieces if former else ())
        return stored

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object; one that is not there is fine."""
        with self._lock:
            former = self._bucket(bucket).pop(key, None)
        _remove(former.pieces if former else ())

    def begin(self, bucket: str, key: str, algorithm: str) -> str:
        """Begin an upload; returns its id."""
        name = uuid.uuid4().hex
        with self._lock:
            self._bucket(bucket)
            self._uploads[name] = Upload(bucket=bucket, key=key, algorithm=algorithm)
        return name

    def upload(self, name: str) -> Upload:
        """Return an upload; raises Refused."""
        with self._lock:
            if name not in self._uploads:
                raise Refused(404, "NoSuchUpload")
            return self._uploads[name]

    def complete(self, name: str, numbers: list[int]) -> Stored:
        """Make an object of the parts of an upload; raises Refused."""
        upload = self.upload(name)
        if not numbers or any(number not in upload.parts for number in numbers):
            raise Refused(400, "InvalidPart")
        pieces = tuple(upload.parts[number] for number in numbers)
        if any(piece.size < LEAST_PART for piece in pieces[:-1]):
            raise Refused(400, "EntityTooSmall")
        stored = self.put(upload.bucket, upload.key, pieces)
        with self._lock:
            self._uploads.pop(name, None)
        return stored

    def abort(self, name: str) -> None:
        """End an upload without an object."""
        upload = self.upload(name)
        with self._lock:
            self._uploads.pop(name, None)
        _remove(upload.parts.values())

    def write(self, blocks: Iterator[bytes], *, hashed: bool) -> Piece:
        """Write a file; returns what an object or an upload takes of it."""
        path = self._folder / str(next(self._names))
        digest, size = hashlib.sha256(), 0
        with path.open("wb") as out:
            for block in blocks:
                out.write(block)
                size += len(block)
                if hashed:
                    digest.update(block)
        sha256 = base64.b64encode(digest.digest()).decode() if hashed else None
        return Piece(path=path, size=size, etag=_etag(), sha256=sha256)

    def _bucket(self, name: str) -> dict[str, Stored]:
        if name not in self._buckets:
            raise Refused(404, "NoSuchBucket")
        return self._buckets[name]


def _is_in(upload: Upload, bucket: str, prefix: str) -> bool:
    return upload.bucket == bucket and upload.key.startswith(prefix)


def _remove(pieces: Iterable[Piece]) -> None:
    for piece in pieces:
        piece.path.unlink(missing_ok=True)


def _etag() -> str:
    return f'"{uuid.uuid4().hex}"'
