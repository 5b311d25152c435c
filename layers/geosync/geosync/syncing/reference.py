"""One owed reference, made equal: look at the primary, copy, look at the secondary, discharge.

What to do next is decided by sync_registry.decisions.next_step, which the model of the protocol explores; here are the
requests in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import TypeVar

from geosync.copying.copy import Copier, CopyResult
from geosync.copying.outcome import Outcome
from geosync.copying.repair import Repairer
from geosync.errors import NotFound, OutcomeUnknown, RegistryUnavailable, SecondaryDisagrees
from geosync.oci.client import RegistryClient
from geosync.oci.manifests import Manifest
from geosync.pair.deletes import TagRemover
from geosync.pair.selection import Selection
from geosync.sync_registry import decisions
from geosync.sync_registry.decisions import Look
from geosync.sync_registry.held_lease import HeldLease
from geosync.sync_registry.items import ABSENT, MISSING, Owed, Reference, Seen
from geosync.sync_registry.registry import SyncRegistry, wall_clock
from geosync.sync_registry.site.breaker import Breaker
from geosync.sync_registry.transitions.marks import Mark

Found = TypeVar("Found")

PAUSES_AFTER_500 = (0.1, 0.3, 0.7, 1.5)
"""Seconds before a look is tried again that a registry answered with 500."""
SEEN_PAGE = 500
"""Tags read at a time to find those of a digest."""


class ReferenceSync:
    """Makes references of one repository equal, under one lease. Thread-safe: one call per reference at a time."""

    def __init__(
        self,
        registry: SyncRegistry,
        held: HeldLease,
        *,
        primary: RegistryClient,
        repository: str,
        secondary: RegistryClient,
        secondary_repository: str,
        copier: Copier,
        repairer: Repairer,
        remover: TagRemover,
        removals: bool,
        selection: Selection,
        breaker: Breaker,
        sleep: Callable[[float], None],
    ) -> None:
        self._registry = registry
        self._held = held
        self._primary = primary
        self._repository = repository
        self._secondary = secondary
        self._secondary_repository = secondary_repository
        self._copier = copier
        self._repairer = repairer
        self._remover = remover
        self._removals = removals
        self._selection = selection
        self._breaker = breaker
        self._sleep = sleep
        self._under_way: dict[Reference, _Attempt] = {}

    def sync(self, owed: Owed) -> Outcome:
        """Make the secondary's reference equal to what the primary's is, and discharge it if that was seen and proved.

        `sleep` may raise to end it early. Raises what the registries and the copier raise, after a tag write of unknown
        outcome was recorded; LeaseLost; SecondaryDisagrees.
        """
        attempt = _Attempt(owed)
        self._under_way[owed.reference] = attempt
        try:
            return self._sync(attempt)
        finally:
            del self._under_way[owed.reference]

    def _sync(self, attempt: _Attempt) -> Outcome:
        owed = attempt.owed
        if not self._selection.has(self._repository, owed.reference):
            return self._leave(attempt)
        # After an event the manifest itself is asked for: it tells the digest as well, and is wanted next. Anything
        # else (backfill, resync, a second attempt) is most likely equal already: two HEADs tell.
        self._look_at_primary(attempt, whole=(bool(owed.expects) and not owed.worked_on) or self._depends(owed))
        if self._depends(owed) and attempt.manifest is not None and attempt.manifest.subject is None:
            return self._leave(attempt)
        while True:
            step = decisions.next_step(
                owed,
                attempt.primary,
                attempt.secondary,
                suspect_until=self._held.lease.suspect_until,
                timing=self._registry.timing,
                polls=attempt.polls,
                writes=attempt.writes,
                removals=self._removals,
                suspended=attempt.primary.digest is None and self._suspended(owed),
            )
            match step:
                case decisions.LookAtSecondary():
                    self._look_at_secondary(attempt)
                case decisions.Write():
                    self._write(attempt)
                case decisions.Remove():
                    self._remove(attempt)
                case decisions.LookAgain(after):
                    self._sleep(after)
                    attempt.polls += 1
                    self._look_at_primary(attempt, whole=True)
                case decisions.Postpone(due):
                    marked_again = not self._registry.postpone(owed, due)
                    return attempt.outcome(discharged=False, marked_again=marked_again)
                case decisions.Fail(reason):
                    raise SecondaryDisagrees(reason)
                case decisions.Discharge(seen):
                    return self._discharge(attempt, seen)

    def _discharge(self, attempt: _Attempt, seen: Seen | None) -> Outcome:
        """What was proved: bring and mark what follows from it, then pay."""
        owed = attempt.owed
        if attempt.primary.digest is not None and self._may_have_referrers(owed):
            self._bring_referrers(attempt)
        if attempt.was_never_announced:
            self._registry.lost_notification(owed)
            seen = replace(seen, unannounced=True) if seen is not None else None
        if seen is None and owed.reference.kind == "digest":
            self._mark_tags_of(owed)
        discharged = self._held.discharge(owed, seen)
        return attempt.outcome(discharged=discharged, marked_again=not discharged)

    def _may_have_referrers(self, owed: Owed) -> bool:
        """Whether what refers to it may be missing, and nobody else asks.

        Who pushes a referrer announces it. A comparison relies on that for nothing: it asks about every tag but those
        that it marks itself, whatever event comes then; about what it marks by digest it has asked.
        """
        if owed.walk is not None:
            return owed.reference.kind == "tag"
        return not owed.expects

    def _may_come_with_another(self, owed: Owed) -> bool:
        """Whether the copy of something above it tells all that a look would: not that it was deleted since."""
        return owed.reference.kind == "digest" and not owed.distrust and ABSENT not in owed.expects

    def _suspended(self, owed: Owed) -> bool:
        """Whether the breaker is on, where that decides about a removal."""
        return MISSING in owed.if_absent and self._breaker.state().suspended

    def _depends(self, owed: Owed) -> bool:
        """Whether it depends on the manifest if it is replicated: some tags are not, and this one has none."""
        return self._selection.restricts_tags and owed.reference.kind == "digest"

    def _leave(self, attempt: _Attempt) -> Outcome:
        """Forget a reference that is outside the selection: what is at the secondary stays as it is."""
        discharged = self._held.discharge(attempt.owed, None)
        return Outcome(discharged=discharged, marked_again=not discharged, outside=True)

    def _look_at_primary(self, attempt: _Attempt, *, whole: bool) -> None:
        at = wall_clock()
        attempt.looking, attempt.secondary, attempt.manifest = True, None, None
        if self._may_come_with_another(attempt.owed) and self._copier.join(attempt.reference):
            # Its index brought it in this very run: read at the primary and accepted by the secondary since `at`, or
            # (when the run had it already) since the run began, under the same lease.
            attempt.primary = attempt.secondary = Look(attempt.reference, at)
        elif whole:
            attempt.manifest = self._ask(lambda: self._primary.get_manifest(self._repository, attempt.reference))
            attempt.primary = Look(attempt.manifest.digest if attempt.manifest else None, at)
        else:
            descriptor = self._ask(lambda: self._primary.head_manifest(self._repository, attempt.reference))
            attempt.primary = Look(descriptor.digest if descriptor else None, at)
        attempt.looking = False

    def _look_at_secondary(self, attempt: _Attempt) -> None:
        at = wall_clock()
        descriptor = self._ask(lambda: self._secondary.head_manifest(self._secondary_repository, attempt.reference))
        attempt.secondary = Look(descriptor.digest if descriptor else None, at)

    def _ask(self, look: Callable[[], Found]) -> Found:
        """Look, and look again on a 500.

        Distribution rewrites a manifest's link in place for each tag that it is put under, and answers 500 to whoever
        reads it just then.
        """
        for pause in PAUSES_AFTER_500:
            try:
                return look()
            except RegistryUnavailable as error:
                if error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise
                self._sleep(pause)
        return look()

    def _write(self, attempt: _Attempt) -> None:
        if attempt.manifest is None:
            # The look was a HEAD. What the tag is now counts, so this is a new look, decided upon anew if it differs.
            before = attempt.primary.digest
            self._look_at_primary(attempt, whole=True)
            if attempt.primary.digest != before:
                return
        manifest = attempt.manifest
        assert manifest is not None, "the primary answered with a digest"  # noqa: S101
        tag = attempt.reference if attempt.owed.reference.kind == "tag" else None
        try:
            if attempt.owed.distrust:
                self._repairer.repair(manifest, attempt.owed.distrust)
            with self._suspecting():
                attempt.copied = self._copier.copy(manifest, tag)
        except NotFound:
            # A part that is gone: with all of it, or for another image, if the reference was deleted or moved since.
            self._look_at_primary(attempt, whole=True)
            if attempt.primary.digest == manifest.digest:
                raise
            return
        attempt.wrote()

    def _remove(self, attempt: _Attempt) -> None:
        with self._suspecting():
            self._remover.remove(
                self._secondary_repository, attempt.reference, before_tag_write=self._held.check_tag_write
            )
        attempt.wrote()

    def _bring_referrers(self, attempt: _Attempt) -> None:
        """Copy what refers to it, which comes with it and was announced by nobody, as far as anybody knows."""
        manifest = attempt.manifest or self._primary.get_manifest(self._repository, attempt.digest)
        if manifest is not None:
            self._copier.copy_referrers(manifest)

    def _mark_tags_of(self, owed: Owed) -> None:
        """A digest is gone from the primary, and so are its tags: some registries announce only the digest.

        Those that were looked at before it went, and are being copied yet, are looked at anew when that has ended; if
        they are gone then, the copy is ours to remove.
        """
        for reference, attempt in list(self._under_way.items()):
            if reference.kind == "tag" and (attempt.looking or attempt.primary.digest == owed.reference.value):
                self._registry.mark(owed.repository, reference, Mark(expects=owed.reference.value))
                self._registry.mark(owed.repository, reference, Mark(expects=ABSENT))
        after = ""
        while page := self._registry.seen_tags(owed.repository, limit=SEEN_PAGE, after=after):
            for reference, seen in page:
                if seen.digest == owed.reference.value:
                    self._registry.mark(owed.repository, reference, Mark(expects=ABSENT))
            after = page[-1][0].seen_key

    @contextmanager
    def _suspecting(self) -> Iterator[None]:
        """Around a tag write: if its outcome is unknown, that is recorded before anything else is done about it."""
        try:
            yield
        except OutcomeUnknown:
            self._held.suspect()
            raise


class _Attempt:
    """What is known of one reference in one attempt."""

    def __init__(self, owed: Owed) -> None:
        self.owed = owed
        self.reference = owed.reference.value
        self.primary: Look
        self.looking = True  # at the primary, with no answer yet
        self.secondary: Look | None = None
        self.manifest: Manifest | None = None
        self.copied: CopyResult | None = None
        self.polls = 0
        self.writes = 0

    @property
    def digest(self) -> str:
        """What the primary answered; only asked for after it answered something."""
        assert self.primary.digest is not None  # noqa: S101 - an invariant, not a check of input
        return self.primary.digest

    @property
    def was_never_announced(self) -> bool:
        """Whether the primary's reference changed, and no notification told of it: only a comparison found it.

        Where it is what it was when it was last seen, somebody changed the secondary. One that is listed and not there
        is a deletion on its way, or a tag that Distribution 2.8 left without its manifest: that is no push.
        """
        owed = self.owed
        if self.primary.digest is None:
            return False
        changed = owed.seen is None or owed.seen.digest != self.primary.digest
        return owed.unannounced and not owed.expects and changed and (self.writes > 0 or owed.worked_on)

    def wrote(self) -> None:
        """Count a write; what the secondary was before it says nothing any more."""
        self.writes += 1
        self.secondary = None

    def outcome(self, *, discharged: bool, marked_again: bool) -> Outcome:
        """Sum up."""
        return Outcome(
            discharged=discharged,
            marked_again=marked_again,
            digest=self.primary.digest,
            copied=self.copied,
            unannounced=discharged and self.was_never_announced,
        )
