"""Looks at a repository's tags and blobs on both sides, each of them counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace

from geosync.copying.repair import reads_back
from geosync.errors import ContentError
from geosync.oci.listings import ListedTag
from geosync.oci.manifests import SIZE_UNKNOWN, Descriptor, Manifest
from geosync.pair.pair import Pair
from geosync.verifying.asking import Asking
from geosync.verifying.contents import Contents
from geosync.verifying.context import VerificationContext


@dataclass(frozen=True, slots=True, kw_only=True)
class TagLook:
    """A tag as it was at `at` (ms): its digest as it was recorded, and on both sides; None where there is none.

    `manifest` is the secondary's, None where it was not read. `broken`: its bytes are not what its digest says.
    """

    tag: str
    at: int
    known: str | None
    primary: str | None
    secondary: str | None
    manifest: Manifest | None = None
    broken: bool = False

    @property
    def is_equal(self) -> bool:
        """True when both sides have it with the same digest."""
        return self.primary is not None and self.primary == self.secondary


class Looks:
    """Looks at one repository. For one thread; what it does side by side runs in `pool`."""

    def __init__(self, context: VerificationContext, pair: Pair, asking: Asking, pool: Executor) -> None:
        self._context = context
        self._pair = pair
        self._asking = asking
        self._pool = pool
        self.contents = Contents(pair, asking, pool)

    def tags(self, tags: Sequence[tuple[str, str]]) -> list[TagLook]:
        """Look at tags, given with their recorded digests, side by side."""
        return list(self._pool.map(lambda one: self.tag(*one), tags))

    def tag(self, tag: str, known: str | None) -> TagLook:
        """Look at a tag on both sides; `known` is its recorded digest.

        Its manifest is read with it, unless it was found whole in this run, or nothing was recorded.
        """
        at = self._context.clock.now_ms()
        here = self._asking.ask(lambda: self._pair.primary.head_manifest(tag))
        look = TagLook(tag=tag, at=at, known=known, primary=here.digest if here else None, secondary=None)
        if known is not None and not self.contents.is_known(known):
            with suppress(ContentError):
                manifest = self._asking.ask(lambda: self._pair.secondary.get_manifest(tag))
                return replace(look, secondary=manifest.digest if manifest else None, manifest=manifest)
            look = replace(look, broken=True)
        there = self._asking.ask(lambda: self._pair.secondary.head_manifest(tag))
        return replace(look, secondary=there.digest if there else None)

    def listed(self, after: str | None) -> Iterator[list[ListedTag]]:
        """The primary's tags behind the tag `after`, page by page."""
        for page in self._pair.primary.tags_with_digests(last=after):
            self._asking.count()
            yield page

    def has_blob(self, digest: str) -> bool:
        """True when the secondary has the blob, and serves it whole."""
        if self._asking.ask(lambda: self._pair.secondary.head_blob(digest)) is None:
            return False
        return self.reads(Descriptor(media_type="", digest=digest, size=SIZE_UNKNOWN))

    def reads(self, blob: Descriptor) -> bool:
        """Read a blob back from the secondary; True when its bytes hash to its digest."""
        secondary, check = self._pair.secondary, self._context.deadline.check
        return self._asking.ask(lambda: reads_back(secondary, blob, check))
