"""Reads what the sync registry knows of a reference, and paces the looks of a pull that waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from geosync.clock import Clock
from geosync.errors import CorruptItem
from geosync.oci.deadline import Deadline
from geosync.pair.selection import Selection
from geosync.reading.freshness import Known, accounted_ms, is_gone, is_unheard_of, shown_since_the_mark
from geosync.sync_registry.items import Owed, Reference, Seen
from geosync.sync_registry.site.holds import longest
from geosync.sync_registry.sync_registry import SyncRegistry

LONGEST_S = 20.0
"""A client waits no longer: API Gateway waits 29 s, and the registry is asked before and after."""
UNHEARD_OF_S = 5.0
"""A client waits no longer for a name that only clients ever named: most likely the primary does not have it."""
LAST_S = 4.0
"""Seconds at the end of an invocation for the last question to the registry, and the answer."""
PAUSES_S = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Seconds between two looks; the last one is repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """Reads what the sync registry knows.

    `primary` names the primary that the site follows, as in SyncRegistry. `registry_names` are those whose holds keep
    anything from being copied. `selection` is the site's; None: not all of it is known here.
    """

    sync_registry: SyncRegistry
    primary: str | None
    selection: Selection | None
    registry_names: tuple[str, ...]
    deadline: Deadline

    @property
    def clock(self) -> Clock:
        """The clock of the invocation."""
        return self.deadline.clock

    def of(self, repository: str, reference: Reference) -> Known:
        """Read all that is known of a reference of the primary's `repository`. Two to four requests, in this order.

        What is accounted was marked before, so it is read before what is owed. A deleted digest is discharged once its
        tags are marked, so it is read before its tag. If the row says that nothing is owed, no holder has begun to
        discharge it, and both are read in one request. A digest that was shown, and is not the one that was seen, is
        known only from its tag: what is owed of it is read last. If an item cannot be read, nothing counts as known, so
        nothing is served. Raises what DynamoDB raises.
        """
        beside = self.sync_registry.overview.accounting_beside(self.primary, repository, reference)
        known = Known(accounted_ms=accounted_ms(beside.site, self.selection))
        digest = Reference.digest(beside.seen.digest) if reference.kind == "tag" and beside.seen is not None else None
        try:
            if digest is not None and not beside.is_synced:
                known = replace(known, deleted=self._deleted(repository, digest))
                digest = None
            return self._known(repository, reference, beside.seen, known, digest)
        except CorruptItem:
            return Known(accounted_ms=None, is_left_alone=True)

    def _deleted(self, repository: str, digest: Reference) -> Owed | None:
        """Read what is owed of a digest that was seen, or shown, under a tag, if an event said that it was deleted."""
        found = self.sync_registry.owed_named([(repository, digest)])
        for owed in found.values():
            if owed is None:
                raise CorruptItem(repository, digest.owed_key, "expects", "cannot be read")
            return owed if is_gone(owed) else None
        return None

    def _shown_deleted(
        self, repository: str, owed: Owed | None, before: Seen | None, deleted: Owed | None
    ) -> Owed | None:
        """Read what is owed of the digest that was shown under a tag, if an event said that it was deleted.

        `deleted` is what is owed of the one that was seen `before`.
        """
        shown = shown_since_the_mark(owed)
        if owed is None or shown is None or owed.reference.kind != "tag":
            return None
        if before is not None and before.digest == shown:
            return deleted
        return self._deleted(repository, Reference.digest(shown))

    def _known(
        self, repository: str, reference: Reference, before: Seen | None, known: Known, digest: Reference | None
    ) -> Known:
        """Add to `known` what is owed of the reference. `before` is what was seen of it when the rest was read.

        `digest` is the one that was seen under it, if what is owed of that digest is still to be read.
        """
        whole = Reference.whole()
        glances = self.sync_registry.look_at(
            [(repository, reference), (repository, whole)],
            holds=self.registry_names,
            owed=[(repository, digest)] if digest is not None else (),
        )
        glance, above = glances.of(repository, reference), glances.of(repository, whole)
        if digest is not None and is_gone(deleted := glances.of(repository, digest).owed):
            known = replace(known, deleted=deleted)
        seen = glance.seen
        return replace(
            known,
            owed=glance.owed,
            shown_deleted=self._shown_deleted(repository, glance.owed, before, known.deleted),
            seen=seen,
            row=glance.row,
            is_unclear=seen is not None and (before is None or seen.digest != before.digest),
            is_renamed_or_gone=is_gone(above.owed),
            is_left_alone=glance.paused or longest(glance.holds, self.clock.now_ms()) is not None,
            is_unheard_of=is_unheard_of(glance.row, glance.owed, above.owed),
        )

    def point_ms(self) -> int | None:
        """The site's recovery point (ms) as the last minute knew it; None while it is not known.

        The minute may not know yet that the selection changed.
        """
        site = self.sync_registry.overview.accounting(self.primary)
        return site.recovery.point if accounted_ms(site, self.selection) is not None else None

    def looks(self, until_s: float) -> Iterator[None]:
        """Pause before each look, until `until_s` (monotonic seconds)."""
        pauses = iter(PAUSES_S)
        pause_s = 0.0
        while (left_s := until_s - self.clock.monotonic_s()) > 0:
            pause_s = next(pauses, pause_s)
            self.clock.sleep(min(pause_s, left_s))
            yield
