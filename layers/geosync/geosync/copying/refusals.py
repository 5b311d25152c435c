"""The refusals of a manifest by the destination: what it misses, and what no later attempt changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from geosync.copying.kinds import Parts
from geosync.errors import BlobsUnknown, Refused, RegistryError, RegistryUnavailable
from geosync.oci import media_types
from geosync.oci.manifests import Descriptor, Manifest
from geosync.oci.repository import Repository
from geosync.pair.capabilities import Capabilities

MAX_NAMED = 3
"""Digests that an error names, and that are looked for before a registry is said to contradict itself."""
MANY_PARTS = 100
"""The refusal of what refers to so many may come too late. Distribution looks for one after the other, and the PUT
of a tag is waited for 20 s (a third of LeaseSeconds). Of 1,000 on S3 it takes longer; of fewer than 100, each look
would have to take 200 ms."""


@contextmanager
def explained(manifest: Manifest) -> Iterator[None]:
    """Stand around a PUT of `manifest`: a 500 to a format that the registry does not take is raised as Refused."""
    try:
        yield
    except RegistryUnavailable as error:
        if error.status == 500 and "UNKNOWN" in error.codes and (format_ := unusual(manifest)):
            detail = f"it answers so to {format_}, which it does not take"
            raise Refused(error.registry, error.request, status=500, codes=error.codes, detail=detail) from error
        raise


def is_sure(manifest: Manifest, below: Parts, habits: Capabilities) -> bool:
    """Tell whether a destination of these habits refuses `manifest` as long as a part of it is missing.

    To many registries the artifact manifest, withdrawn from the specification, is a document like any other.
    """
    if manifest.media_type == media_types.OCI_ARTIFACT_MANIFEST:
        return not below.blobs
    return (habits.checks_children or not below.manifests) and (habits.checks_blobs or not below.blobs)


def may_be_late(below: Parts) -> bool:
    """Tell whether a destination may look for these longer than anybody waits: it does, one after the other."""
    return len(below.all_blobs) + len(below.manifests) >= MANY_PARTS


def missing(answer: BlobsUnknown, below: Parts) -> tuple[list[Descriptor], list[Descriptor]]:
    """Return the manifests and the blobs of `below` that a registry named missing; all when it named none.

    Raises Refused when it wants something that cannot be brought.
    """
    named = set(answer.missing)
    children = [child for child in below.manifests if not named or child.digest in named]
    blobs = [blob for blob in below.blobs if not named or blob.digest in named]
    if not children and not blobs:
        raise Refused(
            answer.registry,
            answer.request,
            status=answer.status,
            codes=answer.codes,
            detail=f"it wants {', '.join(answer.missing[:MAX_NAMED])}: "
            "not in the manifest, or a layer that is only at a URL",
        ) from answer
    return children, blobs


def blame(answer: BlobsUnknown, destination: Repository, below: Parts, *, is_index: bool, is_last: bool) -> None:
    """Look for what the destination names missing though it was brought; raises `answer` if it is not there.

    Raises what `contradiction` gives if it is there and the answer `is_last`.
    """
    blobs = [one.digest for one in below.all_blobs]
    blamed = (answer.missing or blobs or [one.digest for one in below.manifests])[:MAX_NAMED]
    for digest in blamed:
        look = destination.head_blob if digest in blobs else destination.head_manifest
        if look(digest) is None:
            raise answer
    if is_last:
        raise contradiction(answer, blamed, is_index_of_blobs=is_index and blamed[0] in blobs)


def contradiction(answer: BlobsUnknown, blamed: Sequence[str], *, is_index_of_blobs: bool) -> RegistryError:
    """The error for a registry that goes on to name missing what it has.

    No later attempt changes that for an index of blobs. For others one may: the copy of its storage that it asked may
    only have been behind.
    """
    what = f"(it misses {blamed[0]}, which is there)"
    if not is_index_of_blobs:
        detail = f"its storage or cache is behind or at fault: if it stays so, mend it, then geosync resync {what}"
        return BlobsUnknown(answer.registry, answer.request, answer.missing, detail=detail)
    # Distribution 3 looks for manifests only, and finds a blob while its descriptor cache remembers it.
    remedy = "it takes no index of blobs: export it with image-manifest=true,oci-mediatypes=true"
    return Refused(answer.registry, answer.request, status=answer.status, codes=answer.codes, detail=f"{remedy} {what}")


def unusual(manifest: Manifest) -> str | None:
    """Name what Distribution 2.8 refuses with `500 UNKNOWN`, as if it had failed: its own decision, which stays."""
    if manifest.media_type in media_types.SCHEMA1:
        return "Docker schema 1"
    if manifest.blobs_at_urls:
        return "a layer that is only at a URL"
    return None
