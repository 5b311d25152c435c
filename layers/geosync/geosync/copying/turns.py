"""The turns of a holder that shares an image's copy: how many of the blobs it copies at a time, so that some are left.

What is copied here at a time is the holder's share. Where no helper has any of them after a while, the holder takes
them all.
"""

from __future__ import annotations

from collections.abc import Iterable

PATIENCE_S = 20.0
"""Seconds after which helpers should be there: a queue's delivery and a cold start. Those who come later find less.
After as many again they are looked for again: they may be gone, or the last look may have failed."""


class Turns:
    """Blobs of one image, by digest, of which `most` are copied here at a time. Its user has the lock."""

    def __init__(self, digests: Iterable[str], most: int, now_s: float) -> None:
        self._left = set(digests)
        self._most = most
        self._taken: set[str] = set()
        self._judged_from_s = now_s + PATIENCE_S

    def take(self, digest: str) -> bool:
        """Take the turn of a blob, if it has one now."""
        if digest not in self._taken and len(self._taken) >= self._most:
            return False
        self._taken.add(digest)
        return True

    def give_back(self, digest: str) -> None:
        """Give a turn back: the blob was not copied here."""
        self._taken.discard(digest)

    def end(self, digest: str) -> None:
        """Note that a blob is there."""
        self._taken.discard(digest)
        self._left.discard(digest)

    def to_judge(self, now_s: float) -> frozenset[str]:
        """The blobs that are not there yet, when it is time to see whether a helper has any of them: now and then."""
        if now_s < self._judged_from_s:
            return frozenset()
        self._judged_from_s = now_s + PATIENCE_S
        return frozenset(self._left)

    def take_all(self) -> None:
        """Leave nothing to helpers any more: none came."""
        self._most = len(self._left)
