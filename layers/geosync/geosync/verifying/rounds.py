"""One run of a round through a repository: its tags, what the primary lists besides, then what looked different.

```
tags       every tag that was seen equal once (tag#…), in its order: both sides, and what is below its manifest
listing    every tag that the primary lists: nobody announced one that was neither seen nor is owed
confirm    each that looked different, once more, when a push that was on its way then must have arrived
```

A run stops between groups of tags: at the end of its slice or of the invocation, when the day's requests are spent, or
when the site is paused. Its place is in the row, and the next run goes on there (place.py).
"""

from __future__ import annotations

from concurrent.futures import Executor

from geosync.sync_registry.transitions.verification import Round
from geosync.verifying.asking import Asking
from geosync.verifying.confirming import ConfirmingPhase
from geosync.verifying.context import VerificationContext
from geosync.verifying.known_tags import KnownTagsPhase
from geosync.verifying.listed_tags import ListedTagsPhase
from geosync.verifying.looks import Looks
from geosync.verifying.notes import SuspectNotes
from geosync.verifying.place import RoundPlace
from geosync.verifying.verdict import Verdict, conclude

TAGS, LISTING, CONFIRM = "tags", "listing", "confirm"


class VerificationRun:
    """Goes on with a round until it stops; `go` once. Its requests run in `pool`."""

    def __init__(self, context: VerificationContext, at: Round, pool: Executor) -> None:
        self._context = context
        pair = context.registries.pair(at.repository)
        self.asking = Asking(at.spent_on(context.clock.now_ms()), context.bounds.requests, context.clock)
        self.place = RoundPlace(context, at, self.asking)
        looks = Looks(context, pair, self.asking, pool)
        self._contents = looks.contents
        notes = SuspectNotes(context.sync_registry.suspects, at.repository)
        self._tags = KnownTagsPhase(context, self.place, looks, notes)
        self._listing = ListedTagsPhase(context, self.place, looks, notes)
        self._confirming = ConfirmingPhase(context, self.place, looks)

    def go(self) -> Verdict:
        """Go through the rest of the round. Raises Stop, Overtaken, OutOfTime, and what the registries raise."""
        if self.place.phase == TAGS:
            self._tags.run()
            self.place.enter(LISTING)
        if self.place.phase == LISTING:
            self._listing.run()
            self.place.enter(CONFIRM)
        self._confirming.run()
        selection = self._context.registries.selection
        return conclude(self._context.sync_registry, selection, self.place.repository, self._contents.size)
