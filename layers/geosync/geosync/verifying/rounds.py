"""One run of a round through a repository: its tags, what the primary lists besides, then what looked different.

```
tags       every tag that was seen equal once (tag#…), in its order: both sides, and what is below its manifest
listing    every tag that the primary lists: one that was neither seen nor is owed was announced to nobody
confirm    each that looked different, once more, when a push that was on its way then must have arrived
```

A run stops between groups of tags: at the end of its slice or of the invocation, when the day's requests are spent, or
when the site is paused. Where it is stands in the row, and the next run goes on there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace

from geosync.copying.repair import reads_back
from geosync.errors import ContentError, NotFound
from geosync.oci.deadline import Deadline
from geosync.oci.manifests import SIZE_UNKNOWN, Descriptor, Manifest
from geosync.oci.repository import Repository
from geosync.pair.registries import Registries
from geosync.pair.settings import Bounds
from geosync.sync_registry.items import Reference, Seen
from geosync.sync_registry.registry import SyncRegistry
from geosync.sync_registry.table.changes import ConditionFailed, Key, Store, Update
from geosync.sync_registry.timing import ms
from geosync.sync_registry.transitions import verification as transitions
from geosync.sync_registry.transitions.verification import DAY, Round
from geosync.verifying.asking import Asking
from geosync.verifying.contents import Contents
from geosync.verifying.sample import Reservoir, reserve
from geosync.verifying.suspects import Suspect, Suspects
from geosync.verifying.verdict import Verdict, conclude

TAGS, LISTING, CONFIRM = "tags", "listing", "confirm"
PAGE = 48
"""Tags between two writes of the cursor."""
GROUP = 8
"""Tags looked at side by side."""
SAMPLE = 3
"""Blobs read back for each page of tags, at most."""
SLICE = 60.0
"""Seconds after which a run makes room: retries and resyncs wait in the same queue."""


class Stop(Exception):
    """The run ends here; the round goes on at `due` (ms), or begins anew then (`anew`)."""

    def __init__(self, due: int, why: str, *, anew: bool = False) -> None:
        super().__init__(why)
        self.due = due
        self.anew = anew


class Overtaken(Exception):
    """Something was pushed into the repository, or another run is at it: what this one saw counts for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    tag: str
    at: int
    known: str | None
    primary: str | None
    secondary: str | None
    manifest: Manifest | None = None
    broken: bool = False


class Run:
    """Goes on with a round until it stops; `go` once."""

    def __init__(
        self,
        store: Store,
        registry: SyncRegistry,
        registries: Registries,
        bounds: Bounds,
        at: Round,
        *,
        pool: Executor,
        deadline: Deadline,
        clock: Callable[[], int],
    ) -> None:
        self.at = at
        self._store = store
        self._registry = registry
        self._registries = registries
        self._bounds = bounds
        self._deadline = deadline
        self._clock = clock
        self._pool = pool
        self._repository = at.repository
        self._ours = registries.at_secondary(at.repository)
        self.asking = Asking(at.spent_on(clock()), bounds.requests)
        here, there = (registries.primary, self._repository), (registries.secondary, self._ours)
        self._contents = Contents(*there, self.asking, pool, source=here)
        self._suspects = Suspects(store, at.repository)
        self._noted: dict[str, Suspect] = {}
        self._anew = False
        self._sample: Reservoir[tuple[Descriptor, _Look]] = Reservoir(SAMPLE)
        self._ends_at = time.monotonic() + SLICE

    def go(self) -> Verdict:
        """Go through the rest of the round. Raises Stop, Overtaken, OutOfTime, and what the registries raise."""
        if self.at.phase == TAGS:
            self._tags()
            self._enter(LISTING)
        if self.at.phase == LISTING:
            self._listing()
            self._enter(CONFIRM)
        self._confirm()
        return conclude(self._registry, self._registries.selection, self._repository, self._suspects)

    def write(self, change: Callable[[Round], Update]) -> None:
        """Carry out a write of this run, whether or not somebody holds the lease. Raises Overtaken."""
        for leased in (self.at.leased, not self.at.leased):
            self.at = replace(self.noted(), leased=leased)
            with suppress(ConditionFailed):
                written = self._store.write(change(self.at)) or {}
                self.at = replace(self.at, until=int(written["verification_due"]))
                return
        raise Overtaken

    def noted(self) -> Round:
        """The round with the requests made so far."""
        return replace(self.at, day=self._clock() // DAY, spent=self.asking.spent)

    # ------------------------------------------------------------------------------------------------------- the tags

    def _tags(self) -> None:
        while page := self._registry.seen_tags(self._repository, limit=PAGE, after=self.at.cursor):
            while page:
                self._may_go_on()
                group, page = page[: self._group()], page[self._group() :]
                self._look_at(group)
                self.at = replace(self.at, cursor=group[-1][0].seen_key)
            self._read_back()
            self._save()

    def _group(self) -> int:
        """Tags at a time: fewer when the day's requests are running out, as each costs two at least."""
        return min(GROUP, max(self.asking.left // 3, 1))

    def _look_at(self, group: Sequence[tuple[Reference, Seen]]) -> None:
        wanted = [(reference.value, seen) for reference, seen in group if self._is_selected(reference.value)]
        looks = list(self._pool.map(lambda one: self._look(*one), wanted))
        equal = {look.manifest.digest: look.manifest for look in looks if look.manifest is not None and _is_equal(look)}
        below = self._contents.look(list(equal.values()))
        sampled: set[str] = set()
        for look in looks:
            found = below.get(look.primary or "")
            if look.broken:
                self._note(look, manifests=frozenset({look.known or ""}))
            elif not _is_equal(look) or look.primary != look.known:
                self._note(look)
            elif found is not None and found.bad:
                self._note(look, blobs=found.blobs, manifests=found.manifests)
            for blob in found.found if found is not None else ():
                if blob.digest not in sampled:
                    sampled.add(blob.digest)
                    self._sample.add((blob, look))

    def _is_selected(self, tag: str) -> bool:
        return self._registries.selection.has_tag(self._repository, tag)

    def _look(self, tag: str, seen: Seen | None) -> _Look:
        """Look at a tag on both sides; its manifest comes with it unless it was found whole in this run."""
        at = self._clock()
        known = seen.digest if seen is not None else None
        here = self.asking.ask(lambda: self._registries.primary.head_manifest(self._repository, tag))
        look = _Look(tag=tag, at=at, known=known, primary=here.digest if here else None, secondary=None)
        secondary = self._registries.secondary
        if known is not None and not self._contents.is_known(known):
            with suppress(ContentError):
                manifest = self.asking.ask(lambda: secondary.get_manifest(self._ours, tag))
                return replace(look, secondary=manifest.digest if manifest else None, manifest=manifest)
            look = replace(look, broken=True)
        there = self.asking.ask(lambda: secondary.head_manifest(self._ours, tag))
        return replace(look, secondary=there.digest if there else None)

    def _note(
        self, look: _Look, *, blobs: frozenset[str] = frozenset(), manifests: frozenset[str] = frozenset()
    ) -> None:
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
        self._suspects.note(suspect)

    def _read_back(self) -> None:
        """Read the sample drawn since the last time, as far as the site's bytes of the day go."""
        drawn, self._sample = self._sample.drawn, Reservoir(SAMPLE)
        for blob, look in drawn:
            now = self._clock()
            if reserve(self._store, max(blob.size, 0), self._bounds.sample_bytes, now=now) and not self._reads(blob):
                self._contents.forget()
                self._note(replace(look, at=now), blobs=frozenset({blob.digest}))

    def _reads(self, blob: Descriptor) -> bool:
        secondary = self._registries.secondary
        return self.asking.ask(lambda: reads_back(Repository(secondary, self._ours), blob, self._deadline.check))

    # ---------------------------------------------------------------------------------------------------- the listing

    def _listing(self) -> None:
        pages = self._registries.primary.tags_with_digests(self._repository, last=self.at.cursor or None)
        with suppress(NotFound):  # no such repository: no tags
            for page in pages:
                self.asking.count()
                names = [one.tag for one in page if self._is_selected(one.tag)]
                for tag in self._unannounced(names):
                    self._may_go_on()
                    look = self._look(tag, None)
                    if look.primary is not None:
                        self._note(look)
                if page:
                    self.at = replace(self.at, cursor=page[-1].tag)
                self._save()
                self._may_go_on()

    def _unannounced(self, tags: list[str]) -> list[str]:
        """Those of `tags` that were never seen and are not owed."""
        seen = self._registry.seen(self._repository, map(Reference.tag, tags))
        keys = {
            tag: Key(self._repository, Reference.tag(tag).owed_key) for tag in tags if Reference.tag(tag) not in seen
        }
        owed = self._store.batch_get(keys.values()) if keys else {}
        return [tag for tag, key in keys.items() if key not in owed]

    # ------------------------------------------------------------------------------------------ what looked different

    def _confirm(self) -> None:
        """Look again at everything that looked different, once what was on its way then must have arrived."""
        settle = ms(self._registry.timing.settle)
        later: list[int] = []
        for suspect in self._suspects.all(self.at.cursor):
            if not suspect.confirmed:
                self._may_go_on()
                reference = Reference.tag(suspect.tag)
                if self._clock() < suspect.at + settle:
                    later.append(suspect.at + settle)
                elif self._registry.look(self._repository, reference).owed is not None:
                    self._anew = True
                elif (again := self._again(suspect)) is not None:
                    later.append(again.at + settle)
            self.at = replace(self.at, cursor=suspect.tag)
        if self._anew or is_owed(self._store, self._repository):
            raise Stop(self._clock() + settle, "a tag is owed: the round begins anew", anew=True)
        if later:
            self.at = replace(self.at, cursor="")
            raise Stop(min(later), "what looked different is looked at again later")

    def _again(self, suspect: Suspect) -> Suspect | None:
        """Look at one again: it is confirmed, dropped, or (returned) different from before."""
        seen = self._registry.seen(self._repository, [Reference.tag(suspect.tag)]).get(Reference.tag(suspect.tag))
        look = self._look(suspect.tag, seen)
        fresh = replace(suspect, at=look.at, primary=look.primary, secondary=look.secondary)
        if look.primary != suspect.primary or look.secondary != suspect.secondary:
            self._suspects.note(fresh)
            return fresh
        if look.primary is None:
            return None  # gone at the primary: a matter of deletes, and in neither checksum
        if not _is_equal(look):
            self._suspects.note(replace(fresh, confirmed=True))
            return None
        if look.broken:
            fresh = replace(fresh, manifests=fresh.manifests | {look.primary})
        bad = Suspect(
            tag=fresh.tag,
            at=fresh.at,
            primary=fresh.primary,
            secondary=fresh.secondary,
            blobs=frozenset(digest for digest in fresh.blobs if not self._has_blob(digest)),
            manifests=frozenset(digest for digest in fresh.manifests if self._contents.manifest(digest) is None),
        )
        if bad.distrusted:
            self._suspects.note(replace(bad, confirmed=True))
        elif look.primary != look.known:
            # Equal, and recorded as something else or not at all: it is to be looked at under the lease, and recorded.
            self._registry.mark(self._repository, Reference.tag(suspect.tag))
            self._anew = True
        else:
            self._suspects.drop(suspect.tag)
        return None

    def _has_blob(self, digest: str) -> bool:
        secondary = self._registries.secondary
        if self.asking.ask(lambda: secondary.head_blob(self._ours, digest)) is None:
            return False
        return self._reads(Descriptor(media_type="", digest=digest, size=SIZE_UNKNOWN))

    # ----------------------------------------------------------------------------------------------------- where it is

    def _may_go_on(self) -> None:
        """Raise Stop or OutOfTime when this is the place to stop."""
        self._deadline.check()
        now = self._clock()
        if time.monotonic() >= self._ends_at:
            raise Stop(now, "others wait for their turn")
        if not self.asking.left:
            raise Stop((now // DAY + 1) * DAY, "the requests of the day are spent")

    def _enter(self, phase: str) -> None:
        self._read_back()
        self.at = replace(self.at, phase=phase, cursor="")
        self._save()

    def _save(self) -> None:
        self._noted.clear()
        now = self._clock()
        if self._registry.is_paused():
            raise Stop(now, "the site is paused")
        self.write(lambda at: transitions.keep(at, now + transitions.ABANDONED_AFTER))


def is_owed(store: Store, repository: str) -> bool:
    """Whether a tag is owed: one that a comparison marked leaves the row synced until somebody takes it up."""
    return bool(store.items(repository, Reference.tag("").owed_key, limit=1))


def _is_equal(look: _Look) -> bool:
    return look.primary is not None and look.primary == look.secondary
