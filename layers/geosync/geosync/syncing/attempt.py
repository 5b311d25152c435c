"""One attempt at one reference: what is known of both sides, and what was done so far."""

from __future__ import annotations

from geosync.copying.outcome import CopyResult, Outcome
from geosync.oci.manifests import Manifest
from geosync.sync_registry.decisions import Look
from geosync.sync_registry.items import Owed


class Attempt:
    """All that is known of one reference in one attempt."""

    def __init__(self, owed: Owed, *, outside: bool = False) -> None:
        self.owed = owed
        self.outside = outside
        """The selection does not have it by its name: the primary is not asked, and counts as having none."""
        self.reference = owed.reference.value
        self.primary: Look
        if outside:
            self.primary = Look(None, 0)
        self.is_looking = not outside
        """The primary was asked, and has not answered yet."""
        self.secondary: Look | None = None
        self.manifest: Manifest | None = None
        self.copied: CopyResult | None = None
        self.begun: set[str] = set()
        """Digests whose copy was begun in this attempt."""
        self.is_looked_below = False
        """What is below the reference at the secondary was looked for, or brought, in this run."""
        self.polls = 0
        self.writes = 0

    @property
    def digest(self) -> str:
        """The primary's digest; only after the primary answered with one."""
        assert self.primary.digest is not None  # noqa: S101 - an invariant, not a check of input
        return self.primary.digest

    @property
    def shown(self) -> Look | None:
        """The last look at the primary, if the secondary has the same; None: it has not, or neither has anything."""
        if self.primary.digest is None or self.secondary is None or self.secondary.digest != self.primary.digest:
            return None
        return self.primary

    @property
    def was_never_announced(self) -> bool:
        """The primary's reference changed without a notification: only a comparison found it.

        Where it is the same as when it was last seen, somebody changed the secondary. A tag that is listed and answers
        404 is no push: its deletion is on its way, or Distribution 2.8 left it without its manifest.
        """
        owed = self.owed
        if self.primary.digest is None:
            return False
        changed = owed.seen is None or owed.seen.digest != self.primary.digest
        return owed.unannounced and not owed.expects and changed and (self.writes > 0 or owed.worked_on)

    def replaces(self, digest: str) -> bool:
        """Tell whether the secondary's tag may be another image than `digest` that Geosync put there.

        It was seen so, under whichever primary, or a copy of another image may be there that was never proved.
        """
        owed = self.owed
        put = owed.named | owed.copied | owed.half_copied
        return bool((put | {owed.seen_digest}) - {None, digest})

    def note_write(self) -> None:
        """Count a write; what the secondary answered before it proves nothing any more."""
        self.writes += 1
        self.is_looked_below = True
        self.secondary = None

    def outcome(self, *, discharged: bool, marked_again: bool) -> Outcome:
        """Sum up."""
        return Outcome(
            discharged=discharged,
            marked_again=marked_again,
            digest=self.primary.digest,
            copied=self.copied,
            unannounced=discharged and self.was_never_announced,
            absent=discharged and self.primary.digest is None,
        )
