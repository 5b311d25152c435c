"""Layers under way in one holder: those that the last holder left, and those that are left for the next."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from geosync.sync_registry.uploads import KeptUpload
from geosync.threads import SYSTEM_THREADS, Threads


class Uploads:
    """Uploads that were kept, each in one hand at a time. Thread-safe.

    `read` brings what the last holder left. It is called once, when the first large layer has to move, so that a copy
    without one costs no request for it. `take` raises what it raises.
    """

    def __init__(self, read: Callable[[], Iterable[KeptUpload]] = tuple, threads: Threads = SYSTEM_THREADS) -> None:
        self._read = read
        self._lock = threads.lock()
        self._kept: dict[str, KeptUpload] | None = None

    def take(self, digest: str) -> KeptUpload | None:
        """Take the upload of a layer, None where there is none: whoever has it keeps it again, or ends it."""
        with self._lock:
            return self._all().pop(digest, None)

    def has(self, digest: str) -> bool:
        """Tell whether a layer is under way, and in nobody's hand now."""
        with self._lock:
            return digest in self._all()

    def keep(self, upload: KeptUpload) -> None:
        """Leave an upload that nobody works on any more."""
        with self._lock:
            self._all()[upload.digest] = upload

    def left(self) -> list[KeptUpload]:
        """The uploads that the next holder should find."""
        with self._lock:
            return list((self._kept or {}).values())

    def _all(self) -> dict[str, KeptUpload]:
        if self._kept is None:
            self._kept = {one.digest: one for one in self._read()}
        return self._kept
