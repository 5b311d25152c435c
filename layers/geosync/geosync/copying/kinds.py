"""One rule of what is below a manifest, for the copy, the repair, the verification and the comparison.

The parts of an image are blobs, whatever media types they have. An entry of an index is a manifest or a blob.
Registries take any media type there, so it says only where to look first. What the primary has under the digest
decides. It is asked when an entry is not there as what its media type suggests: a usual index costs no request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from geosync.errors import ChildAbsent, NotFound, RegistryError, RegistryUnavailable
from geosync.oci.manifests import Descriptor, Manifest
from geosync.oci.repository import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts that a manifest refers to, in its order, each digest once; its subject is not one of them.

    `blobs_at_urls` have `urls`: a registry may have them or not, and takes the manifest without them.
    """

    manifests: tuple[Descriptor, ...] = ()
    blobs: tuple[Descriptor, ...] = ()
    blobs_at_urls: tuple[Descriptor, ...] = ()

    @property
    def all_blobs(self) -> tuple[Descriptor, ...]:
        """All blobs. Those that may be at their URLs only come first: a registry does not ask for them."""
        return (*self.blobs_at_urls, *self.blobs)


class Kinds:
    """Tells manifests from blobs below the manifests of one repository, and remembers what was asked. Thread-safe."""

    def __init__(self, primary: Repository, *, ask: Callable[[Callable[[], bool]], bool] | None = None) -> None:
        """`ask` makes each request to the primary, where it is counted."""
        self._primary = primary
        self._ask = ask or _ask
        self._asked: dict[str, bool] = {}

    def is_manifest(self, entry: Descriptor) -> bool:
        """Tell whether an entry of an index is a manifest, as far as it is known."""
        return self._asked.get(entry.digest, entry.is_manifest)

    def parts(self, manifest: Manifest) -> Parts:
        """Return what `manifest` refers to, as far as it is known. Raises MalformedManifest."""
        if not manifest.is_index:
            return _parts((), manifest.all_blobs)
        return self._of_index(manifest.entries)

    def sorted(self, below: Parts) -> Parts:
        """Return the parts of an index as `parts` would now: what was asked since may have turned some."""
        return self._of_index((*below.manifests, *below.all_blobs))

    def _of_index(self, found: Iterable[Descriptor]) -> Parts:
        entries = [(self.is_manifest(entry), entry) for entry in found]
        return _parts(
            (entry for is_manifest, entry in entries if is_manifest),
            [entry for is_manifest, entry in entries if not is_manifest],
        )

    def is_nowhere(self, entry: Descriptor) -> bool:
        """Tell whether the primary has no manifest of an entry that was asked about (`turns`), and no such blob."""
        return self._asked.get(entry.digest, False) and not self._ask(
            lambda: self._primary.head_manifest(entry.digest) is not None
        )

    def turns(self, entry: Descriptor, *, is_manifest: bool) -> bool:
        """Ask the primary, once, about an entry that is not there as what it was taken for (`is_manifest`).

        True when the primary has it as the other kind; `parts` says so from now on. Raises what the registry raises.
        """
        digest = entry.digest
        if digest not in self._asked:
            # The blob first: Distribution 2.8 reads a blob that is asked for as a manifest into memory, and fails.
            has_blob = self._ask(lambda: self._primary.head_blob(digest) is not None)
            if is_manifest or has_blob:
                self._asked[digest] = not has_blob
            else:
                self._asked[digest] = self._ask(lambda: self._primary.head_manifest(digest) is not None)
        return self._asked[digest] is not is_manifest


def _parts(manifests: Iterable[Descriptor], blobs: Sequence[Descriptor]) -> Parts:
    return Parts(
        manifests=tuple(manifests),
        blobs=tuple(blob for blob in blobs if not blob.has_urls),
        blobs_at_urls=tuple(blob for blob in blobs if blob.has_urls),
    )


def _ask(request: Callable[[], bool]) -> bool:
    return request()


def absent(primary: Repository, digest: str) -> ChildAbsent:
    """The error for an entry of an index that the primary does not have."""
    request = f"GET /v2/{primary.name}/manifests/{digest}"
    return ChildAbsent(primary.client.name, request, status=404, detail="an index refers to it")


def may_be_of_another_kind(error: RegistryError) -> bool:
    """Tell whether an error of a request for a part says that the registry does not have it as that kind.

    Distribution 2.8 answers a request for a manifest whose digest is a blob's with 500: it cannot read it.
    """
    if isinstance(error, RegistryUnavailable):
        return error.status == HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(error, NotFound)
