"""One container repository of one registry: the client's verbs without the repository's name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geosync.oci.listings import ListedTag

if TYPE_CHECKING:
    from geosync.oci.blobs import BlobReader, BlobSource
    from geosync.oci.client import RegistryClient
    from geosync.oci.manifests import Descriptor, Manifest
    from geosync.oci.ranges import Range, RangeReader
    from geosync.oci.uploads import Upload


@dataclass(frozen=True, slots=True)
class Repository:
    """A container repository: its registry's client and its name there.

    Each method is RegistryClient's of the same name, and raises what that one raises. The verbs of an upload that has
    begun (`put_blob`, `put_chunk`, `close_upload`) are the `client`'s alone: the upload knows its repository.
    """

    client: RegistryClient
    name: str

    def __str__(self) -> str:
        return f"{self.client.name}/{self.name}"

    def head_manifest(self, reference: str) -> Descriptor | None:
        """The descriptor of a tag or a digest; None only where there is none."""
        return self.client.head_manifest(self.name, reference)

    def get_manifest(self, reference: str) -> Manifest | None:
        """A manifest by tag or digest, its digest checked; None only where there is none."""
        return self.client.get_manifest(self.name, reference)

    def put_manifest(self, reference: str, manifest: Manifest) -> bool:
        """Put a manifest's exact bytes under a tag or under its digest; True if the registry lists the referrer."""
        return self.client.put_manifest(self.name, reference, manifest)

    def delete_manifest(self, reference: str) -> None:
        """Delete a digest, or a tag where the registry can; an absent one is success."""
        self.client.delete_manifest(self.name, reference)

    def head_blob(self, digest: str) -> int | None:
        """A blob's size in bytes, None where it is not there."""
        return self.client.head_blob(self.name, digest)

    def lacks_blob(self, digest: str) -> bool:
        """As RegistryClient.lacks_blob."""
        return self.client.lacks_blob(self.name, digest)

    def open_blob(self, descriptor: Descriptor, *, offset: int = 0) -> BlobReader:
        """Begin to read a blob, from the byte `offset` on."""
        return self.client.open_blob(self.name, descriptor, offset=offset)

    def open_range(self, descriptor: Descriptor, wanted: Range) -> RangeReader:
        """Begin to read a range of a blob."""
        return self.client.open_range(self.name, descriptor, wanted)

    def blob_source(self, descriptor: Descriptor) -> BlobSource:
        """Return the source for a reader of a blob whose bytes come another way."""
        return self.client.blob_source(self.name, descriptor)

    def begin_upload(self, *, mount: str | None = None, mount_from: str | None = None) -> Upload | None:
        """Begin an upload; with `mount` (a digest), None where the registry mounted it."""
        return self.client.begin_upload(self.name, mount=mount, mount_from=mount_from)

    def put_small_blob(self, digest: str, content: bytes) -> None:
        """Upload bytes that are in memory, unless they are there already."""
        self.client.put_small_blob(self.name, digest, content)

    def kept_upload(self, path: str) -> Upload | None:
        """The upload that the client's `keepable` described; None where it leads to another host."""
        return self.client.kept_upload(self.name, path)

    def tags(self, *, last: str | None = None) -> Iterator[list[str]]:
        """The tags, page by page."""
        return self.client.tags(self.name, last=last)

    def tags_with_digests(self, *, last: str | None = None) -> Iterator[list[ListedTag]]:
        """The tags, page by page, with their digests where the registry's listing has them."""
        return self.client.tags_with_digests(self.name, last=last)

    def untagged_digests(self) -> Iterator[list[str]] | None:
        """The manifests that no tag names, page by page; None where the registry lists none."""
        return self.client.untagged_digests(self.name)

    def referrers(self, digest: str) -> list[Descriptor] | None:
        """The referrers of a digest; None where the registry has no referrers API."""
        return self.client.referrers(self.name, digest)

    def is_archived(self, reference: str) -> bool:
        """Tell whether a manifest that was answered with 404 exists, but is archived and not served."""
        return self.client.is_archived(self.name, reference)
