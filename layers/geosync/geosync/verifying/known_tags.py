"""The first phase of a round: every tag that was seen equal once, on both sides, and what is below its manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from geosync.oci.manifests import Descriptor
from geosync.sync_registry.items import Reference, Seen
from geosync.verifying.contents import Below
from geosync.verifying.context import VerificationContext
from geosync.verifying.looks import Looks, TagLook
from geosync.verifying.notes import SuspectNotes
from geosync.verifying.place import RoundPlace
from geosync.verifying.sample import Reservoir

PAGE = 48
"""Tags between two writes of the cursor."""
GROUP = 8
"""Tags looked at side by side."""
SAMPLE = 3
"""Blobs read back for each page of tags, at most."""


class KnownTagsPhase:
    """Looks at the tags that were seen equal once, in their order, and reads a sample of their blobs back."""

    def __init__(self, context: VerificationContext, place: RoundPlace, looks: Looks, notes: SuspectNotes) -> None:
        self._context = context
        self._place = place
        self._looks = looks
        self._notes = notes
        self._sample: Reservoir[tuple[Descriptor, TagLook]] = Reservoir(SAMPLE)

    def run(self) -> None:
        """Go on to the last tag. Raises Stop, Overtaken, OutOfTime, and what the registries raise."""
        repository = self._place.repository
        while page := self._context.sync_registry.seen_tags(repository, limit=PAGE, after=self._place.cursor):
            while page:
                self._place.may_go_on()
                size = self._group()
                group, page = page[:size], page[size:]
                self._look_at(group)
                self._place.move(group[-1][0].seen_key)
            self._read_sample_back()
            self._notes.end_page()
            self._place.save()

    def _group(self) -> int:
        """Tags at a time: fewer when the day's requests are running out, as each costs two at least."""
        return min(GROUP, max(self._place.requests_left // 3, 1))

    def _look_at(self, group: Sequence[tuple[Reference, Seen]]) -> None:
        """Look at a group of tags side by side, and note those that look different, or have something missing below."""
        selection, repository = self._context.registries.selection, self._place.repository
        looks = self._looks.tags(
            [(one.value, seen.digest) for one, seen in group if selection.has_tag(repository, one.value)]
        )
        equal = {look.manifest.digest: look.manifest for look in looks if look.manifest is not None and look.is_equal}
        below = self._looks.contents.look(list(equal.values()))
        for look in looks:
            self._note_if_suspect(look, below.get(look.primary or ""))
        self._draw(looks, below)

    def _note_if_suspect(self, look: TagLook, below: Below | None) -> None:
        if look.broken:
            self._notes.note(look, manifests=frozenset({look.known or ""}))
        elif not look.is_equal or look.primary != look.known:
            self._notes.note(look)
        elif below is not None and below.bad:
            self._notes.note(look, blobs=below.blobs, manifests=below.manifests)

    def _draw(self, looks: Sequence[TagLook], below: dict[str, Below]) -> None:
        """Let the blobs that were found take part in the sample, each once, whatever refers to it."""
        drawn: set[str] = set()
        for look in looks:
            found = below.get(look.primary or "")
            for blob in found.found if found is not None else ():
                if blob.digest not in drawn:
                    drawn.add(blob.digest)
                    self._sample.add((blob, look))

    def _read_sample_back(self) -> None:
        """Read back the sample drawn since the last time, as far as the site's bytes of the day go."""
        drawn, self._sample = self._sample.drawn, Reservoir(SAMPLE)
        for blob, look in drawn:
            now_ms = self._context.clock.now_ms()
            if self._may_read(blob, now_ms) and not self._looks.reads(blob):
                self._looks.contents.forget()
                self._notes.note(replace(look, at=now_ms), blobs=frozenset({blob.digest}))

    def _may_read(self, blob: Descriptor, now_ms: int) -> bool:
        limit_bytes = self._context.bounds.sample_bytes
        return self._context.sync_registry.sample.reserve(max(blob.size, 0), limit_bytes, now_ms=now_ms)
