"""The subscription that delivers the primary's geo events to this site's events queue.

Kept in the item `#site`/`subscription`:

    arn            of the subscription: whoever deletes one and makes another gives it another
    since          ms; when the site first saw it
    gapless_from   ms; a comparison that began then or later, and what was delivered since, leave no gap between them
    selection      of the site, as its fingerprint; whoever marks events says when it is another one
    selected_from  ms; as gapless_from, for the selection: until then a former one may have dropped events

A topic delivers nothing that was published before. The tag of a notification that came just before may be written
after it, as long as the registry takes (SettleSeconds): a comparison that begins earlier may miss such a tag.
"""

from __future__ import annotations

from dataclasses import dataclass

from geosync.clock import Clock
from geosync.errors import OutOfTime
from geosync.sync_registry.items import SITE, Item
from geosync.sync_registry.table.attributes import whole_number
from geosync.sync_registry.table.changes import Key, Store, Update
from geosync.sync_registry.timing import ms

KEY = Key(SITE, "subscription")
FORMER_S = 120.0
"""An invocation of functions/log_cursor goes on for so long with the selection that it began with: its time-out."""
FORMER_WORKER_S = 1200.0
"""The same of functions/sync: its time-out, and as long as an update takes from one function to the next."""
UPDATE_S = 300.0
"""As long as an update takes from one function to the next: whoever read its settings later than that after a note
has the noted selection, or a newer one."""
CHECKED_FOR_S = 30.0
"""A worker asks no more often which selection is noted. What it lets go by a former one until then is found by the
comparison that begins FORMER_S after the note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """The subscription as the site knows it; times in milliseconds since the epoch."""

    arn: str
    since: int
    gapless_from: int
    selected_from: int = 0
    selection: str | None = None
    """The fingerprint of the selection by which events are marked, None: nobody has said it yet."""

    @classmethod
    def from_item(cls, item: Item | None) -> Subscription | None:
        """Read the item `subscription`; None when there is none."""
        if item is None:
            return None
        return cls(
            arn=str(item.get("arn", "")),
            since=whole_number(item, "since"),
            gapless_from=whole_number(item, "gapless_from"),
            selected_from=whole_number(item, "selected_from"),
            selection=item.get("selection"),
        )

    def joins(self, began_at: int) -> bool:
        """True where a comparison that began at `began_at` (ms) leaves no gap before what was delivered since."""
        return began_at >= self.gapless_from and self.is_of_its_selection(began_at)

    def is_of_its_selection(self, began_at: int) -> bool:
        """True where a comparison that began at `began_at` (ms) had the selection by which events are marked now."""
        return began_at >= self.selected_from

    def may_be_former(self, selection: str, now_ms: int, *, read_at: int) -> bool:
        """True while whoever has `selection` (a fingerprint) may be left from before another one was noted.

        `read_at` (ms) is when it read its settings. Otherwise its selection is a newer one that nobody has noted yet.
        """
        noted_at = self.selected_from - ms(FORMER_S)
        if self.selection in (None, selection) or read_at >= noted_at + ms(UPDATE_S):
            return False
        return now_ms < noted_at + ms(FORMER_WORKER_S)

    def is_of_the_future(self, now_ms: int) -> bool:
        """It was recorded before a clock was set back."""
        return self.since > now_ms or self.selected_from > now_ms + ms(FORMER_S)


class SubscriptionItem:
    """Keeps the subscription. One is made where an execution environment reads its settings, and stays."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._made_at = clock.now_ms()
        self._checked: tuple[str, float] | None = None
        """The selection that was found to be no former one, the noted one or a newer; until when nobody asks again
        (monotonic seconds)."""

    def read(self) -> Subscription | None:
        """The subscription, None while none was ever seen."""
        return Subscription.from_item(self._store.get(KEY))

    def record(self, arn: str, *, settle_s: float) -> Subscription:
        """Record that the subscription `arn` is there now; nothing is written for one that was there before.

        `settle_s` is the longest time in seconds that the registry takes from a notification to its tag.
        """
        known = self.read()
        now_ms = self._clock.now_ms()
        if known is not None and known.is_of_the_future(now_ms):
            self._store.write(Update(key=KEY, set={"selected_from": min(known.selected_from, now_ms)}))
        elif known is not None and known.arn == arn:
            return known
        return self.begin_anew(arn, settle_s=settle_s)

    def begin_anew(self, arn: str, *, settle_s: float) -> Subscription:
        """Record that nothing that a subscription delivered until now counts, as for one that was made just now."""
        now_ms = self._clock.now_ms()
        values = {"arn": arn, "since": now_ms, "gapless_from": now_ms + ms(settle_s)}
        written = Subscription.from_item(self._store.write(Update(key=KEY, set=values)))
        assert written is not None  # noqa: S101 - an update answers with the item
        return written

    def note_selection(self, fingerprint: str) -> None:
        """Note the selection by which events are marked from now on; the first one that is noted changes nothing.

        One read, and a write where it is another one than before.
        """
        # In a batch, as functions/log_cursor may read no other way.
        known = self._store.batch_get([KEY]).get(KEY, {}).get("selection")
        if known == fingerprint:
            return
        selected_from = {"selected_from": self._clock.now_ms() + ms(FORMER_S)} if known is not None else {}
        self._store.write(Update(key=KEY, set={"selection": fingerprint, **selected_from}))

    def check_selection(self, fingerprint: str) -> None:
        """Raise OutOfTime where a worker may have a former selection. At most one read each CHECKED_FOR_S."""
        now_s, checked = self._clock.monotonic_s(), self._checked
        if checked is not None and checked[0] == fingerprint and now_s < checked[1]:
            return
        known = self.read()
        if known is not None and known.may_be_former(fingerprint, self._clock.now_ms(), read_at=self._made_at):
            raise OutOfTime("the site selects something else by now")
        self._checked = fingerprint, now_s + CHECKED_FOR_S
