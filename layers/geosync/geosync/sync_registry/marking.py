"""Marks, carried out: a reference becomes owed, in the form that fits the item that is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from boto3.dynamodb.conditions import Attr

from geosync.errors import Contended, CorruptItem
from geosync.sync_registry.access import ATTEMPTS, TableAccess
from geosync.sync_registry.items import ABSENT, UNNAMED, Item, Owed, Reference, named_in
from geosync.sync_registry.site import walks
from geosync.sync_registry.table.attributes import texts
from geosync.sync_registry.table.changes import ConditionFailed, Key, TransactionFailed, Update
from geosync.sync_registry.transitions import marks
from geosync.sync_registry.transitions.marks import ASKED, Mark


class Marks(TableAccess):
    """Makes references owed."""

    def mark(self, repository: str, reference: Reference, said: Mark = ASKED) -> Owed:
        """Make `reference` owed. Always first: before `knock`, and before the message is done.

        A second mark keeps the earliest `said.pushed_at`, should events come in another order.
        """
        now_ms = self._clock.now_ms()

        def build(said: Mark) -> Update:
            return marks.mark(repository, reference, said, name=self._names(), now_ms=now_ms, primary=self._primary)

        owed = self._marked(build, said)
        for change in marks.pushed_before(owed, said):
            with suppress(ConditionFailed):
                self._store.write(change)
        return owed

    def note_different(self, owed: Owed, since: int) -> None:
        """Note that a comparison found different what is owed already, `since` when (ms) at the earliest."""
        with suppress(ConditionFailed):
            self._store.write(marks.found_different(owed, since))

    def ask(self, repository: str, reference: Reference) -> None:
        """Make `reference` owed because somebody asked for it, unless it is owed: many who ask cause one copy."""
        with suppress(ConditionFailed):
            self._store.write(self._unless_owed(repository, reference, ASKED))

    def mark_unlisted(self, repository: str, said: Mark, walk: int) -> None:
        """Make a repository owed as a whole, and count it for the walk that began at `walk` (ms), unless it is owed.

        Both or neither: of two invocations at the same walk, one counts it. Raises Contended.
        """
        counted = walks.count(walk, repository, {walks.UNLISTED: 1}, now_ms=self._clock.now_ms())
        with suppress(TransactionFailed):
            self._store.transact([self._unless_owed(repository, Reference.whole(), said), counted])

    def _unless_owed(self, repository: str, reference: Reference, said: Mark) -> Update:
        now_ms = self._clock.now_ms()
        change = marks.mark(repository, reference, said, name=self._names(), now_ms=now_ms, primary=self._primary)
        return replace(change, when=Attr("mark").not_exists())

    def _marked(self, build: Callable[[Mark], Update], said: Mark) -> Owed:
        """Carry out a mark: as it was said, or less exactly where the item that is there does not take that.

        Digests that the item of a tag loses by that, or does not take, are marked by themselves before.
        """
        change = build(said)
        for _ in range(ATTEMPTS):
            try:
                return self._owed(self._written(change))
            except ConditionFailed as failed:
                item = failed.item or {}
                former = item.get("primary")
                if former is not None and former != self._primary:
                    self._mark_apart(change.key, said, named_in(item), item)
                    change = marks.under_another(build(said), former, texts(item, "copied") | named_in(item))
                elif said.since is not None:
                    said = replace(said, since=None)
                    change = build(said)
                else:
                    self._mark_apart(change.key, said, _digests(said), item)
                    change = build(replace(said, expects=UNNAMED))
            except CorruptItem:
                item = self._store.batch_get([change.key]).get(change.key) or {}  # not every role has GetItem
                self._mark_apart(change.key, said, named_in(item) | _digests(said), item)
                return self._owed(self._written(marks.afresh(build(replace(said, expects=UNNAMED)))))
        raise Contended(f"{change.key}: it changed {ATTEMPTS} times while it was to be marked")

    def _mark_apart(self, key: Key, said: Mark, digests: Iterable[str], item: Item) -> None:
        """Mark by themselves what pushes of a tag named, as old as the tag's `item` says."""
        reference = Reference.from_key(key.item)
        if reference is None or reference.kind != "tag" or not said.keeps_superseded:
            return
        now_ms = self._clock.now_ms()
        known = {name: item[name] for name in ("owed_since", "pushed_at", "told_at") if isinstance(item.get(name), int)}
        since = min(known.get("owed_since", now_ms), now_ms)
        pushed_at = min(known.get("pushed_at", since), since if said.pushed_at is None else said.pushed_at)
        former = named_in(item)
        for digest in digests:
            told_at = known.get("told_at", pushed_at) if digest in former else said.announced_at
            apart = Mark(expects=digest, pushed_at=pushed_at, told_at=told_at, since=since, pushed_as=reference.value)
            self.mark(key.repository, Reference.digest(digest), replace(apart, correlation_id=said.correlation_id))


def _digests(said: Mark) -> frozenset[str]:
    return frozenset({said.expects} if said.expects is not None else ()) - {ABSENT, UNNAMED}
