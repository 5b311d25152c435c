"""A request of a client's, answered: what the site's registry says, given out if it is as new as the site promises.

A client that the site's registry would not let in learns and causes nothing. So the order is: the request is read; the
site's registry is asked with the client's own Authorization, and the sync registry is read meanwhile. Only when the
registry has let the client in (200, or 404 in its own words) is a tag judged, or put first in line, or a name refused
that the site does not replicate. A request that cannot be read is refused without the recovery point.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from geosync.aws.errors import reason
from geosync.errors import SyncRegistryError
from geosync.oci import media_types
from geosync.reading.answering import passed_on, point_headers, redirected, refused
from geosync.reading.manifest_pull import ManifestPull, Pulled, lets_in
from geosync.reading.own_registry import Answered
from geosync.reading.refusals import ReadRefusal, unavailable, unknown_manifest
from geosync.reading.requested import Requested, read_request
from geosync.reading.site import ReadingSite
from geosync.sync_registry.items import Reference

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

    from geosync.observability import Metrics


class Puller:
    """Answers the requests of clients, for one site."""

    def __init__(
        self,
        site: ReadingSite,
        *,
        logger: Logger,
        metrics: Metrics,
    ) -> None:
        self._site = site
        self._logger = logger
        self._metrics = metrics

    def answer(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer for a request of API Gateway's; every refusal has the form of a registry's error."""
        answer = self._answer_or_refuse(event)
        return answer | {"body": ""} if event.get("httpMethod") == "HEAD" else answer

    def _answer_or_refuse(self, event: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return self._answer(read_request(event))
        except ReadRefusal as refusal:
            return refused(refusal, {})
        except (BotoCoreError, ClientError, SyncRegistryError) as error:
            self._logger.error("pull_failed", extra={"error": type(error).__name__, "reason": reason(error)})
            return refused(unavailable("this site cannot say how old what it has is"), point_headers(None, 0))

    def _answer(self, asked: Requested) -> dict[str, Any]:
        if asked.kind == "ping" or self._site.promise.role == "primary":
            return self._passed_on(asked, *self._at_once(asked))
        try:
            repository = self._selected(asked)
        except ReadRefusal as refusal:
            return self._not_selected(asked, refusal)
        if asked.kind != "manifest":
            return self._passed_on(asked, *self._at_once(asked))
        return self._manifest(asked, repository)

    def _selected(self, asked: Requested) -> str:
        """Return the repository's name at the primary. Raises ReadRefusal for what this site does not replicate."""
        promise = self._site.promise
        repository = promise.at_primary(asked.repository)
        if asked.kind == "manifest" and asked.is_tag:
            promise.check_selected(repository, Reference.tag(asked.reference))
        return repository

    def _not_selected(self, asked: Requested, refusal: ReadRefusal) -> dict[str, Any]:
        """Refuse, unless the registry refuses the client itself: the selection is not for strangers to probe."""
        here, about = self._at_once(asked)
        return refused(refusal, about) if _is_in(here) else self._passed_on(asked, here, about)

    def _manifest(self, asked: Requested, repository: str) -> dict[str, Any]:
        started_s = self._site.whereabouts.clock.monotonic_s()
        pulled, about = (self._tag if asked.is_tag else self._digest)(asked, repository)
        waited_ms = round((self._site.whereabouts.clock.monotonic_s() - started_s) * 1000)
        self._note(asked, pulled, waited_ms)
        if pulled.outcome == "fell through":
            return refused(unknown_manifest("it is not here, or not known to be as new as this site promises"), about)
        return self._passed_on(asked, pulled.here, about)

    def _tag(self, asked: Requested, repository: str) -> tuple[Pulled, dict[str, str]]:
        pulled = ManifestPull(self._site, asked, repository).run()
        return pulled, point_headers(pulled.point_ms, self._site.whereabouts.clock.now_ms())

    def _digest(self, asked: Requested, repository: str) -> tuple[Pulled, dict[str, str]]:
        """Pull a digest, which is never old: if it is here, what is known of it is not read.

        Nor is it read for a client whom the registry refuses, so that a refused pull costs what a served one costs.
        """
        point_ms, here = self._site.beside(self._point_ms, lambda: self._ask(asked))
        if here.status == 200:
            pulled = Pulled(outcome="served", here=here)
        elif not lets_in(here):
            pulled = Pulled(outcome="passed on", here=here)
        else:
            pulled = ManifestPull(self._site, asked, repository).run(here)
        return pulled, point_headers(point_ms, self._site.whereabouts.clock.now_ms())

    def _note(self, asked: Requested, pulled: Pulled, waited_ms: int) -> None:
        outcome = pulled.outcome
        self._metrics.put(
            {
                "ReadsServed": outcome == "served",
                "ReadsWaited": outcome == "waited",
                "ReadsFellThrough": outcome == "fell through",
                "ReadsStale": outcome == "stale",
            }
        )
        if outcome in ("waited", "fell through", "stale"):
            keys = {"repository": asked.repository, "reference": asked.reference, "outcome": outcome}
            self._logger.info("pull_not_served_at_once", extra={**keys, "waited_ms": waited_ms})

    def _at_once(self, asked: Requested) -> tuple[Answered, dict[str, str]]:
        """Ask the site's registry, and read the site's recovery point meanwhile. Raises ReadRefusal."""
        about, answer = self._site.beside(self._about_site, lambda: self._ask(asked))
        return answer, about

    def _ask(self, asked: Requested) -> Answered:
        """Ask the site's registry in the client's name. Raises ReadRefusal."""
        accept = {"manifest": media_types.ACCEPT, "referrers": media_types.OCI_INDEX}.get(asked.kind)
        reads = asked.kind != "blob"
        return self._site.registry.ask(asked.method, asked.target, asked.authorization, accept=accept, reads=reads)

    def _passed_on(self, asked: Requested, answer: Answered, about: Mapping[str, str]) -> dict[str, Any]:
        """Return what the registry said. For a blob the client is redirected to where it is, for a HEAD as well.

        A client that the registry refuses gets no headers `about` this site.
        Raises ReadRefusal where the registry redirects anything but a blob.
        """
        own_url = self._site.registry.base + asked.target
        if asked.kind == "blob" and (answer.location is not None or answer.status in (200, 206)):
            return redirected(answer.location or own_url, about)
        if 300 <= answer.status < 400:
            raise unavailable("this site's registry leads to another address, which is not followed")
        return passed_on(answer, own_url, about if _is_in(answer) else {})

    def _about_site(self) -> dict[str, str]:
        """Return the headers with the site's recovery point."""
        return point_headers(self._point_ms(), self._site.whereabouts.clock.now_ms())

    def _point_ms(self) -> int | None:
        """Read the site's recovery point (ms), as the last minute knew it; None: not known. A primary's is now.

        One that is read before a wait is still true after it, because the point only moves forward.
        """
        if self._site.promise.role == "primary":
            return self._site.whereabouts.clock.now_ms()
        try:
            return self._site.whereabouts.point_ms()
        except (BotoCoreError, ClientError):
            return None


def _is_in(here: Answered) -> bool:
    """Tell whether the registry let the client in: a blob's answer may be a redirect, or a part of it."""
    return lets_in(here) or here.location is not None or here.status == 206
