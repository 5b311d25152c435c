"""Decides whether work may begin: not during a pause or a hold, nor while a setting or a secret is wrong."""

from __future__ import annotations

from collections.abc import Sequence

from geosync.errors import ConfigurationError, SecretUnreadable
from geosync.pair.registries import Registries
from geosync.sync_registry.items import Reference
from geosync.sync_registry.readings import Glance
from geosync.sync_registry.site.holds import Hold, longest
from geosync.working.workplace import Workplace


class Readiness:
    """Tells which repositories may be worked on now. For one thread."""

    def __init__(self, place: Workplace) -> None:
        self._place = place
        self._logged: SecretUnreadable | None = None

    def registries(self) -> Registries | None:
        """The registries; None while a setting or a secret is wrong, or a secret cannot be read; the log says so.

        A registry whose secret cannot be read is held, so that the status and check say why nothing is copied.
        """
        place = self._place
        try:
            registries = place.registries.get()
        except SecretUnreadable as error:
            place.reporter.report_hold(place.sync_registry.hold(error.registry, reason=str(error)))
            return None
        except ConfigurationError as error:
            place.logger.error("registries_misconfigured", extra={"reason": str(error)})
            return None
        self._log_unread(place.registries.unread)
        return registries

    def _log_unread(self, unread: SecretUnreadable | None) -> None:
        if unread is not None and unread is not self._logged:
            self._place.logger.warning("registry_secret_unreadable", extra={"reason": str(unread)})
        self._logged = unread

    def look(self, repository: str) -> Glance:
        """Read what the work on a repository depends on. Raises CorruptItem."""
        return self._place.sync_registry.look(repository, Reference.whole(), holds=self._place.registries.names)

    def may_sync(self, glance: Glance) -> bool:
        """True unless the site is paused or a registry of it is on hold; the log says so."""
        logger = self._place.logger
        hold = longest(self._still_held(glance), self._place.clock.now_ms())
        if glance.paused:
            logger.info("site_paused")
        elif hold is not None:
            logger.info("registry_on_hold", extra={"registry": hold.registry, "until": hold.until})
        return not glance.paused and hold is None and self.registries() is not None

    def is_stopped(self) -> bool:
        """True while the site is paused, or any registry is on hold."""
        return self._place.sync_registry.is_paused() or bool(self._place.sync_registry.holds())

    def _changed(self, refused: Sequence[Hold]) -> frozenset[str]:
        """The registries on hold whose credentials have changed since they were refused."""
        self._place.registries.reread()
        registries = self.registries()
        if registries is None:
            return frozenset()
        return frozenset(one.registry for one in refused if registries.credentials(one.registry) != one.credentials)

    def _still_held(self, glance: Glance) -> list[Hold]:
        """The holds of a glance, without those of credentials that were changed since: they are cleared."""
        now_ms = self._place.clock.now_ms()
        refused = [hold for hold in glance.holds if hold.credentials is not None and hold.until > now_ms]
        changed = self._changed(refused) if refused else frozenset[str]()
        for name in changed:
            self._place.sync_registry.clear_hold(name)
        return [hold for hold in glance.holds if hold.registry not in changed]
