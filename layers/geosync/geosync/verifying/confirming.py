"""The last phase of a round: each suspect once more, when a push that was on its way then must have arrived."""

from __future__ import annotations

from dataclasses import replace

from geosync.sync_registry.items import Reference
from geosync.sync_registry.suspects import Suspect
from geosync.sync_registry.timing import ms
from geosync.verifying.context import VerificationContext
from geosync.verifying.looks import Looks, TagLook
from geosync.verifying.place import RoundPlace, Stop


class ConfirmingPhase:
    """Confirms or drops each suspect of a repository."""

    def __init__(self, context: VerificationContext, place: RoundPlace, looks: Looks) -> None:
        self._context = context
        self._sync_registry = context.sync_registry
        self._place = place
        self._looks = looks
        self._repository = place.repository
        self._settle_ms = ms(context.sync_registry.timing.settle_s)
        self._anew = False

    def run(self) -> None:
        """Go on to the last suspect. Returns when all are confirmed or dropped.

        Raises Stop when some are to be looked at later, or when a tag is owed, so that the round begins anew. Raises
        Overtaken, OutOfTime, and what the registries raise.
        """
        later_ms: list[int] = []
        for suspect in self._sync_registry.suspects.all(self._repository, self._place.cursor):
            if not suspect.confirmed:
                self._place.may_go_on()
                again_ms = self._settle(suspect)
                if again_ms is not None:
                    later_ms.append(again_ms)
            self._place.move(suspect.tag)
        if self._anew or self._sync_registry.verification.has_owed_tag(self._repository):
            now_ms = self._context.clock.now_ms()
            raise Stop(now_ms + self._settle_ms, "a tag is owed: the round begins anew", anew=True)
        if later_ms:
            self._place.move("")
            raise Stop(min(later_ms), "what looked different is looked at again later")

    def _settle(self, suspect: Suspect) -> int | None:
        """Look at a suspect again if it is time; returns when (ms) it is to be looked at, None when it is settled."""
        if self._context.clock.now_ms() < suspect.at + self._settle_ms:
            return suspect.at + self._settle_ms
        if self._sync_registry.look(self._repository, Reference.tag(suspect.tag)).owed is not None:
            self._anew = True
            return None
        again = self._look_again(suspect)
        return again.at + self._settle_ms if again is not None else None

    def _look_again(self, suspect: Suspect) -> Suspect | None:
        """Look at a suspect again: it is confirmed, dropped, or (returned) different from before."""
        reference = Reference.tag(suspect.tag)
        seen = self._sync_registry.seen(self._repository, [reference]).get(reference)
        look = self._looks.tag(suspect.tag, seen.digest if seen is not None else None)
        fresh = replace(suspect, at=look.at, primary=look.primary, secondary=look.secondary)
        if (look.primary, look.secondary) != (suspect.primary, suspect.secondary):
            self._note(fresh)
            return fresh
        if look.primary is None:
            return None  # gone at the primary: comparisons see to deletes, and neither checksum counts it
        if look.is_equal:
            self._look_below(fresh, look, look.primary)
        else:
            self._note(replace(fresh, confirmed=True))
        return None

    def _look_below(self, suspect: Suspect, look: TagLook, digest: str) -> None:
        """Confirm or drop a suspect whose tag has the same `digest` on both sides, by what is below it."""
        manifests = suspect.manifests | ({digest} if look.broken else set())
        bad = replace(
            suspect,
            blobs=frozenset(blob for blob in suspect.blobs if not self._looks.has_blob(blob)),
            manifests=frozenset(one for one in manifests if self._looks.contents.manifest(one) is None),
        )
        if bad.distrusted:
            self._note(replace(bad, confirmed=True))
        elif look.primary != look.known:
            # Equal, and recorded as something else or not at all: it is to be looked at under the lease, and recorded.
            self._sync_registry.mark(self._repository, Reference.tag(suspect.tag))
            self._anew = True
        else:
            self._sync_registry.suspects.drop(self._repository, suspect.tag)

    def _note(self, suspect: Suspect) -> None:
        self._sync_registry.suspects.note(self._repository, suspect)
