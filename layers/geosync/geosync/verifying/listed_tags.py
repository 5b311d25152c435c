"""The second phase of a round: the tags that the primary lists and that nobody announced."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from geosync.errors import NotFound
from geosync.oci.listings import ListedTag
from geosync.sync_registry.items import Reference
from geosync.verifying.context import VerificationContext
from geosync.verifying.looks import Looks
from geosync.verifying.notes import SuspectNotes
from geosync.verifying.place import RoundPlace


class ListedTagsPhase:
    """Looks at the listed tags that were never seen equal and are not owed."""

    def __init__(self, context: VerificationContext, place: RoundPlace, looks: Looks, notes: SuspectNotes) -> None:
        self._context = context
        self._place = place
        self._looks = looks
        self._notes = notes

    def run(self) -> None:
        """Go on to the end of the listing. Raises Stop, Overtaken, OutOfTime, and what the registries raise."""
        with suppress(NotFound):  # no such repository: no tags
            for page in self._looks.listed(self._place.cursor or None):
                for tag in self._unannounced(page):
                    self._place.may_go_on()
                    look = self._looks.tag(tag, None)
                    if look.primary is not None:
                        self._notes.note(look)
                if page:
                    self._place.move(page[-1].tag)
                self._notes.end_page()
                self._place.save()
                self._place.may_go_on()

    def _unannounced(self, page: Sequence[ListedTag]) -> list[str]:
        """Those of a page's selected tags that were never seen and are not owed."""
        repository, selection = self._place.repository, self._context.registries.selection
        tags = [Reference.tag(one.tag) for one in page if selection.has_tag(repository, one.tag)]
        seen = self._context.sync_registry.seen(repository, tags)
        unseen = [one for one in tags if one not in seen]
        owed = self._context.sync_registry.owed_among(repository, unseen)
        return [one.value for one in unseen if one not in owed]
