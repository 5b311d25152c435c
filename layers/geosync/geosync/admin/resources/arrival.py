"""The answer whether an image is at this site, for pipelines with a token and no AWS account (`geosync wait`)."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field

from geosync.admin.common import AnswerModel
from geosync.admin.http import HttpRefusal
from geosync.admin.site import AdminSite
from geosync.clock import optional_moment
from geosync.errors import MalformedMessage
from geosync.intake.wakes import send_wakes
from geosync.messages.queues import Queue
from geosync.oci.deadline import Deadline
from geosync.oci.references import is_digest, is_repository
from geosync.operating import actions
from geosync.pair.selection import Selection
from geosync.reading.arrival import ArrivalState, AwaitedImage
from geosync.reading.arrival_look import AskedSite, look
from geosync.sync_registry.items import Reference

LATEST_MS = 253_402_300_799_000
RepositoryName = Annotated[str, Query(max_length=255, description="Its name at the primary.")]
Name = Annotated[str, Query(max_length=255, description="A tag or a digest.")]
Digest = Annotated[str | None, Query(max_length=255, description="The digest that the tag must have, or a later one.")]
Since = Annotated[
    int | None,
    Query(ge=0, le=LATEST_MS, description="asked_at of the first answer: the tag must be known since then. None: now."),
]


class ImageArrival(AnswerModel):
    """An image, and whether it is at this site. The state `waiting` may change; the two others do not.

    A tag is `here` when it was seen here, and is known to have been that at the primary at `asked_at` or later.
    """

    site: str
    repository: str
    reference: str
    state: ArrivalState
    digest: str | None = Field(description="What was seen here; null: it is not here.")
    seen_at: str | None
    reason: str | None = Field(description="Why it is not here; null: it is.")
    owed_since: str | None
    failure: str | None
    parked: bool
    announced: list[str] = Field(description="Digests that pushes named and that are not here yet.")
    asked_at: int = Field(description="To ask again, give it as `since` (milliseconds since the epoch).")


class ArrivalRoutes:
    """Answers whether an image has arrived."""

    def __init__(self, site: AdminSite) -> None:
        self._site = site

    def show_arrival(
        self, repository: RepositoryName, reference: Name = "latest", digest: Digest = None, since: Since = None
    ) -> ImageArrival:
        """Say whether an image is here."""
        site = self._site
        site.must_be_secondary("wait")
        asked_at = site.clock.now_ms() if since is None else since
        image = AwaitedImage(
            repository=_repository(repository),
            reference=_reference(reference),
            digest=_digest(digest),
            since_ms=asked_at,
        )
        found = look(self._asked_site(), image)
        if found.needs_look:
            self._ask_for_look(image)
        return ImageArrival(
            site=site.name,
            repository=repository,
            reference=reference,
            state=found.state,
            digest=found.digest,
            seen_at=optional_moment(found.seen_at_ms),
            reason=found.reason,
            owed_since=optional_moment(found.owed_since_ms),
            failure=found.failure,
            parked=found.parked,
            announced=sorted(found.announced),
            asked_at=asked_at,
        )

    def _ask_for_look(self, image: AwaitedImage) -> None:
        """Ask for a look at the primary, as a pull does, for a tag that is here and not owed.

        A worker of the work queue looks, so that no push waits behind it. Nothing is marked while no worker would look,
        because clients who pull do not get a tag that is owed.
        """
        site = self._site
        sync_registry = site.sync_registry.under(site.settings.primary_topic_arn)
        if sync_registry.is_paused() or sync_registry.holds():
            return
        sync_registry.ask(image.repository, image.reference)
        if not sync_registry.tell(image.repository):
            queue = Queue(site.sqs, site.settings.work_queue_url)
            send_wakes(queue, [image.repository], site.logger, reason="resync")

    def _asked_site(self) -> AskedSite:
        """The site as these settings know it: they have one of the four lists of its selection."""
        site, settings = self._site, self._site.settings
        return AskedSite(
            name=site.name,
            sync_registry=site.sync_registry.under(settings.primary_topic_arn),
            primary=settings.primary_topic_arn,
            deadline=Deadline(site.clock),
            selection=Selection.parse(include_repositories=settings.include_repositories),
            is_selection_known=not settings.selective_sync,
            events_waiting=site.events_waiting,
        )


def _repository(name: str) -> str:
    if not is_repository(name):
        raise HttpRefusal(400, "repository is not the name of a container repository")
    return name


def _reference(text: str) -> Reference:
    try:
        return actions.reference(text)
    except MalformedMessage as error:
        raise HttpRefusal(400, f"reference: it is {error}") from None


def _digest(text: str | None) -> str | None:
    if text is not None and not is_digest(text):
        raise HttpRefusal(400, "digest is not a digest")
    return text
