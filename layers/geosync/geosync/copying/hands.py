"""Helpers for one image: other invocations are asked to bring a share of what is missing in it.

A holder that finds many bytes of one image missing sends its helpers one message each, before it begins. All name the
same blobs, each in another order. Whoever copies a blob claims it first (sharing.py), so each moves once, and who is
slow brings less. A helper that never comes, or dies, costs nothing but the wait for its claim to end.

A blob is not divided. What does not go in one piece in one invocation is not handed out, as only a holder can keep a
part of it for the next. Nor is what S3 copies, which needs nobody's network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from geosync.copying.blobs import BlobMover
from geosync.copying.route import Helpers, Route
from geosync.copying.sharing import CLAIMED_FROM
from geosync.errors import GeosyncError
from geosync.messages.work import MOST_AT_ONCE, MOST_BLOBS, Help
from geosync.oci.manifests import Descriptor

MOST_HELPERS = 3
SMALL_PART = 100
"""A blob smaller than this part of what is worth help is not handed out: the holder copies it in no time."""


class Hands:
    """Shares the copies of one holder. Thread-safe."""

    def __init__(self, route: Route, mover: BlobMover) -> None:
        self._mover = mover
        self._sharing = route.sharing
        self._helpers = route.helpers if route.s3 is None else None
        self._given_s = route.deadline.given_s

    def look_for(self, missing: Iterable[Descriptor], *, may_be_there: bool) -> None:
        """Read who at the site has blobs of an image, and ask for help with those that nobody has, if they are many.

        Not for those that `may_be_there`: what is there is no work.
        """
        blobs = list(missing)
        self._sharing.look_for(blobs)
        if self._helpers is None or may_be_there:
            return
        least = min(CLAIMED_FROM, self._helpers.least_bytes // SMALL_PART)
        # From the largest on: the holder's workers begin with the smallest.
        large = sorted((blob for blob in blobs if blob.size >= least), key=lambda blob: blob.size)[::-1]
        if _is_much(large, self._helpers.least_bytes):
            shared = [blob for blob in large if self._may_be_shared(blob)][:MOST_BLOBS]
            if _is_much(shared, self._helpers.least_bytes):
                self._ask(self._helpers, shared)

    def _ask(self, helpers: Helpers, shared: Sequence[Descriptor]) -> None:
        """Ask for help with `shared`, of which the holder does one part."""
        count = min(len(shared) - 1, MOST_HELPERS)
        at_once = min(max(len(shared) // (count + 1), 1), MOST_AT_ONCE)
        helps = [
            Help(holder=helpers.holder, blobs=_beginning_with(shared, number, count + 1), at_once=at_once)
            for number in range(count)
        ]
        if helpers.ask(helps):
            self._sharing.hand_out(shared, at_once=at_once)

    def _may_be_shared(self, blob: Descriptor) -> bool:
        try:
            is_whole = not blob.has_urls and self._mover.fits(blob, self._given_s)
        except (BotoCoreError, ClientError, GeosyncError):  # whoever copies it meets that, and whoever waits hears it
            return False
        return is_whole and self._sharing.may_be_handed_out(blob)


def _is_much(blobs: Sequence[Descriptor], least_bytes: int) -> bool:
    return len(blobs) > 1 and sum(blob.size for blob in blobs) >= least_bytes


def _beginning_with(blobs: Sequence[Descriptor], number: int, hands: int) -> tuple[Descriptor, ...]:
    """Begin with every blob whose turn it is, counted round `hands`; the others go to the helper that is done first."""
    own = blobs[number::hands]
    return (*own, *(blob for position, blob in enumerate(blobs) if position % hands != number))
