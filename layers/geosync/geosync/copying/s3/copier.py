"""The way of a layer that S3 copies: taken or not, copied, linked, and seen at the registry.

The registry is asked first, by the POST that begins an upload: it says whether the blob is there, whether the account
may push, and whether it is read-only. The primary's registry is asked whether its repository has the blob: what lies in
its bucket for other repositories is not for this one. The first time, a few bytes prove that the registry shows what is
in its bucket (showing.py). Then S3 copies, the copy is proved (copies.py), another POST says that the registry still
takes writes, the link is written, and the registry has to show the blob. After anything unexpected the layer is
streamed, and so is all that comes for a while. Where the registry did not show it, all is streamed for the rest of the
process.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from botocore.exceptions import BotoCoreError, ClientError

from geosync.copying.s3.copies import MIB, Check, NotCopied, ProvedCopies
from geosync.copying.s3.layout import has_place
from geosync.copying.s3.showing import NotShown, Showing, look
from geosync.errors import GeosyncError, LayerUnfinished, OutOfTime, RegistryError
from geosync.oci.deadline import Deadline
from geosync.oci.manifests import Descriptor
from geosync.oci.repository import Repository
from geosync.oci.uploads import Upload
from geosync.pair.pace import ENOUGH, Pace
from geosync.pair.pair import Pair
from geosync.registries.registry import Registry
from geosync.threads import SYSTEM_THREADS, Threads

LEAST = 16 * MIB
"""Bytes from which a layer is copied so; a smaller one is streamed in the time that the four calls to S3 take."""
ASSUMED = 50 * MIB
"""Bytes per second of one layer while none was measured."""
REST_S = 300.0
"""Seconds after something unexpected in which layers are streamed."""
LONGEST_REASON = 500
"""Characters of a reason in the log."""


class AnotherWay(Exception):
    """S3 does not copy this layer: it goes another way. No caller of the blob mover sees it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedInS3:
    """The outcome since the last time it was asked for: layers and bytes that S3 copied, and reasons why it did not."""

    layers: int = 0
    copied_bytes: int = 0
    reasons: tuple[str, ...] = ()


class S3Copier:
    """Has S3 copy layers from the primary's bucket to this site's. Thread-safe; it outlives a holder."""

    def __init__(
        self,
        copies: ProvedCopies,
        *,
        deadline: Deadline,
        least_bytes: int = LEAST,
        threads: Threads = SYSTEM_THREADS,
    ) -> None:
        self._copies = copies
        self._deadline = deadline
        self._clock = deadline.clock
        self._least_bytes = least_bytes
        self._lock = threads.lock()
        self._showing = Showing(copies, threads)
        self._pace = Pace(ASSUMED)
        self._rests_until_s = -REST_S
        self._layers = self._bytes = 0
        self._reasons: list[str] = []
        self._serves: dict[Registry, bool] = {}

    def serves(self, registry: Registry) -> bool:
        """Tell whether the site's `registry` finds what is put into its bucket; asked once, and logged if not."""
        if registry not in self._serves:
            try:
                reason = registry.storage_refusal()
            except OutOfTime:
                return False
            except RegistryError as error:
                self._rest(str(error))
                return False
            if reason is not None:
                self._reasons.append(reason)
            self._serves[registry] = reason is None
        return self._serves[registry]

    def bring(
        self,
        blob: Descriptor,
        pair: Pair,
        *,
        begin: Callable[[], Upload | None],
        check: Check,
    ) -> int | None:
        """Make `blob` be at the secondary. Returns the bytes moved through here, which are 0; None: it was there.

        `begin` begins an upload at the registry, None where the blob is there. `check` is called while S3 works; what
        it raises ends the call. Raises AnotherWay where the layer has to be streamed, OutOfTime when it fits into an
        invocation and not into what is left of this one, LayerUnfinished when it had most of this one and was not
        copied, and what `begin` and the registries raise.
        """
        if not self._takes(blob) or self._showing.is_refuted(pair.secondary.client.name):
            raise AnotherWay
        if begin() is None:
            return None  # an upload that was begun is left to the registry, which purges what nobody closes
        started_s, checked = self._clock.monotonic_s(), self._checked(check)
        try:
            size = pair.primary.head_blob(blob.digest)
            if size is None:
                raise AnotherWay  # a stream says what that means
            if not self._showing.prove(pair, checked, lambda: not self._is_resting()):
                raise AnotherWay
            copied = replace(blob, size=size)
            self._copies.copy(copied, checked)
            # It took its time. What lies there unlinked, a registry that is read-only by now may be about to sweep.
            pair.secondary.begin_upload()
            self._copies.link(pair.secondary.name, copied.digest, checked)
            look(copied, pair.secondary)
        except (BotoCoreError, ClientError, NotCopied) as error:
            if isinstance(error, NotShown):
                self._showing.note(pair.secondary.client.name, shows=False)
            self._rest(str(error))
            raise AnotherWay from error
        except OutOfTime as error:
            took_s = self._clock.monotonic_s() - started_s
            if took_s >= self._deadline.given_s * ENOUGH:
                why = f"S3 did not copy it in {took_s:.0f} s; it is streamed from now on"
                raise LayerUnfinished(f"layer {blob.digest} of {blob.size} bytes: {why}") from error
            raise
        self._pace.note(size, self._clock.monotonic_s() - started_s)
        with self._lock:
            self._layers += 1
            self._bytes += size
        return 0

    def prove(self, blob: Descriptor, destination: Repository) -> None:
        """Copy a blob, see it in a repository that is for that only, and take its link back.

        Raises NotCopied, OutOfTime, what boto3 raises, and RegistryError: the first of them, whatever the end comes to.
        """
        check = self._deadline.check
        self._copies.copy(blob, check)
        link = self._copies.link(destination.name, blob.digest, check)
        try:
            look(blob, destination)
        except BaseException:
            with suppress(BotoCoreError, ClientError, GeosyncError):
                self._copies.delete(link, check)
            raise
        self._copies.delete(link, check)
        self._showing.note(destination.client.name, shows=True)

    def outcome(self) -> CopiedInS3:
        """The outcome since the last call."""
        with self._lock:
            outcome = CopiedInS3(layers=self._layers, copied_bytes=self._bytes, reasons=tuple(self._reasons))
            self._layers = self._bytes = 0
            self._reasons = []
        return outcome

    def _takes(self, blob: Descriptor) -> bool:
        """Tell whether S3 copies `blob`; raises OutOfTime when it is better begun in the next invocation."""
        if blob.size < self._least_bytes or not has_place(blob.digest) or self._is_resting():
            return False
        left_s, given_s = self._deadline.left_s(), self._deadline.given_s
        if self._pace.fits(blob.size, left_s):
            return True
        if left_s < given_s * ENOUGH and self._pace.fits(blob.size, given_s):
            raise OutOfTime("the time left is too short for S3 to copy the layer; it does in the next invocation")
        return False

    def _checked(self, check: Check) -> Check:
        def both() -> None:
            check()
            self._deadline.check()

        return both

    def _is_resting(self) -> bool:
        return self._clock.monotonic_s() < self._rests_until_s

    def _rest(self, reason: str) -> None:
        """Stream for a while; the log gets one reason for it."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            if now_s >= self._rests_until_s:
                self._reasons.append(reason[:LONGEST_REASON])
            self._rests_until_s = now_s + REST_S
