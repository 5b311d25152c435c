"""Referrers: the signatures, attestations and SBOMs that belong to a digest.

Three ways are in use, and a registry may hold all of them (distribution-spec 1.1, "Listing Referrers" and "Referrers
Tag Schema"; cosign's tags are older than both):

    subject + API       a manifest whose `subject` names the digest, listed by GET referrers/<digest>
    subject + tag       the same manifest, listed by an index under the tag sha256-<hex>, which the pushing client keeps
    cosign tags         sha256-<hex>.sig, .att, .sbom: images under ordinary tags

A push of any of them is an event of its own, and a tag is copied like any tag. So nothing is looked up for a push. A
referrer without a tag may have been pushed before there were events, or its event was lost: it is asked for. `missing`
asks about an image that is copied because somebody asked or a comparison found it; a comparison asks about every other
(`lacking`). Where the secondary's registry has no API and the primary's has, `FallbackTags` keeps the index under the
tag.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from geosync.errors import ContentError, MalformedManifest
from geosync.oci import media_types
from geosync.oci.documents import TOO_LONG, with_item
from geosync.oci.manifests import Descriptor, Manifest
from geosync.oci.repository import Repository
from geosync.pair.pair import Pair
from geosync.threads import SYSTEM_THREADS, Threads

_NO_REFERRERS = f'{{"schemaVersion":2,"mediaType":"{media_types.OCI_INDEX}","manifests":[]}}'.encode()
"""The index of a tag that is not there yet."""
MAX_ASKED = 1_000
"""Digests that are asked about for one image, so that chains of referrers end."""


def fallback_tag(digest: str) -> str:
    """Return the tag that lists what refers to `digest` where there is no API ("Referrers Tag Schema")."""
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm[:32]}-{encoded[:64]}"


_FALLBACK_TAG = re.compile(r"[a-z0-9]{1,32}-[0-9a-f]{64}")


def is_fallback_tag(tag: str) -> bool:
    """True if `tag` has the form of a fallback tag."""
    return _FALLBACK_TAG.fullmatch(tag) is not None


class Listings:
    """The referrers that a registry lists for the manifests of one repository, asked for once each. Thread-safe."""

    def __init__(self, repository: Repository, threads: Threads = SYSTEM_THREADS) -> None:
        self.repository = repository
        self._has_api = None if repository.client.lists_referrers else False
        self._probe = threads.lock()
        self._asked: set[str] = set()
        self._asked_lock = threading.Lock()

    @property
    def unavailable(self) -> bool:
        """True once the registry is known to have no referrers API."""
        return self._has_api is False

    def take(self, digest: str) -> bool:
        """Take `digest` to ask about it; False when somebody has asked already."""
        with self._asked_lock:
            if digest in self._asked:
                return False
            self._asked.add(digest)
            return True

    def of(self, digest: str) -> list[Descriptor]:
        """Return what refers to `digest`, nothing where there is no API.

        One answer says for all digests that there is none, but not one about a manifest that is gone meanwhile. Raises
        what `referrers` raises.
        """
        if self._has_api is None:
            with self._probe:
                if self._has_api is None:
                    return self._first(digest)
        return (self.repository.referrers(digest) or []) if self._has_api else []

    def _first(self, digest: str) -> list[Descriptor]:
        found = self.repository.referrers(digest)
        if found is not None:
            self._has_api = True
        elif not self.repository.client.lists_referrers or self.repository.head_manifest(digest) is not None:
            self._has_api = False
        return found or []


def lacking(listings: Listings, destination: Repository, roots: Iterable[tuple[str, bool]]) -> Iterator[Descriptor]:
    """Yield what refers to `roots`, to all below them, and to those referrers in turn, where the destination lacks it.

    A root is a digest, and True if it may be an index. It costs one request to the source for each manifest that
    nobody asked about before, and a single one where the source has no API: what is listed by tags comes with the tags.
    What is below an index is read from the destination, or from the source if it is not there. Raises ContentError for
    what cannot be read, and RegistryError.
    """
    ahead = list(roots)
    asked = 0
    while ahead and asked < MAX_ASKED and not listings.unavailable:
        digest, has_children = ahead.pop(0)
        if not listings.take(digest):
            continue
        asked += 1
        for referrer in listings.of(digest):
            _add(ahead, [referrer], asked)
            if destination.head_manifest(referrer.digest) is None:
                yield referrer
        if has_children and not listings.unavailable:
            _add(ahead, _children(listings, destination, digest), asked)


def _add(ahead: list[tuple[str, bool]], found: Iterable[Descriptor], asked: int) -> None:
    """Have what was found be asked about, as far as the bound goes: chains of referrers may have any length."""
    room = max(MAX_ASKED - asked - len(ahead), 0)
    ahead += [(one.digest, _is_index(one)) for one in itertools.islice(found, room)]


def _children(listings: Listings, destination: Repository, digest: str) -> Iterable[Descriptor]:
    within = _readable(destination, digest) or listings.repository.get_manifest(digest)
    return within.children if within is not None else ()


def _readable(repository: Repository, digest: str) -> Manifest | None:
    try:
        return repository.get_manifest(digest)
    except ContentError:
        return None


def missing(pair: Pair, manifest: Manifest, threads: Threads = SYSTEM_THREADS) -> Iterator[Manifest]:
    """Yield what refers to `manifest`, and so on (see `lacking`). Copy each (by digest) before taking the next."""
    roots = [(manifest.digest, False), *((child.digest, _is_index(child)) for child in manifest.children)]
    for referrer in lacking(Listings(pair.primary, threads), pair.secondary, roots):
        # None: deleted since it was listed.
        if (content := pair.primary.get_manifest(referrer.digest)) is not None:
            yield content


def _is_index(descriptor: Descriptor) -> bool:
    return media_types.is_index(media_types.essence(descriptor.media_type))


class FallbackTags:
    """Keeps the lists of referrers at a secondary without the referrers API, one at a time. Thread-safe.

    `has_api`: the secondary's registry was seen to have it. It says so to each PUT, or is asked again.
    """

    def __init__(
        self, pair: Pair, *, has_api: bool, tag_write: Callable[[], AbstractContextManager[None]], threads: Threads
    ) -> None:
        self._pair = pair
        self._has_api = has_api
        self._tag_write = tag_write
        self._lock = threads.lock()

    def keep(self, manifest: Manifest) -> None:
        """List `manifest`, which is at the secondary, under its subject's fallback tag there, if it has a subject.

        Nothing is done where the primary keeps that tag itself (it has no API, or has the tag all the same): then it is
        copied as every tag is. The caller sees to it that nobody else writes the tag meanwhile. Raises
        MalformedManifest when the tag holds something else than an index.
        """
        subject = manifest.subject
        if subject is None or (self._has_api and self._pair.secondary.referrers(subject.digest) is not None):
            return
        # Who has the lock may wait for memory, so who waits for the lock has none; the reference's attempt counts this.
        self._pair.primary.client.memory.give_back()
        with self._lock:
            self._keep(manifest, subject.digest)

    def _keep(self, manifest: Manifest, subject: str) -> None:
        tag, primary, secondary = fallback_tag(subject), self._pair.primary, self._pair.secondary
        if primary.referrers(subject) is None or primary.head_manifest(tag) is not None:
            return
        content = _with_referrer(secondary, tag, manifest)
        if content is not None:
            with self._tag_write():
                secondary.put_manifest(tag, Manifest.read(content, media_types.OCI_INDEX))


def _with_referrer(secondary: Repository, tag: str, manifest: Manifest) -> bytes | None:
    """The index under `tag` with `manifest` in its list; None where it is in there. Raises MalformedManifest."""
    current = secondary.get_manifest(tag)
    if current is not None:
        if not current.is_index:
            raise MalformedManifest(f"{secondary.name}:{tag} should list referrers, and is not an index")
        if any(listed.digest == manifest.digest for listed in current.children):
            return None
    try:
        return with_item(current.content if current is not None else _NO_REFERRERS, "manifests", _entry(manifest))
    except MalformedManifest as error:
        raise MalformedManifest(f"{secondary.name}:{tag} should list referrers, and has no list") from error


def _entry(manifest: Manifest) -> bytes:
    """Describe `manifest` as the API would, with the artifact's type (or else the config's) and its annotations.

    Annotations of more than 64 KiB are left out.
    """
    document = manifest.document()
    config = document.object("config", ("mediaType",))
    entry: dict[str, Any] = {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": len(manifest.content),
    }
    artifact_type = document.value("artifactType") or (config.get("mediaType") if isinstance(config, dict) else None)
    if isinstance(artifact_type, str):
        entry["artifactType"] = artifact_type
    annotations = document.value("annotations")
    if annotations and annotations is not TOO_LONG:
        entry["annotations"] = annotations
    return json.dumps(entry, separators=(",", ":")).encode()
