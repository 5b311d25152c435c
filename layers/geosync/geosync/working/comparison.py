"""A catalogue message has the primary's catalogue walked; what is asked of a repository outside the selection."""

from __future__ import annotations

from contextlib import suppress

from geosync.comparing.catalogue import Catalogue
from geosync.comparing.missing import Removals
from geosync.comparing.rows import Rows
from geosync.errors import OutOfTime, RegistryError, RegistryUnavailable
from geosync.pair.registries import Registries
from geosync.working.readiness import Readiness
from geosync.working.workplace import Workplace


class ComparisonWork:
    """Compares the site with its primary, as far as the time of the invocation goes."""

    def __init__(self, place: Workplace, readiness: Readiness, removals: Removals) -> None:
        self._place = place
        self._readiness = readiness
        self._removals = removals

    def walk(self) -> None:
        """Backfill and comparison. What keeps it from its end is in the log and its item; reconcile has it go on."""
        place = self._place
        registries = self._readiness.registries()
        if registries is None or self._readiness.is_stopped():
            return
        try:
            self._check_selection(registries)
            with place.reporter.measured(registries):
                walk = Catalogue(
                    place.sync_registry,
                    registries.primary,
                    self._rows(registries),
                    registries.selection,
                    clock=place.clock,
                ).walk()
        except OutOfTime:
            place.logger.info("catalogue_goes_on_later")
        except RegistryError as error:
            if isinstance(error, RegistryUnavailable) and error.registry == registries.primary.name:
                hold = place.sync_registry.hold(error.registry, reason=str(error), retry_after=error.retry_after)
                place.reporter.report_hold(hold)
                return
            place.logger.error("catalogue_unreadable", extra={"reason": str(error)})
        else:
            if walk is None:
                place.logger.info("catalogue_walked_elsewhere")
            else:
                place.logger.info("catalogue_walked", extra={"repositories": walk.repositories})

    def has_ours(self, registries: Registries, repository: str) -> bool:
        """True if tags outside the selection may go, and `repository`, which is outside, may have some of ours."""
        return self._rows(registries).has_ours(repository)

    def forget(self, registries: Registries, repository: str) -> None:
        """Forget a repository that this site no longer replicates."""
        with suppress(OutOfTime):
            if self._rows(registries).forget(repository):
                self._place.logger.info("repository_forgotten", extra={"repository": repository})

    def _check_selection(self, registries: Registries) -> None:
        self._place.sync_registry.subscription.check_selection(registries.selection.fingerprint)

    def _rows(self, registries: Registries) -> Rows:
        place = self._place

        def check() -> None:
            place.deadline.check()
            self._check_selection(registries)

        return Rows(
            place.sync_registry,
            registries.selection,
            self._removals,
            check=check,
            on_death=place.reporter.report_death,
        )
