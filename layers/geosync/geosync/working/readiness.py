"""May work begin? Not while the site is paused, a registry is on hold, or a setting or a secret is wrong."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from geosync.errors import ConfigurationError
from geosync.pair.registries import Registries
from geosync.sync_registry.items import Reference
from geosync.sync_registry.readings import Glance
from geosync.sync_registry.site.holds import Hold, longest
from geosync.working.workplace import Workplace


class Readiness:
    """Tells which repositories may be worked on now. For one thread."""

    def __init__(self, place: Workplace) -> None:
        self._place = place

    def registries(self) -> Registries | None:
        """The registries; None while a setting or a secret is wrong; the log says so."""
        try:
            return self._place.registries.get()
        except (ConfigurationError, BotoCoreError, ClientError) as error:
            self._place.logger.error("registries_misconfigured", extra={"reason": str(error)})
            return None

    def look(self, repository: str) -> Glance:
        """Read what the work on a repository depends on. Raises CorruptItem."""
        registries = self.registries()
        names = (registries.primary.name, registries.secondary.name) if registries is not None else ()
        return self._place.sync_registry.look(repository, Reference.whole(), holds=names)

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

    def _still_held(self, glance: Glance) -> list[Hold]:
        """The holds of a glance, without those of credentials that were changed since: they are cleared."""
        now_ms = self._place.clock.now_ms()
        refused = [hold for hold in glance.holds if hold.credentials is not None and hold.until > now_ms]
        if not refused:
            return list(glance.holds)
        self._place.registries.reread()
        registries = self.registries()
        changed = {
            hold.registry
            for hold in refused
            if registries is not None and registries.credentials(hold.registry) != hold.credentials
        }
        for name in changed:
            self._place.sync_registry.clear_hold(name)
        return [hold for hold in glance.holds if hold.registry not in changed]
