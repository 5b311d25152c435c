"""Proof that a tag was the primary's at a moment after a pull began (MaxStaleness 0). No clock decides.

A mark is discharged only after a look at the primary that was made after the mark. So a pull has the tag marked, or
finds a mark that was not there when it began. Whatever a holder then sees at both registries was the primary's while
the pull waited. A mark that was there when the pull began says nothing: the look that discharges it may have been made
before.

A holder notes what it saw and could not prove with the mark that it had read (`shown_by`), if that is still the mark.
If neither the note nor its mark was there when the pull began, the look was made since. A later mark does not change
that: later pulls ask for looks of their own, and undo no other's.
"""

from __future__ import annotations

from geosync.reading.freshness import Known
from geosync.sync_registry.decisions import is_the_primarys


class SinceAsked:
    """The looks at the primary since one pull began, as far as the sync registry tells of them."""

    def __init__(self, known: Known) -> None:
        """Begin with what is known as the pull begins."""
        self._first_mark = known.owed.mark if known.owed is not None else None
        self._first_shown_by = known.owed.shown_by if known.owed is not None else None
        self._before: int | None = None
        self._is_marked = False

    def is_anew(self, known: Known) -> bool:
        """Tell whether what is owed was marked since the pull began."""
        return known.owed is not None and known.owed.mark != self._first_mark

    def note(self, known: Known) -> None:
        """Take note of a reading."""
        if self.is_anew(known):
            self.note_marked(known)

    def note_marked(self, known: Known) -> None:
        """Take note that the tag is marked since the pull began, after it was `known` so."""
        if not self._is_marked:
            self._before = known.seen.looked_at if known.seen is not None else None
            self._is_marked = True

    def shown(self, known: Known) -> str | None:
        """The digest that both registries had under the tag at a moment since the pull began; None: not known yet."""
        if known.owed is not None:
            since = known.owed.shown_by not in (None, self._first_mark, self._first_shown_by)
            return known.owed.shown if since else None
        seen = known.seen
        if not self._is_marked or seen is None or not is_the_primarys(seen):
            return None
        # If the selection changed, a mark may have been discharged without a look at the primary. What was seen is then
        # as it was before, or is what the secondary alone had, for which no look is noted.
        if not seen.looked_at or seen.looked_at == self._before:
            return None
        return seen.digest
