"""A source and a destination in memory, and a copier between them as a holder makes it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from tests.unit.copying.fakes import FakeRegistry

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.copying.copy import Copier
from geosync.copying.route import Helpers, Route
from geosync.copying.sharing import Sharing
from geosync.oci.manifests import Manifest
from geosync.oci.repository import Repository
from geosync.pair.capabilities import Capabilities
from geosync.pair.pair import Pair

REPOSITORY = "team/app"


class Site:
    """A source and a destination, and a copier between them as a holder would make it."""

    def __init__(self, **habits: bool) -> None:
        self.source = FakeRegistry("source:5000")
        self.destination = FakeRegistry("destination:5000", **habits)
        self.mirror = "mirror/app"
        self.former: str | None = None
        """The repository that the destination's was renamed from."""
        self.guarded = 0

    @property
    def pair(self) -> Pair:
        return Pair(Repository(self.source, REPOSITORY), Repository(self.destination, self.mirror))

    def copier(
        self,
        parallelism: int = 8,
        *,
        tag_write: Callable[[], AbstractContextManager[None]] | None = None,
        sharing: Sharing | None = None,
        helpers: Helpers | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> Copier:
        route = Route(
            pair=self.pair,
            capabilities=self.habits,
            parallelism=parallelism,
            sharing=sharing or Sharing(),
            helpers=helpers,
            mount_from=self.former,
            clock=clock,
        )
        return Copier(route, tag_write=tag_write or self.guard)

    @property
    def habits(self) -> Capabilities:
        return Capabilities(
            checks_blobs=self.destination.checks_blobs,
            checks_children=self.destination.checks_children,
            mounts=self.destination.mounts,
            referrers_api=self.destination.referrers_api,
        )

    def guard(self) -> AbstractContextManager[None]:
        self.guarded += 1
        return nullcontext()

    def is_whole(self, manifest: Manifest) -> bool:
        if self.destination.manifests.get(manifest.digest) != manifest:
            return False
        if manifest.is_index:
            return all(self._is_there(entry.digest) for entry in manifest.entries)
        return all(blob.digest in self.destination.blobs for blob in manifest.blobs)

    def _is_there(self, digest: str) -> bool:
        """An index's entry is at the destination as what it is at the source."""
        child = self.source.manifests.get(digest)
        return self.is_whole(child) if child is not None else digest in self.destination.blobs


def layers(count: int, start: int = 0) -> list[bytes]:
    return [f"layer {number} ".encode() * 40 for number in range(start, start + count)]
