"""Container repositories: the list, one, its tags; resync."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.openapi.params import Query

from geosync.admin import cursors
from geosync.admin.http import Refusal
from geosync.admin.models.common import Enqueued, Page
from geosync.admin.models.repositories import (
    STATES,
    VERIFICATION_STATES,
    ContainerRepository,
    ContainerRepositoryDetail,
    ContainerRepositoryPage,
    Many,
    OwedReference,
    ResyncOne,
    State,
    Tag,
    VerificationState,
)
from geosync.admin.routes.common import (
    ACTS,
    ACTS_ON_ONE,
    LOOKS,
    LOOKS_AT_ONE,
    PER_PAGE,
    REPOSITORIES,
    REPOSITORY,
    Cursor,
    Id,
    PerPage,
    answers,
    page_info,
    taken_on,
)
from geosync.admin.site import Site
from geosync.errors import MalformedMessage
from geosync.oci.references import is_repository
from geosync.operating import actions, repositories
from geosync.operating.moments import moment, optional_moment
from geosync.operating.repositories import Detail, Filter
from geosync.operating.repositories import Tag as KnownTag
from geosync.sync_registry.items import ROW, Owed, Row
from geosync.sync_registry.table.changes import Key
from geosync.verifying import reverify

MOST_OWED_SHOWN = 20
TAGS = ["container repositories"]


def add(app: APIGatewayRestResolver, site: Site) -> None:
    """Add the routes."""

    @app.get(REPOSITORIES, summary="The rows of the sync registry, by name", tags=TAGS, responses=answers(*LOOKS))
    def list_repositories(  # noqa: PLR0917 - by name, from the query
        state: Annotated[State | None, Query(description="Only rows in this state.")] = None,
        verification_state: Annotated[VerificationState | None, Query()] = None,
        name: Annotated[str | None, Query(max_length=255, description="Only the repository of this name.")] = None,
        prefix: Annotated[str, Query(max_length=255, description="Only names that begin so.")] = "",
        per_page: PerPage = PER_PAGE,
        cursor: Cursor = None,
    ) -> ContainerRepositoryPage:
        wanted = Filter(
            prefix=prefix,
            state=str(STATES.index(state)) if state is not None else None,
            verification_state=(
                str(VERIFICATION_STATES.index(verification_state)) if verification_state is not None else None
            ),
        )
        if name is not None:
            return _named(site, name, wanted)
        position = cursors.decode(f"repositories {prefix}", cursor, str)
        found = repositories.page(site.store, wanted, limit=per_page, after=position[0] if position else "")
        end = cursors.encode(f"repositories {prefix}", found.cursor) if found.cursor is not None else None
        return ContainerRepositoryPage(
            nodes=[_repository(row) for row in found.rows],
            page_info=page_info(end),
            examined=found.examined,
            unreadable=[str(error) for error in found.corrupt],
        )

    @app.get(
        REPOSITORY, summary="One row, and what is owed in its repository", tags=TAGS, responses=answers(*LOOKS_AT_ONE)
    )
    def show_repository(number: Id) -> ContainerRepositoryDetail:
        name = site.repository(number)
        detail = repositories.detail(site.store, name, clock=site.clock)
        if detail is None:
            raise Refusal(404, f"{name} has no row any more")
        return _detail(detail)

    @app.get(
        f"{REPOSITORY}/tags", summary="A repository's tags on both sides", tags=TAGS, responses=answers(*LOOKS_AT_ONE)
    )
    def list_tags(number: Id, per_page: PerPage = PER_PAGE, cursor: Cursor = None) -> Page[Tag]:
        position = cursors.decode(f"tags {number}", cursor, str)
        name = site.repository(number)
        found, end = repositories.tags(site.store, name, limit=per_page, after=position[0] if position else "")
        now = site.clock()
        return Page[Tag](
            nodes=[_tag(tag, now) for tag in found],
            page_info=page_info(cursors.encode(f"tags {number}", end) if end is not None else None),
        )

    @app.post(
        f"{REPOSITORY}/resync",
        summary="Make a repository, or some of its tags and digests, equal to the primary's now",
        tags=TAGS,
        **taken_on(*ACTS_ON_ONE),
    )
    def resync_repository(number: Id, asked: ResyncOne) -> Enqueued:
        site.must_be_secondary("resync")
        name = site.repository(number)
        try:
            references = [actions.reference(text) for text in asked.references]
        except MalformedMessage as error:
            raise Refusal(400, f"references: one of them is {error}") from None
        actions.resync(site.sqs, site.settings.work_queue_url, name, references, keep=asked.keep)
        return Enqueued(message=f"Registry entry of {name} enqueued to be resynced", count=len(references) or None)

    @app.post(
        f"{REPOSITORIES}/resync",
        summary="Resync everything, or everything that has failed",
        tags=TAGS,
        **taken_on(*ACTS),
    )
    def resync_many(asked: Many) -> Enqueued:
        site.must_be_secondary("resync")
        if asked.scope == "failed":
            failed = actions.resync_failed(site.store, site.registry)
            return Enqueued(
                message=f"{failed.marked} failed references enqueued to be resynced",
                count=failed.marked,
                more=failed.more,
            )
        walk = actions.resync_all(site.store, site.sqs, site.settings.work_queue_url, now=site.clock())
        if walk is not None:
            since, done = moment(walk.started_at), walk.repositories
            return Enqueued(message=f"A resync of everything is under way since {since}", count=done)
        return Enqueued(message="All repositories of the primary's catalogue are enqueued to be resynced")

    @app.post(
        f"{REPOSITORY}/reverify",
        summary="Verify a repository now",
        tags=TAGS,
        **taken_on(*ACTS_ON_ONE),
    )
    def reverify_repository(number: Id) -> Enqueued:
        site.must_be_secondary("reverify")
        name = site.repository(number)
        reverify.reverify(site.sqs, site.settings.work_queue_url, name)
        return Enqueued(message=f"Registry entry of {name} enqueued to be reverified; what is owed is synced first")

    @app.post(
        f"{REPOSITORIES}/reverify",
        summary="Verify everything that is synced, or everything whose verification failed",
        tags=TAGS,
        **taken_on(*ACTS),
    )
    def reverify_many(asked: Many) -> Enqueued:
        site.must_be_secondary("reverify")
        reverify.reverify_all(site.sqs, site.settings.work_queue_url, asked.scope)
        what = "All synced repositories" if asked.scope == "all" else "All whose verification failed"
        return Enqueued(message=f"{what} are enqueued to be reverified")


def _named(site: Site, name: str, wanted: Filter) -> ContainerRepositoryPage:
    """The one row with this name, if the filters take it."""
    if not is_repository(name):
        raise Refusal(400, "name is not the name of a container repository")
    item = site.store.get(Key(name, ROW))
    row = Row.from_item(item) if item is not None else None
    nodes = [_repository(row)] if row is not None and wanted.takes(row) and name.startswith(wanted.prefix) else []
    return ContainerRepositoryPage(nodes=nodes, page_info=page_info(None), examined=int(row is not None), unreadable=[])


def _repository(row: Row) -> ContainerRepository:
    return ContainerRepository(
        id=row.id,
        container_repository_id=row.container_repository_id,
        model_record_id=row.container_repository_id,
        name=row.repository,
        state=STATES[int(row.state)],
        retry_count=row.retry_count,
        retry_at=optional_moment(row.retry_at),
        last_sync_failure=row.last_sync_failure,
        last_synced_at=optional_moment(row.last_synced_at),
        created_at=optional_moment(row.created_at),
        missing_on_primary=row.missing_on_primary,
        verification_state=VERIFICATION_STATES[int(row.verification_state)],
        verification_started_at=optional_moment(row.verification_started_at),
        verified_at=optional_moment(row.verified_at),
        verification_retry_at=optional_moment(row.verification_retry_at),
        verification_retry_count=row.verification_retry_count,
        verification_failure=row.verification_failure,
        verification_checksum=row.verification_checksum,
        verification_checksum_mismatched=row.verification_checksum_mismatched,
        checksum_mismatch=row.checksum_mismatch,
    )


def _detail(detail: Detail) -> ContainerRepositoryDetail:
    return ContainerRepositoryDetail(
        **dict(_repository(detail.row)),
        held=detail.row.leased(detail.at),
        owed_count=len(detail.owed),
        failed_count=detail.failed,
        more_owed=detail.more_owed,
        lag_seconds=_lag(detail.owed_since, detail.at),
        owed=[_owed(owed, detail.at) for owed in detail.owed[:MOST_OWED_SHOWN]],
    )


def _owed(owed: Owed, now: int) -> OwedReference:
    return OwedReference(
        reference=str(owed.reference),
        owed_since=moment(owed.owed_since),
        lag_seconds=_lag(owed.owed_since, now),
        attempts=owed.attempts,
        retry_at=optional_moment(owed.due),
        failure=owed.failure,
        parked=owed.parked,
    )


def _tag(tag: KnownTag, now: int) -> Tag:
    owed, seen = tag.owed, tag.seen
    return Tag(
        name=tag.name,
        state="synced" if owed is None else "failed" if owed.failure is not None else "pending",
        primary_digest=tag.primary_digest,
        secondary_digest=tag.secondary_digest,
        looked_at=optional_moment(seen.looked_at if seen is not None else None),
        seen_at=optional_moment(seen.seen_at if seen is not None else None),
        missing_since=optional_moment(seen.missing_since if seen is not None else None),
        owed_since=optional_moment(owed.owed_since if owed is not None else None),
        lag_seconds=_lag(owed.owed_since if owed is not None else None, now),
        attempts=owed.attempts if owed is not None else 0,
        retry_at=optional_moment(owed.due if owed is not None else None),
        failure=owed.failure if owed is not None else None,
        parked=owed is not None and owed.parked,
    )


def _lag(since: int | None, now: int) -> int:
    return max(now - since, 0) // 1000 if since is not None else 0
