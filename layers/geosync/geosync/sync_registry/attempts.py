"""Attempts, carried out: what is due is handed out; it is put off, has failed, or got further."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace

from boto3.dynamodb.conditions import Attr

from geosync.errors import CorruptItem
from geosync.sync_registry.access import TableAccess
from geosync.sync_registry.decisions import Look
from geosync.sync_registry.failures import cut
from geosync.sync_registry.items import OWED_PREFIX, PARKED_DUE_MS, Item, Owed, Seen
from geosync.sync_registry.table.attributes import text_in
from geosync.sync_registry.table.changes import ConditionFailed, Key, Update
from geosync.sync_registry.table.shards import failed_shard
from geosync.sync_registry.timing import ms
from geosync.sync_registry.transitions import attempts


class Attempts(TableAccess):
    """Hands out what is due in a repository, and notes how attempts at it went."""

    def due(self, repository: str, limit: int = 100, *, ahead_s: float = 0, untried: bool = False) -> list[Owed]:
        """Read what is due in the repository, newest first, with what was `seen` of each. Stays true for a holder only.

        `ahead_s` takes in what will be due by then, `untried` leaves out what has failed. An owed item that
        cannot be read is parked with the reason, and left out.
        """
        until = self._clock.now_ms() + ms(ahead_s)
        # One more: a leased row may be due as well.
        items = self._store.due(repository, until, limit + 1, untried=untried)
        owed = []
        for item in items:
            if not str(item["item"]).startswith(OWED_PREFIX):
                continue
            try:
                owed.append(self._owed(item))
            except CorruptItem as corrupt:
                self._park(item, str(corrupt))
        return self._with_seen(repository, owed[:limit])

    def _with_seen(self, repository: str, owed: list[Owed]) -> list[Owed]:
        keys = {one.reference: Key(repository, one.reference.seen_key) for one in owed}
        found = self._store.batch_get(keys.values()) if keys else {}
        return [self._with(one, found.get(keys[one.reference])) for one in owed]

    def _with(self, owed: Owed, item: Item | None) -> Owed:
        return replace(owed, seen=Seen.under(self._primary, item), seen_digest=text_in(item, "digest"))

    def _park(self, item: Item, reason: str) -> None:
        key = Key(str(item["repository"]), str(item["item"]))
        shard = failed_shard(key.repository)
        values = {"failure": cut(reason), "parked": True, "due": PARKED_DUE_MS, "due_shard": shard}
        with suppress(ConditionFailed):
            self._store.write(Update(key=key, set=values, when=Attr("due").eq(item["due"])))

    def postpone(
        self, owed: Owed, due: int, *, copied: frozenset[str] = frozenset(), shown: Look | None = None
    ) -> bool:
        """Make `owed` due later (ms): nothing is proved yet. False: marked again meanwhile, so it is due now.

        `copied` are digests of which an earlier attempt may have left half a copy (`note_copy` in the same write).
        `shown` is a look at the primary, made after the mark, that the secondary equals.
        """
        return self._unmarked(owed, attempts.postpone(owed, due, copied=copied, shown=shown)) is not None

    def hold_back(self, owed: Owed, due: int, failure: str, *, unanswered: bool = False) -> None:
        """Make `owed` due later (ms) for a registry or a table that cannot be used now, unless it was marked again.

        No attempt is counted. `unanswered`: a registry did not answer a write in time.
        """
        now_ms = self._clock.now_ms()
        self._unmarked(owed, attempts.hold_back(owed, due, failure, now_ms=now_ms, unanswered=unanswered))

    def bring_forward(self, owed: Owed) -> bool:
        """Make `owed` due now, with all that is known of its attempts. False: marked or tried meanwhile, or parked."""
        if owed.due is None:
            return False
        return self._unmarked(owed, attempts.bring_forward(owed, now_ms=self._clock.now_ms())) is not None

    def look_anew(self, owed: Owed) -> bool:
        """Ask for a new look at the primary for `owed`. False: it was marked or discharged meanwhile.

        Also False where it is parked, or has failed.
        """
        if owed.due is None:
            return False
        change = attempts.look_anew(owed, name=self._names(), now_ms=self._clock.now_ms())
        return self._unmarked(owed, change) is not None

    def note_copy(self, owed: Owed, digest: str) -> Owed:
        """Note that Geosync is about to put `digest` at the secondary; before it does.

        If the tag is deleted before the copy is proved, or its holder dies, this note says that Geosync put it there,
        and that parts of it may be missing.
        """
        with suppress(ConditionFailed):
            self._store.write(attempts.note_copy(owed, digest))
        return replace(owed, copied=owed.copied | {digest})

    def fail(self, owed: Owed, failure: str, *, parked: bool = False) -> Owed | None:
        """Count a failed attempt of one reference, with backoff or parked. None: marked again meanwhile."""
        change = attempts.fail(
            owed, failure, now_ms=self._clock.now_ms(), jitter=_jitter(), timing=self.timing, parked=parked
        )
        return self._unmarked(owed, change)

    def fail_in_doubt(self, owed: Owed, failure: str, *, child_absent: bool = False) -> Owed | None:
        """Count a failed attempt that found what may pass, as `fail`; parked after a few of them."""
        change = attempts.fail_in_doubt(
            owed,
            failure,
            now_ms=self._clock.now_ms(),
            jitter=_jitter(),
            timing=self.timing,
            child_absent=child_absent,
        )
        return self._unmarked(owed, change)

    def advance(self, owed: Owed, cursor: str) -> Owed | None:
        """Move the cursor of `owed#*`, due again at once. None: marked again, so start anew."""
        return self._unmarked(owed, attempts.advance(owed, cursor, due_ms=self._clock.now_ms()))

    def _unmarked(self, owed: Owed, change: Update) -> Owed | None:
        try:
            return replace(self._owed(self._written(change), owed.seen), seen_digest=owed.seen_digest)
        except ConditionFailed:
            return None


def _jitter() -> int:
    return random.randrange(30)  # noqa: S311 - spreads retries, guards nothing
