"""A registry's content: all blobs once, and for each repository its manifests, links to blobs and tags."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")


KNOWN = 4096
"""Contents of which the digest, and what they name, are kept: each is asked for hundreds of times in a world."""


@lru_cache(KNOWN)
def digest_of(content: bytes) -> str:
    """The digest of some bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(slots=True)
class Repository:
    """One repository; `manifests` has their media types by digest."""

    tags: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, str] = field(default_factory=dict)
    blobs: set[str] = field(default_factory=set)


Backup = tuple[dict[str, bytes], dict[str, Repository]]


@dataclass(frozen=True, slots=True)
class TagMove:
    """A tag became this digest (None: it is gone) at a moment; `why` says by which deed."""

    at_s: float
    repository: str
    tag: str
    digest: str | None
    why: str


@lru_cache(KNOWN)
def below(content: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The blobs and the manifests that a manifest names."""
    document: dict[str, Any] = json.loads(content)
    children = [one["digest"] for one in document.get("manifests", ())]
    blobs = [one["digest"] for one in document.get("layers", ())]
    if "config" in document:
        blobs.append(document["config"]["digest"])
    return tuple(blobs), tuple(children)


class Storage:
    """The content of one registry, and the history of its tags: each change goes through `tag` and `untag`."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self.now_s = now_s
        self.blobs: dict[str, bytes] = {}
        self.repositories: dict[str, Repository] = {}
        self.moves: list[TagMove] = []
        self.on_move: list[Callable[[TagMove], None]] = []
        self.lost_at_s: list[float] = []
        """When content went away by other than a request: a restore, an empty disk."""
        self.unused_went_at_s: list[float] = []
        """When garbage collection took blobs of no manifest, at a registry that does not check what a manifest names:
        a copy may have brought them a moment before, and puts its manifest next."""
        self.came_back_s: dict[tuple[str, str], float] = {}
        """When a backup brought a manifest back, by repository and digest: nobody pushed it."""
        self.changes = 0
        """Grows with each change of what is here."""
        self.has_dropped_untagged = False
        """Garbage collection took manifests without a tag."""

    def repository(self, name: str) -> Repository:
        """A repository, made if need be."""
        return self.repositories.setdefault(name, Repository())

    def put_blob(self, repository: str, content: bytes) -> str:
        """Keep a blob, linked in a repository."""
        digest = digest_of(content)
        self.blobs[digest] = content
        self.link(repository, digest)
        return digest

    def link(self, repository: str, digest: str) -> None:
        """Link a stored blob in a repository."""
        self.changes += 1
        self.repository(repository).blobs.add(digest)

    def put_manifest(self, repository: str, content: bytes, media_type: str) -> str:
        """Keep a manifest."""
        digest = digest_of(content)
        self.changes += 1
        self.blobs[digest] = content
        self.repository(repository).manifests[digest] = media_type
        return digest

    def tag(self, repository: str, tag: str, digest: str, why: str) -> None:
        """Move a tag."""
        self.repository(repository).tags[tag] = digest
        self._moved(TagMove(self.now_s(), repository, tag, digest, why))

    def untag(self, repository: str, tag: str, why: str) -> None:
        """Remove a tag."""
        if self.repository(repository).tags.pop(tag, None) is not None:
            self._moved(TagMove(self.now_s(), repository, tag, None, why))

    def delete_manifest(self, repository: str, digest: str, why: str) -> None:
        """Delete a manifest with every tag on it; its bytes go with the next garbage collection."""
        self.changes += 1
        found = self.repository(repository)
        for tag in [tag for tag, tagged in found.tags.items() if tagged == digest]:
            self.untag(repository, tag, why)
        found.manifests.pop(digest, None)

    def missing_below(self, repository: str, content: bytes) -> list[str]:
        """The digests that a manifest names and the repository lacks."""
        found = self.repository(repository)
        blobs, children = below(content)
        lacks = [one for one in blobs if one not in found.blobs or one not in self.blobs]
        return lacks + [one for one in children if one not in found.manifests or one not in self.blobs]

    def is_complete(self, repository: str, digest: str) -> bool:
        """A manifest is here, byte for byte, with everything below it."""
        found = self.repositories.get(repository)
        content = self.blobs.get(digest)
        if found is None or content is None or digest not in found.manifests or digest_of(content) != digest:
            return False
        blobs, children = below(content)
        return all(
            one in found.blobs and one in self.blobs and digest_of(self.blobs[one]) == one for one in blobs
        ) and all(self.is_complete(repository, one) for one in children)

    def collect_garbage(self, *, untagged: bool, checks_blobs: bool = True) -> None:
        """Remove what nothing refers to; with `untagged`, manifests that no tag leads to as well."""
        self.changes += 1
        self.has_dropped_untagged |= untagged
        used: set[str] = set()
        for name, repository in self.repositories.items():
            kept = self._kept(name, untagged=untagged)
            for digest in [one for one in repository.manifests if one not in kept]:
                del repository.manifests[digest]
            blobs = {blob for digest in kept for blob in below(self.blobs[digest])[0]}
            repository.blobs &= blobs
            used |= kept.keys() | blobs
        if not checks_blobs and not self.blobs.keys() <= used:
            self.unused_went_at_s.append(self.now_s())
        self.blobs = {digest: content for digest, content in self.blobs.items() if digest in used}

    def _kept(self, name: str, *, untagged: bool) -> dict[str, None]:
        repository = self.repositories[name]
        kept: dict[str, None] = {}
        waiting = list(repository.tags.values()) if untagged else list(repository.manifests)
        while waiting:
            digest = waiting.pop()
            if digest in kept or digest not in repository.manifests or digest not in self.blobs:
                continue
            kept[digest] = None
            waiting += below(self.blobs[digest])[1]
        return kept

    def snapshot(self) -> Backup:
        """A backup."""
        return dict(self.blobs), copy.deepcopy(self.repositories)

    def restore(self, backup: Backup, why: str) -> None:
        """Go back to a backup."""
        self.changes += 1
        before = {(name, tag): digest for name, tag, digest in self.all_tags()}
        was_complete = set(self.all_complete())
        self.blobs, self.repositories = dict(backup[0]), copy.deepcopy(backup[1])
        self.came_back_s |= dict.fromkeys(set(self.all_complete()) - was_complete, self.now_s())
        after = {(name, tag): digest for name, tag, digest in self.all_tags()}
        self.lost_at_s.append(self.now_s())
        for name, tag in dict.fromkeys([*before, *after]):
            if before.get((name, tag)) != after.get((name, tag)):
                self._moved(TagMove(self.now_s(), name, tag, after.get((name, tag)), why))

    def all_tags(self) -> Iterator[tuple[str, str, str]]:
        """Every tag: repository, tag, digest."""
        for name, repository in self.repositories.items():
            for tag, digest in repository.tags.items():
                yield name, tag, digest

    def all_complete(self) -> Iterator[tuple[str, str]]:
        """Every complete manifest: repository, digest."""
        for name, repository in self.repositories.items():
            yield from ((name, digest) for digest in repository.manifests if self.is_complete(name, digest))

    def _moved(self, move: TagMove) -> None:
        self.changes += 1
        self.moves.append(move)
        for listener in self.on_move:
            listener(move)
