"""The marks of one event: its reference, or for a rename every repository below the old name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geosync.errors import ConfigurationError
from geosync.messages.geo_event import GeoEvent
from geosync.oci.references import is_repository
from geosync.pair.selection import EVERYTHING, Selection
from geosync.pair.settings import SelectionSettings
from geosync.settings import Role
from geosync.sync_registry.items import ABSENT, Reference, Seen
from geosync.sync_registry.readings import Glance
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.transitions.marks import Mark

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

    from geosync.observability import Metrics

LISTED = 500
"""Repositories below a renamed one that are read at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeContext:
    """The site for which messages are taken in: its sync registry, and what of the primary it replicates.

    `registry_names` are those whose holds keep its repositories from being worked on. `primary_name` is the site that
    it follows; None: any.
    """

    role: Role
    sync_registry: SyncRegistry
    selection: Selection
    registry_names: tuple[str, ...]
    primary_name: str | None = None


def selection_of(settings: SelectionSettings, logger: Logger) -> Selection:
    """The site's selection. While a pattern is wrong everything is selected and marked, and the holder looks again."""
    try:
        return settings.selection
    except ConfigurationError as error:
        logger.error("selection_misconfigured", extra={"reason": str(error)})
        return EVERYTHING


class Marking:
    """Marks the references that events name. Thread-safe."""

    def __init__(self, context: IntakeContext, *, logger: Logger, metrics: Metrics) -> None:
        self._context = context
        self._logger = logger
        self._metrics = metrics

    def mark(self, event: GeoEvent, glance: Glance) -> tuple[str, ...]:
        """Mark the event's reference, unless it is outside the selection or was seen already.

        A reference that a comparison brought before its event came is marked again, so that its discharge measures the
        lag. Returns the repository to knock at, if any. Raises what DynamoDB raised, and SyncRegistryError.
        """
        reference = reference_of(event)
        if self._is_outside(event, event.repository, reference):
            return ()
        sync_registry = self._context.sync_registry
        digest = event.digest if event.event_name != "deleted" else None
        announces = _may_announce(event, glance.seen)
        is_unmeasured = announces and sync_registry.suspected.take_back(event.repository, reference)
        if not is_unmeasured and sync_registry.is_already_seen(glance, digest, event.received_at):
            keys = {"repository": event.repository, "reference": reference.seen_key, "event": event.id}
            self._logger.info("event_seen_already", extra={**keys, "correlation_id": event.correlation_id})
            self._metrics.put({"EventsSkipped": 1})
            return ()
        sync_registry.mark(
            event.repository,
            reference,
            Mark(
                expects=event.expects,
                correlation_id=event.correlation_id,
                pushed_at=event.pushed_at,
                keeps_superseded=self._context.selection.superseded_images,
            ),
        )
        return (event.repository,)

    def renamed(self, event: GeoEvent, former: str) -> Iterator[tuple[str, str]]:
        """Each repository that a rename moves: its former name, and its name now. Lazy: a page is read at a time."""
        yield former, event.repository
        after = ""
        while below := self._context.sync_registry.listing.names(prefix=f"{former}/", after=after, limit=LISTED):
            for name in below:
                yield name, event.repository + name.removeprefix(former)
            after = below[-1]

    def mark_renamed(self, event: GeoEvent, old: str, new: str) -> tuple[str, ...]:
        """Mark one repository under both names: fill the new one, and treat the old one as deleted.

        What is at the secondary under the old name is mounted, and stays until the primary is proved not to have it.
        Returns the repositories to knock at. Raises as `mark`.
        """
        marked = []
        for name, expects in ((new, None), (old, ABSENT)):
            if not is_repository(name) or self._is_outside(event, name, Reference.whole()):
                continue
            self._context.sync_registry.mark(
                name,
                Reference.whole(),
                Mark(
                    expects=expects,
                    correlation_id=event.correlation_id,
                    pushed_at=event.pushed_at,
                    renamed_to=new if name == old else None,
                ),
            )
            if name == new:
                self._context.sync_registry.note_rename(new, old)
            marked.append(name)
        return tuple(marked)

    def _is_outside(self, event: GeoEvent, repository: str, reference: Reference) -> bool:
        """True when this site does not replicate the reference; the log says so."""
        if self._context.selection.has(repository, reference):
            return False
        keys = {"repository": repository, "reference": str(reference), "event": event.id}
        self._logger.info("outside_the_selection", extra={**keys, "correlation_id": event.correlation_id})
        return True


def _may_announce(event: GeoEvent, seen: Seen | None) -> bool:
    """Tell whether a comparison may have brought this event's push before the event came.

    An event with another digest is not that push's own. An event without a digest may be.
    """
    if seen is None or not seen.unannounced or event.event_name == "deleted" or event.pushed_at > seen.looked_at:
        return False
    return event.digest in (seen.digest, None)


def reference_of(event: GeoEvent) -> Reference:
    """The reference that an event names: its tag, else its digest, else (a deleted repository) the whole repository."""
    if event.tag is not None:
        return Reference.tag(event.tag)
    return Reference.digest(event.digest) if event.digest is not None else Reference.whole()
