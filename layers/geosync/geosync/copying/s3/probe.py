"""The proof that S3 may copy for this site, for `geosync check`: a small blob of the primary's is copied and linked.

It is linked in a repository of its own, which has no manifest, and the link is taken back. What stays is one blob of
the primary's under its key, which the registry's garbage collection removes unless an image here has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from botocore.exceptions import BotoCoreError, ClientError

from geosync.copying.kinds import Kinds
from geosync.copying.s3.copier import S3Copier
from geosync.copying.s3.copies import NotCopied
from geosync.errors import GeosyncError, RegistryError
from geosync.oci.manifests import Descriptor
from geosync.oci.repository import Repository
from geosync.pair.registries import Registries
from geosync.registries.registry import Registry

REPOSITORY = "geosync-check"
"""The repository of the probe, below the site's prefix. The template lets the function delete links in no other."""
MOST_REPOSITORIES = 20
"""Repositories of the primary that are looked at for a blob."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """The outcome: proved, wrong (`problem`), or nothing there to prove it with (`unknown`)."""

    result: Literal["ok", "problem", "unknown"]
    text: str


def probe(copier: S3Copier, registries: Registries, repository: str | None) -> Probed:
    """Have S3 copy a blob of the primary's `repository` (None: of any), and see it at this site's registry."""
    try:
        refusal = registries.secondary.storage_refusal()
        if refusal is not None:
            return Probed(result="problem", text=refusal)
        blob = _small_blob(registries.primary, repository)
    except (RegistryError, GeosyncError) as error:
        return Probed(result="unknown", text=str(error))
    if blob is None:
        return Probed(result="unknown", text="the primary's registry has no image to probe with")
    destination = Repository(registries.secondary, registries.at_secondary(REPOSITORY))
    try:
        copier.prove(blob, destination)
    except (BotoCoreError, ClientError, NotCopied, RegistryError) as error:
        return Probed(result="problem", text=str(error))
    return Probed(result="ok", text=f"S3 copied {blob.digest}, and {registries.secondary.name} shows it")


def _small_blob(primary: Registry, repository: str | None) -> Descriptor | None:
    """The smallest blob of the first image that is found."""
    names = [repository] if repository is not None else next(primary.repositories(), [])
    for name in names[:MOST_REPOSITORIES]:
        source = Repository(primary, name)
        for tag in next(source.tags(), [])[:1]:
            blobs = _blobs(source, tag)
            if blobs:
                return min(blobs, key=lambda blob: blob.size)
    return None


def _blobs(source: Repository, reference: str) -> list[Descriptor]:
    kinds = Kinds(source)
    while (manifest := source.get_manifest(reference)) is not None:
        below = kinds.parts(manifest)
        blobs = [blob for blob in below.all_blobs if blob.size > 0 and not blob.has_urls]
        if blobs or not below.manifests:
            return blobs
        reference = below.manifests[0].digest
    return []
