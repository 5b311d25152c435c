"""The suspects that a run writes down, page by page."""

from __future__ import annotations

from geosync.sync_registry.suspects import Suspect, Suspects
from geosync.verifying.looks import TagLook


class SuspectNotes:
    """Notes tags of one repository as suspect; what is noted twice of a tag within a page adds up."""

    def __init__(self, suspects: Suspects, repository: str) -> None:
        self._suspects = suspects
        self._repository = repository
        self._noted: dict[str, Suspect] = {}

    def note(
        self, look: TagLook, *, blobs: frozenset[str] = frozenset(), manifests: frozenset[str] = frozenset()
    ) -> None:
        """Note a tag as it was seen, with the digests below it that are missing or wrong."""
        before = self._noted.get(look.tag)
        suspect = Suspect(
            tag=look.tag,
            at=look.at,
            primary=look.primary,
            secondary=look.secondary,
            blobs=blobs | (before.blobs if before else frozenset()),
            manifests=manifests | (before.manifests if before else frozenset()),
        )
        self._noted[look.tag] = suspect
        self._suspects.note(self._repository, suspect)

    def end_page(self) -> None:
        """Remember nothing of the page that ends: memory stays bounded."""
        self._noted.clear()
