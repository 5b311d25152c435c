"""One owed reference, made equal: look at the primary, copy, look at the secondary, discharge.

sync_registry.decisions.next_step decides what to do next, and the model of the protocol explores it. Here are the
requests in between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import TypeVar

from geosync.copying.copy import Copier
from geosync.copying.outcome import Outcome
from geosync.copying.parts import Retry
from geosync.copying.repair import Repairer
from geosync.errors import Archived, BlobsUnknown, NotFound, OutOfTime, RegistryUnavailable, SecondaryDisagrees
from geosync.oci.manifests import Manifest
from geosync.oci.repository import Repository
from geosync.pair.deletes import TagRemover
from geosync.pair.presence import is_blob_alone
from geosync.sync_registry import decisions, half_copies
from geosync.sync_registry.decisions import Look
from geosync.sync_registry.items import ABSENT, MISSING, OUTSIDE, UNNAMED, Owed, Reference, Seen
from geosync.sync_registry.transitions.marks import Mark
from geosync.syncing.attempt import Attempt
from geosync.syncing.context import HolderContext

Found = TypeVar("Found")

PAUSES_AFTER_500_S = (0.1, 0.2, 0.4, 0.7, 1.0, 1.5)
"""Seconds before a look is tried again that a registry answered with 500. Of 500 tags of one digest, sixteen at a time,
a fifth of the looks were answered so: seven in a row are one of 50,000."""
ABSENCES_FOR_GOOD = 3
"""Attempts, in two minutes and more, that met a child which the primary answers 404 for, before an index is put without
such children: they may be there again. After each 404 the reference itself is looked at, which may have moved."""


class ReferenceSync:
    """Makes references of one repository equal, under one lease. Thread-safe: one call per reference at a time."""

    def __init__(
        self,
        context: HolderContext,
        *,
        copier: Copier,
        repairer: Repairer,
        remover: TagRemover,
        bare_at: Callable[[], int | None] = lambda: None,
    ) -> None:
        """Make it for one hold. `bare_at` tells when, in this hold, the secondary was seen to have no tag (ms)."""
        self._context = context
        self._sync_registry = context.sync_registry
        self._held = context.held
        self._primary = context.pair.primary
        self._secondary = context.pair.secondary
        self._copier = copier
        self._repairer = repairer
        self._remover = remover
        self._bare_at = bare_at
        self._under_way: dict[Reference, Attempt] = {}

    def sync(self, owed: Owed) -> Outcome:
        """Make the secondary's reference equal to what the primary's is, and discharge it if that was seen and proved.

        Raises what the registries and the copier raise, after a tag write of unknown outcome was recorded; OutOfTime;
        LeaseLost; SecondaryDisagrees.
        """
        outside = not self._context.selection.has(owed.repository, owed.reference)
        attempt = Attempt(owed, outside=outside)
        self._under_way[owed.reference] = attempt
        try:
            with self._primary.client.memory.attempt(self._primary.client.deadline):
                return self._sync(attempt)
        finally:
            del self._under_way[owed.reference]

    def _sync(self, attempt: Attempt) -> Outcome:
        if not self._begin(attempt):
            return self._leave(attempt, None)
        while True:
            match self._next_step(attempt):
                case decisions.LookAtSecondary():
                    self._look_at_secondary(attempt)
                case decisions.Write():
                    self._write(attempt)
                case decisions.Remove():
                    self._remove(attempt)
                case decisions.LookAgain(after_s):
                    self._context.pause(after_s)
                    attempt.polls += 1
                    self._look_at_primary(attempt, whole=True)
                case decisions.Postpone(due):
                    return self._postpone(attempt, due)
                case decisions.Fail(reason):
                    raise SecondaryDisagrees(reason)
                case decisions.Discharge(seen):
                    return self._discharge(attempt, seen)

    def _postpone(self, attempt: Attempt, due: int) -> Outcome:
        half = frozenset[str]() if attempt.writes else decisions.half_copied_if_postponed(attempt.owed)
        marked_again = not self._sync_registry.postpone(attempt.owed, due, copied=half, shown=attempt.shown)
        return attempt.outcome(discharged=False, marked_again=marked_again)

    def _begin(self, attempt: Attempt) -> bool:
        """Look at the primary for the first time, unless the selection does not have the reference by its name.

        False: its manifest says that it is outside.
        """
        owed = attempt.owed
        if attempt.outside:
            self._context.check_selection()
            return True
        # The manifest itself is asked for where it is wanted next: after an event, or for its referrers. It tells the
        # digest as well. Anything else (a second attempt, a digest of a comparison) is most likely equal already: two
        # HEADs tell.
        depends = self._depends_on_the_manifest(owed)
        after_an_event = bool(owed.expects) and not owed.worked_on
        self._look_at_primary(attempt, whole=after_an_event or depends or self._may_have_referrers(owed))
        if not depends or attempt.manifest is None or attempt.manifest.subject is not None:
            return True
        self._context.check_selection()
        return False

    def _next_step(self, attempt: Attempt) -> decisions.Step:
        if attempt.outside:
            return self._next_step_outside(attempt)
        return decisions.next_step(
            attempt.owed,
            attempt.primary,
            attempt.secondary,
            suspect_until=self._held.lease.suspect_until,
            timing=self._sync_registry.timing,
            polls=attempt.polls,
            writes=attempt.writes,
            removals=self._context.removals.allowed,
            suspended=attempt.primary.digest is None and self._is_suspended(attempt.owed),
        )

    def _next_step_outside(self, attempt: Attempt) -> decisions.Step:
        removals = self._context.removals
        return decisions.step_outside(
            attempt.owed,
            attempt.secondary,
            suspect_until=self._held.lease.suspect_until,
            writes=attempt.writes,
            removes=removals.outside,
            suspended=OUTSIDE in attempt.owed.if_absent and removals.breaker.state().stops,
        )

    def _discharge(self, attempt: Attempt, seen: Seen | None) -> Outcome:
        """Bring and mark what follows from the proof, then discharge."""
        owed = attempt.owed
        if attempt.outside:
            return self._leave(attempt, seen)
        if attempt.primary.digest is not None and self._may_have_referrers(owed):
            self._bring_referrers(attempt)
        if attempt.was_never_announced:
            self._sync_registry.suspected.record(owed)  # first: the minute looks whether it was discharged so
        if seen is not None:
            seen = self._described(attempt, seen)
        elif owed.reference.kind == "digest" and ABSENT in owed.expects:
            self._mark_tags_of(owed)
        superseded = half_copies.left_half(owed, seen)
        if self._context.selection.superseded_images:
            superseded |= decisions.superseded(owed, seen)
        discharged = self._held.discharge(owed, seen, superseded=superseded)
        return attempt.outcome(discharged=discharged, marked_again=not discharged)

    def _described(self, attempt: Attempt, seen: Seen) -> Seen:
        """Return `seen` with its size, and with what is noted where no event announced it."""
        owed = attempt.owed
        if attempt.was_never_announced:
            seen = replace(seen, unannounced=True, suspected=True)
        elif not owed.expects & {seen.digest, UNNAMED}:
            seen = decisions.as_announced(seen, owed.seen)
        return replace(seen, size_bytes=self._copier.sizes.of(seen.digest, attempt.manifest))

    def _may_have_referrers(self, owed: Owed) -> bool:
        """Tell whether its referrers may be missing, and nothing else asks for them.

        A push of a referrer is announced, but a comparison does not rely on that: it asks for the referrers of every
        tag except those that it marks itself, even if an event for such a tag comes later. For the digests that it
        marks it has asked already.
        """
        if owed.walk is not None:
            return owed.reference.kind == "tag"
        return not owed.expects

    def _may_come_with_another(self, owed: Owed) -> bool:
        """Tell whether a copy of its index in this run shows all that a look would: not where it may be deleted."""
        return owed.reference.kind == "digest" and not owed.distrust and ABSENT not in owed.expects

    def _is_suspended(self, owed: Owed) -> bool:
        """The breaker is on, and decides about a removal."""
        return MISSING in owed.if_absent and self._context.removals.breaker.state().stops

    def _depends_on_the_manifest(self, owed: Owed) -> bool:
        """Tell whether only the manifest says if it is replicated: tags are selected, and this digest has none.

        A digest that was pushed under a selected tag is replicated.
        """
        if owed.reference.kind != "digest" or not self._context.selection.restricts_tags:
            return False
        tag = owed.pushed_as
        return tag is None or not self._context.selection.has_tag(owed.repository, tag)

    def _leave(self, attempt: Attempt, seen: Seen | None) -> Outcome:
        """Discharge a reference outside the selection; `seen` None: it is forgotten, except for a half copy."""
        discharged = self._held.discharge(attempt.owed, seen, half=half_copies.stays_half(attempt.owed))
        return Outcome(
            discharged=discharged, marked_again=not discharged, outside=True, removed=discharged and attempt.writes > 0
        )

    def _look_at_primary(self, attempt: Attempt, *, whole: bool) -> None:
        at = self._context.clock.now_ms()
        attempt.is_looking, attempt.secondary, attempt.manifest = True, None, None
        if self._may_come_with_another(attempt.owed) and self._copier.join(attempt.reference):
            # Its index brought it in this very run: read at the primary and accepted by the secondary since `at`, or
            # (when the run had it already) since the run began, under the same lease.
            attempt.primary = attempt.secondary = Look(attempt.reference, at)
            attempt.is_looked_below = True
        elif whole:
            attempt.manifest = self._ask(self._primary, self._primary.get_manifest, attempt)
            attempt.primary = Look(attempt.manifest.digest if attempt.manifest else None, at)
        else:
            descriptor = self._ask(self._primary, self._primary.head_manifest, attempt)
            attempt.primary = Look(descriptor.digest if descriptor else None, at)
        if attempt.primary.digest is None:
            self._check_archive(self._primary, attempt)
        attempt.is_looking = False

    def _look_at_secondary(self, attempt: Attempt) -> None:
        bare_at = self._bare_at()
        if bare_at is not None and self._is_still_absent(attempt):
            attempt.secondary = Look(None, bare_at)
            return
        at = self._context.clock.now_ms()
        descriptor = self._ask(self._secondary, self._secondary.head_manifest, attempt)
        attempt.secondary = Look(descriptor.digest if descriptor else None, at)
        if attempt.secondary.digest is None and attempt.owed.seen is not None:
            self._check_archive(self._secondary, attempt)  # another push would restore what its owner archived
        if attempt.secondary.digest == attempt.primary.digest and self._may_be_half_copied(attempt):
            self._look_below(attempt)

    def _is_still_absent(self, attempt: Attempt) -> bool:
        """Tell whether a tag is absent still, as all were when the secondary listed none.

        Of all workers only the lease's holder writes tags, and it has not written this one since. A write
        may rely on that. A removal may not: it is decided by a look at the secondary after that at the primary.
        """
        owed = attempt.owed
        is_untouched = attempt.writes == 0 and not owed.worked_on and owed.seen is None
        return is_untouched and owed.reference.kind == "tag" and attempt.primary.digest is not None

    def _check_archive(self, repository: Repository, attempt: Attempt) -> None:
        """Raise Archived if the registry answered 404 because the image is archived."""
        if repository.is_archived(attempt.reference):
            raise Archived(str(repository), attempt.reference)

    def _ask(self, repository: Repository, look: Callable[[str], Found | None], attempt: Attempt) -> Found | None:
        """Look, and look again on a 500; None also for a digest that is a blob there, and no manifest.

        Distribution rewrites a manifest's link in place for each tag that it is put under, and answers 500 to whoever
        reads it just then.
        """
        for pause in PAUSES_AFTER_500_S:
            try:
                return look(attempt.reference)
            except RegistryUnavailable as error:
                if error.status != HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise
                self._context.pause(pause)
        try:
            return look(attempt.reference)
        except RegistryUnavailable as error:
            is_500 = error.status == HTTPStatus.INTERNAL_SERVER_ERROR
            if is_500 and attempt.owed.reference.kind == "digest" and is_blob_alone(repository, attempt.reference):
                return None
            raise

    def _may_be_half_copied(self, attempt: Attempt) -> bool:
        """Tell whether the secondary may have the digest from an attempt that broke off before all of it was there."""
        digest = attempt.primary.digest
        return digest is not None and not attempt.is_looked_below and decisions.may_be_half_copied(attempt.owed, digest)

    def _look_below(self, attempt: Attempt) -> None:
        """Look for what is below a reference that is equal, and bring what is missing."""
        if attempt.manifest is None:
            self._look_at_primary(attempt, whole=True)
            return
        attempt.is_looked_below = True
        if self._copy(attempt, attempt.manifest, is_there=True) and attempt.copied and attempt.copied.manifests_put:
            attempt.note_write()

    def _write(self, attempt: Attempt) -> None:
        if attempt.manifest is None:
            # The look was a HEAD. What the tag is now counts, so this is a new look, decided upon anew if it differs.
            before = attempt.primary.digest
            self._look_at_primary(attempt, whole=True)
            # Without a manifest its index has brought it meanwhile, which is a look at the secondary, too.
            if attempt.primary.digest != before or attempt.manifest is None:
                return
        manifest = attempt.manifest
        assert manifest is not None, "the primary answered with a digest"  # noqa: S101
        if self._copy(attempt, manifest, is_there=False):
            attempt.note_write()

    def _copy(self, attempt: Attempt, manifest: Manifest, *, is_there: bool) -> bool:
        """Copy the manifest with all below it; False if a part is gone because the reference changed meanwhile."""
        try:
            return self._copy_what_is_there(attempt, manifest, is_there=is_there)
        except OutOfTime:
            self._note_broken_off(attempt, manifest.digest)
            raise

    def _copy_what_is_there(self, attempt: Attempt, manifest: Manifest, *, is_there: bool) -> bool:
        is_repaired = False
        try:
            if attempt.owed.distrust:
                self._repairer.repair(manifest, attempt.owed.distrust)
            is_repaired = True
            self._copy_once(attempt, manifest, is_there=is_there)
        except NotFound as error:
            # A part is gone. Was the whole reference deleted, or moved to another image, since it was read?
            self._look_at_primary(attempt, whole=True)
            if attempt.primary.digest != manifest.digest:
                return False
            if not (is_repaired and manifest.is_index and self._may_leave_out(attempt)):
                raise
            self._copy_without(attempt, manifest, error, is_there=is_there)
        return True

    def _copy_without(self, attempt: Attempt, manifest: Manifest, gone: NotFound, *, is_there: bool) -> None:
        """Copy an index without the children that the primary lacks; raises `gone` where the secondary wants them."""
        try:
            self._copy_once(attempt, manifest, is_there=is_there, leaves_out=True)
        except BlobsUnknown as refused:
            raise gone from refused

    def _copy_once(self, attempt: Attempt, manifest: Manifest, *, is_there: bool, leaves_out: bool = False) -> None:
        attempt.copied = self._copier.copy(
            manifest,
            attempt.reference if attempt.owed.reference.kind == "tag" else None,
            is_there=is_there,
            retry=Retry(
                is_again=attempt.owed.attempts > 0 or attempt.owed.unanswered,  # not after a hold for throttling
                looks_below=decisions.may_be_half_copied(attempt.owed, manifest.digest),
                leaves_out=leaves_out,
            ),
            replaces=attempt.replaces(manifest.digest),
            begin=lambda: self._begin_copy(attempt, manifest.digest),
        )

    def _may_leave_out(self, attempt: Attempt) -> bool:
        return attempt.owed.absences >= ABSENCES_FOR_GOOD

    def _begin_copy(self, attempt: Attempt, digest: str) -> None:
        attempt.begun.add(digest)
        if decisions.is_to_be_noted(attempt.owed, digest):
            attempt.owed = self._sync_registry.note_copy(attempt.owed, digest)

    def _note_broken_off(self, attempt: Attempt, digest: str) -> None:
        """Note a copy that runs out of time, unless that was noted when it began: the next one looks below it.

        One that only waited for memory did not begin.
        """
        if digest in attempt.begun - attempt.owed.copied:
            attempt.owed = self._sync_registry.note_copy(attempt.owed, digest)

    def _remove(self, attempt: Attempt) -> None:
        with self._held.tag_write():
            self._remover.remove(self._secondary, attempt.reference, before_tag_write=self._held.check_tag_write)
        attempt.note_write()

    def _bring_referrers(self, attempt: Attempt) -> None:
        """Copy the referrers of the reference with it: as far as is known, no event announced them."""
        attempt.manifest = attempt.manifest or self._primary.get_manifest(attempt.digest)
        if attempt.manifest is not None:
            self._copier.copy_referrers(attempt.manifest, retry=Retry(leaves_out=self._may_leave_out(attempt)))

    def _mark_tags_of(self, owed: Owed) -> None:
        """Mark the tags of a digest that is gone from the primary: some registries announce only the digest.

        The tags that are owed as this digest are read before those that were seen: one may be discharged in between.
        A tag that was looked at before the digest was deleted, and is still being copied, is looked at again after the
        copy. If it is gone then, Geosync may remove the copy.
        """
        for reference, attempt in list(self._under_way.items()):
            if reference.kind == "tag" and (attempt.is_looking or attempt.primary.digest == owed.reference.value):
                self._sync_registry.mark(owed.repository, reference, Mark(expects=owed.reference.value))
                self._sync_registry.mark(owed.repository, reference, Mark(expects=ABSENT))
        for reference in self._sync_registry.tags_owed_as(owed.repository, owed.reference.value):
            self._sync_registry.mark(owed.repository, reference, Mark(expects=ABSENT))
        for reference, seen in self._sync_registry.all_seen_tags(owed.repository):
            if seen.digest == owed.reference.value:
                self._sync_registry.mark(owed.repository, reference, Mark(expects=ABSENT))
