"""Proof that a tag was the primary's at a moment after a pull began (MaxStaleness 0). No clock decides.

A mark is paid only by a look at the primary that was made after it. So a pull has the tag marked, or finds a mark that
was not there when it began: whatever a holder then sees at both registries was the primary's while the pull waited. A
mark that was there when the pull began says nothing: the look that pays it may have been made before.
"""

from __future__ import annotations

from geosync.reading.freshness import Known
from geosync.sync_registry.decisions import is_the_primarys


class SinceAsked:
    """The looks at the primary since one pull began, as far as the sync registry tells of them."""

    def __init__(self, known: Known) -> None:
        """Begin with what is known as the pull begins."""
        self._first_mark = known.owed.mark if known.owed is not None else None
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
        if not self._is_marked:
            return None
        if known.owed is not None:
            return known.owed.shown if self.is_anew(known) else None
        seen = known.seen
        # A mark may have been paid without a look, where the selection changed: then what was seen is what it was.
        if seen is None or not is_the_primarys(seen) or seen.looked_at == self._before:
            return None
        return seen.digest
