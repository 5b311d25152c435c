"""Referrers: the signatures, attestations and SBOMs that belong to a digest.

Three ways are in use, and a registry may hold all of them (distribution-spec 1.1, "Listing Referrers" and "Referrers
Tag Schema"; cosign's tags are older than both):

    subject + API       a manifest whose `subject` names the digest, listed by GET referrers/<digest>
    subject + tag       the same manifest, listed by an index under the tag sha256-<hex>, which the pushing client keeps
    cosign tags         sha256-<hex>.sig, .att, .sbom: images under ordinary tags

A push of any of them is an event of its own, and a tag is copied like any tag, so nothing is looked up for a push. Only
a backfill asks (`missing`), for what has no tag and was pushed before there were events; and only where the secondary's
registry has no API while the primary's has, somebody has to keep the index under the tag (`keep_fallback_tag`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from geosync.errors import MalformedManifest
from geosync.oci import media_types
from geosync.oci.client import RegistryClient
from geosync.oci.manifests import Descriptor, Manifest

MAX_ASKED = 1_000
"""Digests that one backfilled reference asks about, so that chains of referrers end."""


def fallback_tag(digest: str) -> str:
    """Return the tag that lists what refers to `digest` where there is no API ("Referrers Tag Schema")."""
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm[:32]}-{encoded[:64]}"


_FALLBACK_TAG = re.compile(r"[a-z0-9]{1,32}-[0-9a-f]{64}")


def is_fallback_tag(tag: str) -> bool:
    """Whether `tag` has the form of a fallback tag."""
    return _FALLBACK_TAG.fullmatch(tag) is not None


def missing(
    source: RegistryClient,
    source_repository: str,
    destination: RegistryClient,
    destination_repository: str,
    manifest: Manifest,
) -> Iterator[Manifest]:
    """Yield what refers to `manifest`, to all below it, and to those referrers in turn, where the destination lacks it.

    One request to the source for each manifest that is asked about; a single one where it has no API, since what is
    listed by tags comes with the tags. What is below an index within is read from the destination, which has it. Copy
    each (by digest) before taking the next.
    """
    asked: set[str] = set()
    ahead = [(manifest.digest, False), *((child.digest, _is_index(child)) for child in manifest.children)]
    while ahead and len(asked) < MAX_ASKED:
        digest, has_children = ahead.pop(0)
        if digest in asked:
            continue
        asked.add(digest)
        found = source.referrers(source_repository, digest)
        if found is None:
            return
        if has_children and (within := destination.get_manifest(destination_repository, digest)) is not None:
            ahead += [(child.digest, _is_index(child)) for child in within.children]
        for referrer in found:
            ahead.append((referrer.digest, _is_index(referrer)))
            if destination.head_manifest(destination_repository, referrer.digest) is not None:
                continue
            # None: deleted since it was listed.
            if (content := source.get_manifest(source_repository, referrer.digest)) is not None:
                yield content


def _is_index(descriptor: Descriptor) -> bool:
    return media_types.is_index(descriptor.media_type)


def keep_fallback_tag(
    source: RegistryClient,
    source_repository: str,
    destination: RegistryClient,
    destination_repository: str,
    manifest: Manifest,
    *,
    before_tag_write: Callable[[], None],
) -> None:
    """List `manifest`, which is at the destination and has a subject, under its subject's fallback tag there.

    For a destination without the referrers API. Nothing is done where the primary keeps that tag itself (it has no API,
    or has the tag all the same): then it is copied as every tag is. The caller sees to it that nobody else writes the
    tag meanwhile. Raises MalformedManifest when the tag holds something else than an index.
    """
    subject = manifest.subject
    if subject is None:
        return
    tag = fallback_tag(subject.digest)
    if source.referrers(source_repository, subject.digest) is None:
        return
    if source.head_manifest(source_repository, tag) is not None:
        return
    current = destination.get_manifest(destination_repository, tag)
    if current is None:
        document: dict[str, Any] = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": []}
    elif current.is_index:
        document = dict(current.document)
    else:
        raise MalformedManifest(f"{destination_repository}:{tag} should list referrers, and is not an index")
    if current is not None and manifest.digest in {listed.digest for listed in current.children}:
        return
    document["manifests"] = [*document["manifests"], _entry(manifest)]
    content = json.dumps(document, separators=(",", ":")).encode()
    before_tag_write()
    destination.put_manifest(destination_repository, tag, Manifest.read(content, media_types.OCI_INDEX))


def _entry(manifest: Manifest) -> dict[str, Any]:
    """Describe `manifest` as the API would: its type is the artifact's or else the config's, annotations go along."""
    document = manifest.document
    config: dict[str, Any] = document.get("config") or {}
    entry: dict[str, Any] = {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.content),
    }
    if artifact_type := document.get("artifactType") or config.get("mediaType"):
        entry["artifactType"] = artifact_type
    if annotations := document.get("annotations"):
        entry["annotations"] = annotations
    return entry
