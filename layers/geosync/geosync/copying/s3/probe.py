"""The proof that S3 may copy for this site, for `geosync check`: a small blob of the primary's is copied and linked.

It is linked in a repository of its own, which has no manifest, and the link is taken back. What stays is one blob of
the primary's under its key, which the registry's garbage collection removes unless an image here has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from botocore.exceptions import BotoCoreError, ClientError

from geosync.copying.kinds import Kinds
from geosync.copying.s3.copier import S3Copier
from geosync.copying.s3.layout import has_place
from geosync.copying.s3.showing import REPOSITORY
from geosync.errors import GeosyncError, OutOfTime
from geosync.oci.manifests import Descriptor
from geosync.oci.repository import Repository
from geosync.pair.registries import Registries

MOST_REPOSITORIES = 20
"""Repositories of the primary that are looked at for a blob."""
MOST_PAGES = 10
"""Pages of a listing that are read for what this site replicates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """The outcome: proved, wrong (`problem`), or nothing there to prove it with (`unknown`)."""

    result: Literal["ok", "problem", "unknown"]
    text: str


def probe(copier: S3Copier, registries: Registries, repository: str | None) -> Probed:
    """Have S3 copy a blob of the primary's `repository` (None: of any), and see it at this site's registry.

    Only what this site replicates is copied: of the selected repositories, an image under a selected tag.
    """
    try:
        refusal = registries.secondary.storage_refusal()
        if refusal is not None:
            return Probed(result="problem", text=refusal)
        if repository is not None and not registries.selection.has_repository(repository):
            text = f"{repository} is outside the selection of this site: nothing of it is copied here"
            return Probed(result="unknown", text=text)
        blob = _small_blob(registries, repository)
        destination = Repository(registries.secondary, registries.at_secondary(REPOSITORY))
    except GeosyncError as error:
        return Probed(result="unknown", text=str(error))
    if blob is None:
        what = f"{repository} of the primary's registry" if repository else "the primary's registry"
        return Probed(result="unknown", text=f"{what} has no image of the selection to probe with")
    return _proved(copier, blob, destination)


def _proved(copier: S3Copier, blob: Descriptor, destination: Repository) -> Probed:
    try:
        copier.prove(blob, destination)
    except OutOfTime as error:
        return Probed(result="unknown", text=f"S3 did not copy {blob.digest} in the time of the function: {error}")
    except (BotoCoreError, ClientError, GeosyncError) as error:
        return Probed(result="problem", text=str(error))
    return Probed(result="ok", text=f"S3 copied {blob.digest}, and {destination.client.name} shows it")


def _small_blob(registries: Registries, repository: str | None) -> Descriptor | None:
    """The smallest blob of the first image that is found, of those that this site replicates."""
    selection = registries.selection
    for name in [repository] if repository is not None else _names(registries):
        source = Repository(registries.primary, name)
        tags = (tag for page in islice(source.tags(), MOST_PAGES) for tag in selection.tags(name, page))
        for tag in islice(tags, 1):
            blobs = _blobs(source, tag)
            if blobs:
                return min(blobs, key=lambda blob: blob.size)
    return None


def _names(registries: Registries) -> Iterator[str]:
    """The first repositories of the primary that this site replicates."""
    pages = islice(registries.primary.repositories(), MOST_PAGES)
    selected = (name for page in pages for name in page if registries.selection.has_repository(name))
    return islice(selected, MOST_REPOSITORIES)


def _blobs(source: Repository, reference: str) -> list[Descriptor]:
    kinds = Kinds(source)
    while (manifest := source.get_manifest(reference)) is not None:
        below = kinds.parts(manifest)
        blobs = [blob for blob in below.all_blobs if _is_copied(blob)]
        if blobs or not below.manifests:
            return blobs
        reference = below.manifests[0].digest
    return []


def _is_copied(blob: Descriptor) -> bool:
    return blob.size > 0 and not blob.has_urls and has_place(blob.digest)
