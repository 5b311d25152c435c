"""What happens to a message of the events queue or the work queue: marked, or in the DLQ with its reason.

Once what it speaks of is marked, a message is done: from then on the sync registry decides when it is tried. So nothing
that happens after the mark sends a message back to its queue.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from geosync.clock import SYSTEM_CLOCK
from geosync.comparing.catalogue import Catalogue
from geosync.comparing.rows import Rows
from geosync.errors import (
    ConfigurationError,
    CorruptItem,
    MessageError,
    OutOfTime,
    RegistryError,
    RegistryUnavailable,
    SyncRegistryError,
)
from geosync.messages.geo_event import GeoEvent, Heartbeat, parse_message
from geosync.messages.work import CATALOGUE_KIND, KIND, VERIFY_KIND, CatalogueMessage, VerifyMessage, WorkMessage
from geosync.oci.deadline import Deadline
from geosync.oci.references import is_repository
from geosync.pair.settings import Bounds
from geosync.pair.site_registries import Registries
from geosync.settings import Role
from geosync.sync_registry.items import ABSENT, Lease, Reference
from geosync.sync_registry.readings import Glance
from geosync.sync_registry.registry import SyncRegistry, wall_clock
from geosync.sync_registry.site import listing, recovery
from geosync.sync_registry.site.breaker import Breaker, Limits
from geosync.sync_registry.site.holds import Hold, longest
from geosync.sync_registry.table.changes import Store
from geosync.syncing.holder import Ending, Holder
from geosync.syncing.reporting import Reporter
from geosync.verifying.reverify import make_due
from geosync.verifying.verifier import Verifier

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger


LISTED = 500
"""Repositories below a renamed one that are read at a time."""

Message = GeoEvent | Heartbeat | WorkMessage | CatalogueMessage | VerifyMessage


class Receiver:
    """Takes messages, one at a time, and works off the repositories that they wake."""

    def __init__(
        self,
        *,
        role: Role,
        store: Store,
        registry: SyncRegistry,
        registries: Callable[[], Registries],
        reread: Callable[[], None] = lambda: None,
        reporter: Reporter,
        deadline: Deadline,
        logger: Logger,
        removals: bool = True,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        parallelism: int = 4,
        verification: Bounds = Bounds(),  # noqa: B008 - frozen
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        self._role = role
        self._store = store
        self._registry = registry
        self._registries = registries
        self._reread = reread
        self._reporter = reporter
        self._deadline = deadline
        self._logger = logger
        self._removals = removals
        self._breaker = Breaker(store, limits, SYSTEM_CLOCK)
        self._parallelism = parallelism
        self._verification_bounds = verification
        self._clock = clock

    def receive(self, body: str, *, marked: Callable[[], object] = lambda: None) -> None:
        """Process one message; `marked` is called when what an event spoke of is marked, before any of it is synced.

        Raises what DynamoDB or SQS raised before the message was marked or in the DLQ: then it must come again.
        """
        try:
            self._process(_parse(body), marked)
        except (MessageError, CorruptItem) as error:
            if self._role == "secondary":
                recovery.refused(self._store, now=self._clock())
            self._reporter.refused(body, error)

    def _process(self, message: Message, marked: Callable[[], object]) -> None:
        if self._role == "primary":
            self._logger.info("message_dropped", extra={"reason": "this site is the primary"})
            return
        match message:
            case Heartbeat():
                self._registry.heartbeat.record(site=message.site, sent_at=message.sent_at, arrived_at=self._clock())
            case GeoEvent():
                self._event(message, marked)
                self._after_the_mark(
                    lambda: self._registry.cursor.record(event_id=message.id, received_at=message.received_at)
                )
            case WorkMessage():
                self._work(message)
            case CatalogueMessage():
                self._after_the_mark(self._walk_the_catalogue)
            case VerifyMessage():
                self._verification_asked_for(message)

    def _event(self, event: GeoEvent, marked: Callable[[], object]) -> None:
        if event.renamed_from is not None:
            self._renamed(event, event.renamed_from, marked)
            return
        reference = _reference(event)
        if self._is_outside(event.repository, reference, event=event.id, correlation_id=event.correlation_id):
            return
        glance = self._look(event.repository, reference)
        digest = event.digest if event.event_name != "deleted" else None
        if glance.seen is not None and glance.seen.unannounced and event.pushed_at <= glance.seen.looked_at:
            recovery.came_late(self._store, event.repository, reference)
        if self._registry.is_already_seen(glance, digest, event.received_at):
            self._reporter.skipped(event, reference)
            return
        self._registry.mark(
            event.repository,
            reference,
            expects=event.expects,
            correlation_id=event.correlation_id,
            pushed_at=event.pushed_at,
        )
        marked()
        self._after_the_mark(lambda: self._knock(event.repository, glance))

    def _renamed(self, event: GeoEvent, former: str, marked: Callable[[], object]) -> None:
        """A repository, with all below it, has another name: fill the new ones, and treat the former as deleted.

        What is at the secondary under the former name is mounted, and stays until the primary is proved not to have it.
        """
        repositories = [(former, event.repository)]
        after = ""
        while below := listing.names(self._store, prefix=f"{former}/", after=after, limit=LISTED):
            repositories += [(name, event.repository + name.removeprefix(former)) for name in below]
            after = below[-1]
        knocked = []
        for old, new in repositories:
            for name, expects in ((new, None), (old, ABSENT)):
                if not is_repository(name) or self._is_outside(name, Reference.whole(), event=event.id):
                    continue
                self._registry.mark(
                    name,
                    Reference.whole(),
                    expects=expects,
                    correlation_id=event.correlation_id,
                    pushed_at=event.pushed_at,
                )
                if name == new:
                    self._registry.note_rename(new, old)
                knocked.append(name)
        marked()
        for name in knocked:
            glance = self._look(name, Reference.whole())
            self._after_the_mark(partial(self._knock, name, glance))

    def _is_outside(self, repository: str, reference: Reference, **keys: str) -> bool:
        """Whether this site does not replicate the reference; said in the log.

        While the settings cannot be read nothing is outside: it is marked, and the holder looks again.
        """
        registries = self._usable()
        if registries is None or registries.selection.has(repository, reference):
            return False
        self._logger.info(
            "outside_the_selection", extra={"repository": repository, "reference": str(reference), **keys}
        )
        return True

    def _work(self, message: WorkMessage) -> None:
        if self._is_outside(message.repository, Reference.whole()):
            self._after_the_mark(lambda: self._forget(message.repository))
            return
        references = [one for one in message.references if not self._is_outside(message.repository, one)]
        for reference in references:
            if_absent = frozenset({message.if_absent} if message.if_absent is not None else ())
            self._registry.mark(message.repository, reference, if_absent=if_absent)
        glance = self._look(message.repository, Reference.whole())
        if references:
            self._after_the_mark(lambda: self._knock(message.repository, glance))
        else:
            self._after_the_mark(lambda: self._wake(message.repository, glance))

    def _rows(self, registries: Registries) -> Rows:
        return Rows(self._registry, registries.selection, check=self._deadline.check)

    def _forget(self, repository: str) -> None:
        """Forget a repository that this site no longer replicates."""
        with suppress(OutOfTime):
            if self._rows(self._registries()).forget(repository):
                self._logger.info("repository_forgotten", extra={"repository": repository})

    def _walk_the_catalogue(self) -> None:
        """Backfill and comparison. What keeps it from its end is in the log and its item; reconcile has it go on."""
        registries = self._usable()
        if registries is None or self._registry.is_paused() or self._registry.holds():
            return
        try:
            walk = Catalogue(self._registry, registries.primary, self._rows(registries), registries.selection).walk()
        except OutOfTime:
            self._logger.info("catalogue_goes_on_later")
        except RegistryError as error:
            if isinstance(error, RegistryUnavailable) and error.registry == registries.primary.name:
                hold = self._registry.hold(error.registry, reason=str(error), retry_after=error.retry_after)
                self._reporter.held(hold)
                return
            self._logger.error("catalogue_unreadable", extra={"reason": str(error)})
        else:
            self._logger.info("catalogue_walked", extra={"repositories": walk.repositories})

    def _verification_asked_for(self, message: VerifyMessage) -> None:
        repository, asked_at = message.repository, message.asked_at
        if repository is not None:
            self._after_the_mark(lambda: self._verify(repository, asked=asked_at is not None))
        elif message.scope is not None and asked_at is not None:
            made = make_due(self._store, message.scope, asked_at, check=self._deadline.check)
            self._logger.info("verifications_made_due", extra={"scope": message.scope, "repositories": made})

    def _verify(self, repository: str, *, asked: bool) -> None:
        """Verify one repository, unless the site is paused or a registry on hold: it stays due."""
        registries = self._usable()
        if registries is None:
            return
        if self._registry.is_paused() or self._registry.holds():
            self._logger.info("verification_not_now", extra={"reason": "the site is paused or a registry on hold"})
            return
        verifier = Verifier(
            self._store,
            self._registry,
            registries,
            self._verification_bounds,
            reporter=self._reporter,
            deadline=self._deadline,
            clock=self._clock,
        )
        self._reporter.verified(repository, verifier.verify(repository, asked=asked))

    def _look(self, repository: str, reference: Reference) -> Glance:
        registries = self._usable()
        names = (registries.primary.name, registries.secondary.name) if registries is not None else ()
        return self._registry.look(repository, reference, holds=names)

    def _usable(self) -> Registries | None:
        """The registries; None (said in the log) while a setting or a secret is wrong: events are marked even so."""
        try:
            return self._registries()
        except (ConfigurationError, BotoCoreError, ClientError) as error:
            self._logger.error("registries_misconfigured", extra={"reason": str(error)})
            return None

    def _may_sync(self, glance: Glance) -> bool:
        """Whether the site is not paused and no registry of it on hold; said in the log if not."""
        hold = longest(self._still_held(glance), self._clock())
        if glance.paused:
            self._logger.info("site_paused")
        elif hold is not None:
            self._logger.info("registry_on_hold", extra={"registry": hold.registry, "until": hold.until})
        return not glance.paused and hold is None and self._usable() is not None

    def _still_held(self, glance: Glance) -> list[Hold]:
        """The holds of a glance, without those of credentials that were changed since: they are cleared."""
        refused = [hold for hold in glance.holds if hold.credentials is not None and hold.until > self._clock()]
        if not refused:
            return list(glance.holds)
        self._reread()
        registries = self._usable()
        changed = {
            hold.registry
            for hold in refused
            if registries is not None and registries.credentials(hold.registry) != hold.credentials
        }
        for registry in changed:
            self._registry.clear_hold(registry)
        return [hold for hold in glance.holds if hold.registry not in changed]

    def _knock(self, repository: str, glance: Glance) -> None:
        lease = self._registry.knock(repository, believed=glance.row, take=self._may_sync(glance))
        if lease is not None:
            self._hold(lease, glance)

    def _wake(self, repository: str, glance: Glance) -> None:
        if not self._may_sync(glance):
            return
        lease = self._registry.acquire(repository, believed=glance.row)
        if lease is not None:
            self._hold(lease, glance)

    def _hold(self, lease: Lease, glance: Glance) -> None:
        """Work off the repository; a registry that answers again is forgiven its holds."""
        ending = Holder(
            self._registry,
            self._registries(),
            lease,
            reporter=self._reporter,
            deadline=self._deadline,
            store=self._store,
            breaker=self._breaker,
            removals=self._removals,
            parallelism=self._parallelism,
        ).run()
        self._logger.info("repository_ended", extra={"repository": lease.repository, "ending": ending.value})
        if ending is Ending.FINISHED:
            for hold in glance.holds:
                self._registry.clear_hold(hold.registry)

    def _after_the_mark(self, work: Callable[[], None]) -> None:
        """Do what is no reason to see the message again: what is owed is written down, and the sweep finds it."""
        try:
            work()
        except (BotoCoreError, ClientError, SyncRegistryError) as error:
            if isinstance(error, CorruptItem):
                raise
            self._logger.exception("sync_interrupted")


def _parse(body: str) -> Message:
    """Read a message of either queue, told apart by `kind`. Raises MessageError."""
    try:
        kind = json.loads(body).get("kind")
    except (ValueError, AttributeError, RecursionError):
        kind = None
    if kind == CATALOGUE_KIND:
        return CatalogueMessage.from_json(body)
    if kind == VERIFY_KIND:
        return VerifyMessage.from_json(body)
    return WorkMessage.from_json(body) if kind == KIND else parse_message(body)


def _reference(event: GeoEvent) -> Reference:
    """What the event speaks of: its tag, else its digest, else (a deleted repository) all of it."""
    if event.tag is not None:
        return Reference.tag(event.tag)
    return Reference.digest(event.digest) if event.digest is not None else Reference.whole()
