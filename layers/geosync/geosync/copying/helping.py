"""A helper: brings blobs for the holder of a repository in another invocation, and nothing else.

It has no lease, writes no manifest and keeps no part of a layer. What it does not bring, for whatever reason, is the
holder's. It finishes a blob that it began, because the next holder of the repository needs it, too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from geosync.copying.blobs import BlobMover
from geosync.copying.route import Route
from geosync.copying.sharing import CopiedElsewhere
from geosync.errors import GeosyncError
from geosync.messages.work import Help
from geosync.oci.manifests import Descriptor


@dataclass(slots=True, kw_only=True)
class Helped:
    """The outcome of help: blobs and bytes that were copied, and why it ended before the blobs did."""

    blobs: int = 0
    copied_bytes: int = 0
    reason: str | None = None


class Helper:
    """Brings what a holder asked for, as long as `is_wanted` says so: it is asked before each blob."""

    def __init__(self, route: Route, asked: Help, *, is_wanted: Callable[[], bool]) -> None:
        self._route = route
        self._mover = BlobMover(route)
        self._mover.note_missing(blob.digest for blob in asked.blobs)
        self._asked = asked
        self._is_wanted = is_wanted
        self._lock = route.threads.lock()
        self._waiting = deque(asked.blobs)
        self.helped = Helped()
        """The outcome so far: it is so, too, if `help` raises."""

    def help(self) -> Helped:
        """Bring blobs until none is left to begin. Raises what `is_wanted` and the table raise."""
        sharing = self._route.sharing
        sharing.look_for(self._asked.blobs)
        at_once = min(self._asked.at_once, self._route.parallelism)
        sharing.hand_out(self._asked.blobs, at_once=at_once)
        try:
            with self._route.threads.pool(at_once, name="help") as pool:
                for ended in [pool.submit(self._work) for _ in range(at_once)]:
                    ended.result()
        finally:
            sharing.tell()
        return self.helped

    def _work(self) -> None:
        while (blob := self._next()) is not None:
            self._bring(blob)

    def _next(self) -> Descriptor | None:
        """Take the next blob that nobody has and that time is left for; None when none is wanted any more."""
        with self._lock:
            while self._waiting:
                if not self._is_wanted():
                    self._waiting.clear()
                    return None
                blob = self._waiting.popleft()
                if self._mover.fits(blob, self._route.deadline.left_s()) and self._route.sharing.is_left(blob):
                    return blob
            return None

    def _bring(self, blob: Descriptor) -> None:
        try:
            moved = self._mover.bring(blob, lambda: False)
        except CopiedElsewhere:
            return
        except GeosyncError as error:
            with self._lock:
                self._waiting.clear()
                self.helped.reason = str(error)
            return
        if moved is not None:
            with self._lock:
                self.helped.blobs += 1
                self.helped.copied_bytes += moved
