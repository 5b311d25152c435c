"""Layers under way in one holder: what the last one left, and what is left for the next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from geosync.sync_registry.uploads import KeptUpload


class Uploads:
    """Uploads that were kept, each in one hand at a time. Thread-safe.

    `read` brings what the last holder left; it is called once, when the first large layer has to move: a copy without
    one costs no request for it. What it raises comes out of `take`.
    """

    def __init__(self, read: Callable[[], Iterable[KeptUpload]] = tuple) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._kept: dict[str, KeptUpload] | None = None

    def take(self, digest: str) -> KeptUpload | None:
        """Take the upload of a layer, None where there is none: whoever has it keeps it again, or ends it."""
        with self._lock:
            return self._all().pop(digest, None)

    def keep(self, upload: KeptUpload) -> None:
        """Leave an upload that nobody works on any more."""
        with self._lock:
            self._all()[upload.digest] = upload

    def left(self) -> list[KeptUpload]:
        """What the next holder should find."""
        with self._lock:
            return list((self._kept or {}).values())

    def _all(self) -> dict[str, KeptUpload]:
        if self._kept is None:
            self._kept = {one.digest: one for one in self._read()}
        return self._kept
