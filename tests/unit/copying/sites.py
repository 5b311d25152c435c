"""A source and a destination in memory, and a copier between them as a holder makes it."""

from __future__ import annotations

from tests.unit.copying.fakes import FakeRegistry

from geosync.copying.copy import Copier
from geosync.oci.manifests import Manifest
from geosync.pair.capabilities import Capabilities

REPOSITORY = "team/app"


class Site:
    """A source and a destination, and a copier between them as a holder would make it."""

    def __init__(self, **habits: bool) -> None:
        self.source = FakeRegistry("source:5000")
        self.destination = FakeRegistry("destination:5000", **habits)
        self.guarded = 0

    def copier(self, parallelism: int = 8) -> Copier:
        habits = Capabilities(
            checks_blobs=self.destination.checks_blobs,
            checks_children=self.destination.checks_children,
            mounts=self.destination.mounts,
            referrers_api=self.destination.referrers_api,
        )
        return Copier(
            self.source,
            REPOSITORY,
            self.destination,
            "mirror/app",
            before_tag_write=self.guard,
            capabilities=habits,
            parallelism=parallelism,
        )

    def guard(self) -> None:
        self.guarded += 1

    def is_whole(self, manifest: Manifest) -> bool:
        if self.destination.manifests.get(manifest.digest) != manifest:
            return False
        if any(blob.digest not in self.destination.blobs for blob in manifest.blobs):
            return False
        return all(self.is_whole(self.source.manifests[child.digest]) for child in manifest.children)


def layers(count: int, start: int = 0) -> list[bytes]:
    return [f"layer {number} ".encode() * 40 for number in range(start, start + count)]
