"""A message in which a holder asks for help with the copy of an image (copying/hands.py)."""

from __future__ import annotations

from geosync.copying.helping import Helper
from geosync.copying.route import Route
from geosync.copying.sharing import Sharing
from geosync.errors import GeosyncError
from geosync.messages.work import Help
from geosync.pair.registries import Registries
from geosync.sync_registry.sync_registry import unique
from geosync.working.readiness import Readiness
from geosync.working.share import NamespaceShare
from geosync.working.workplace import Workplace


class HelpWork:
    """Helps, in a slot of the repository's namespace, as long as the holder that asked has the repository."""

    def __init__(self, place: Workplace, readiness: Readiness, share: NamespaceShare) -> None:
        self._place = place
        self._readiness = readiness
        self._share = share

    def bring(self, repository: str, asked: Help) -> None:
        """Bring what a holder asked for. Raises what the table raises."""
        if not self._is_wanted(repository, asked):
            return
        with self._share.slot(repository) as has_slot:
            if has_slot:
                self._help(self._place.registries.get(), repository, asked)

    def _is_wanted(self, repository: str, asked: Help) -> bool:
        """True while the holder that asked has the repository, and work may go on; the log says if not."""
        glance = self._readiness.look(repository)
        if not self._readiness.may_sync(glance):
            return False
        row = glance.row
        if row is None or row.lease_token != asked.holder or not row.leased(self._place.clock.now_ms()):
            self._place.reporter.report_over(repository)
            return False
        return True

    def _help(self, registries: Registries, repository: str, asked: Help) -> None:
        place = self._place
        with place.reporter.measured(registries):
            try:
                helper = Helper(
                    self._route(registries, repository), asked, is_wanted=lambda: self._is_wanted(repository, asked)
                )
            except GeosyncError as error:  # the holder meets this error too, and records it
                place.logger.info("help_not_given", extra={"repository": repository, "reason": str(error)})
                return
            try:
                helper.help()
            finally:
                place.reporter.report_helped(repository, helper.helped)

    def _route(self, registries: Registries, repository: str) -> Route:
        place = self._place
        pair = registries.pair(repository)
        sharing = Sharing(
            place.sync_registry.shared_blobs,
            repository=pair.secondary.name,
            token=unique(),
            least_bytes=registries.shared_blob_bytes,
            clock=place.clock,
            threads=place.threads,
        )
        return Route(
            pair=pair,
            capabilities=registries.capabilities(pair.secondary),
            pace=registries.pace if place.bandwidth is None else place.bandwidth.pace,
            connections=registries.connections,
            sharing=sharing,
            bandwidth=place.bandwidth,
            parallelism=registries.parallelism,
            clock=place.clock,
            threads=place.threads,
        )
