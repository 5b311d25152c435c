"""Container repositories: the list, one of them, its tags; resync and reverify."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field

from geosync.admin import cursors
from geosync.admin.common import (
    PER_PAGE,
    AnswerModel,
    Cursor,
    Enqueued,
    Id,
    PageModel,
    PerPage,
    References,
    RequestModel,
    page_info,
)
from geosync.admin.http import HttpRefusal
from geosync.admin.site import AdminSite
from geosync.clock import moment
from geosync.errors import MalformedMessage
from geosync.oci.references import is_repository
from geosync.operating import actions, documents, repositories, sorted_repositories
from geosync.operating.repositories import RowDetail, RowFilter
from geosync.operating.sorted_repositories import SORTED, Order, OrderBy
from geosync.sync_registry.items import KEEP, Row
from geosync.verifying import reverify

MOST_OWED_SHOWN = 20
State = Literal["pending", "started", "synced", "failed"]
VerificationState = Literal["pending", "started", "succeeded", "failed", "disabled"]


class ContainerRepository(AnswerModel):
    """A row of the sync registry. `name` is the repository's at the primary."""

    id: int | None
    container_repository_id: int | None
    model_record_id: int | None
    name: str
    state: State
    retry_count: int
    retry_at: str | None
    last_sync_failure: str | None
    last_synced_at: str | None
    created_at: str | None
    missing_on_primary: bool
    verification_state: VerificationState
    verification_started_at: str | None
    verified_at: str | None
    verification_retry_at: str | None
    verification_retry_count: int
    verification_failure: str | None
    verification_checksum: str | None
    verification_checksum_mismatched: str | None
    checksum_mismatch: bool
    measured_tags_count: int | None = Field(
        description="Tags here, as the last verification that found the repository whole counted them. null: none did."
    )
    measured_total_size: int | None = Field(
        description=(
            "Bytes of the images of these tags: images with the same digest count once, a layer that several images"
            " share counts in each. null: not known of one of them."
        )
    )
    measured_at: str | None = Field(description="When that verification ended.")


class ContainerRepositoryPage(PageModel[ContainerRepository]):
    """Rows. By name and with a filter, a page reads `examined` rows and may be short although there are more."""

    examined: int
    total_count: int | None = Field(
        default=None, description="Rows that fit; null where they were not counted: in a list by name."
    )
    unreadable: list[str] = Field(description="Rows that cannot be read, with what is wrong with them.")


class OwedReferenceModel(AnswerModel):
    """A tag, a digest or (`*`) the whole repository that is owed. `retry_at` is null while it is parked."""

    reference: str
    owed_since: str
    lag_seconds: int
    attempts: int
    retry_at: str | None
    failure: str | None
    parked: bool


class ContainerRepositoryDetail(ContainerRepository):
    """A row, and what is owed in its repository: the oldest first, at most 20."""

    held: bool = Field(description="Whether somebody works on it now.")
    owed_count: int
    failed_count: int
    more_owed: bool = Field(description="There is more owed than the counts say.")
    tags_count: int = Field(description="Tags that were seen here, or are owed by name.")
    more_tags: bool = Field(description="There are more than were counted.")
    total_size: int | None = Field(
        description=(
            "Bytes of the images that these tags have here now, counted as in `measured_total_size`. null: not known of"
            " one of them, or there are more tags than were counted."
        )
    )
    lag_seconds: int = Field(description="For how long the oldest reference is owed; 0: nothing is.")
    owed: list[OwedReferenceModel]


class TagModel(AnswerModel):
    """A tag on both sides, as far as this site knows without asking either registry. A null digest is not known.

    `pending`: it is owed, `failed`: it is owed and has failed, `synced`: it was seen here as the primary has it, or
    had it until `missing_since`.
    """

    name: str
    state: Literal["pending", "synced", "failed"]
    primary_digest: str | None
    secondary_digest: str | None
    total_size: int | None = Field(
        description=(
            "Bytes of the image seen here, config and layers as its manifest says them; of an index the sum over its"
            " children. null: not known, because no copy by this version has read all of it."
            " A size that is known of one tag is given for all tags of the same digest in the same answer."
        )
    )
    looked_at: str | None = Field(description="When the primary was last asked for it.")
    seen_at: str | None = Field(description="When it was last seen here.")
    missing_since: str | None = Field(description="When a comparison first found that the primary no longer has it.")
    owed_since: str | None
    lag_seconds: int
    attempts: int
    retry_at: str | None
    failure: str | None
    parked: bool


class ResyncOne(RequestModel):
    """References to make equal to the primary's; none named: the whole repository. `keep`: remove no tag meanwhile."""

    references: References = Field(default=[])
    keep: bool = False


class Many(RequestModel):
    """`failed`: what has failed (resync: references, parked ones too; reverify: repositories). `all`: everything."""

    scope: Literal["all", "failed"]


WantedState = Annotated[State | None, Query(description="Only rows in this state.")]
WantedVerification = Annotated[VerificationState | None, Query()]
Name = Annotated[str | None, Query(max_length=255, description="Only the repository of this name.")]
Prefix = Annotated[str, Query(max_length=255, description="Only names that begin with this.")]
Search = Annotated[str, Query(max_length=255, description="Only names that contain this, in any case.")]
Parked = Annotated[bool, Query(description="Only repositories in which a reference is parked.")]
WantedOrder = Annotated[
    OrderBy,
    Query(
        description=(
            "state: failed, pending, started, synced. Any order but by ascending name reads every row that may fit,"
            f" and is refused where these are more than {SORTED}. What is not known comes before 0."
        )
    ),
]
Direction = Annotated[Literal["asc", "desc"], Query(description="Of the whole list, names included.")]


class RepositoryRoutes:
    """Shows container repositories, and has them resynced and verified."""

    def __init__(self, site: AdminSite) -> None:
        self._site = site

    def list_repositories(  # noqa: PLR0913 - the parameters of its query
        self,
        *,
        state: WantedState = None,
        verification_state: WantedVerification = None,
        name: Name = None,
        prefix: Prefix = "",
        search: Search = "",
        parked: Parked = False,
        order_by: WantedOrder = "name",
        sort: Direction = "asc",
        per_page: PerPage = PER_PAGE,
        cursor: Cursor = None,
    ) -> ContainerRepositoryPage:
        """A page of rows."""
        wanted = replace(_filter(state, verification_state), prefix=prefix, search=search, parked=parked)
        if name is not None:
            return _named(self._site, name, wanted)
        order = Order(by=order_by, descending=sort == "desc")
        if not order.is_by_name:
            return _sorted(self._site, wanted, order, per_page=per_page, cursor=cursor)
        list_name = f"repositories {prefix}"
        position = cursors.decode(list_name, cursor, str)
        after = position[0] if position else ""
        found = repositories.page(self._site.sync_registry, wanted, limit=per_page, after=after)
        end = cursors.encode(list_name, found.cursor) if found.cursor is not None else None
        return ContainerRepositoryPage(
            nodes=[_repository(row) for row in found.rows],
            page_info=page_info(end),
            examined=found.examined,
            unreadable=[str(error) for error in found.corrupt],
        )

    def show_repository(self, number: Id) -> ContainerRepositoryDetail:
        """One row, and what is owed in its repository."""
        name = self._site.repository(number)
        detail = repositories.detail(self._site.sync_registry, name, clock=self._site.clock)
        if detail is None:
            raise HttpRefusal(404, f"{name} no longer has a row")
        return _detail(detail)

    def list_tags(self, number: Id, per_page: PerPage = PER_PAGE, cursor: Cursor = None) -> PageModel[TagModel]:
        """A page of a repository's tags."""
        list_name = f"tags {number}"
        position = cursors.decode(list_name, cursor, str)
        name, after = self._site.repository(number), position[0] if position else ""
        found, end = repositories.tags(self._site.sync_registry, name, limit=per_page, after=after)
        now_ms = self._site.clock.now_ms()
        return PageModel[TagModel](
            nodes=[TagModel(**documents.tag_fields(tag, now_ms)) for tag in found],
            page_info=page_info(cursors.encode(list_name, end) if end is not None else None),
        )

    def resync_repository(self, number: Id, asked: ResyncOne) -> Enqueued:
        """Make a repository, or some of its tags and digests, equal to the primary's."""
        site = self._site
        site.must_be_secondary("resync")
        name = site.repository(number)
        try:
            references = [actions.reference(text) for text in asked.references]
        except MalformedMessage as error:
            raise HttpRefusal(400, f"references: one of them is {error}") from None
        if_absent = KEEP if asked.keep else None
        actions.resync(site.sqs, site.settings.work_queue_url, name, references, if_absent=if_absent)
        return Enqueued(message=f"Registry entry of {name} enqueued to be resynced", count=len(references) or None)

    def resync_many(self, asked: Many) -> Enqueued:
        """Resync everything, or everything that has failed."""
        self._site.must_be_secondary("resync")
        return self._resync_failed() if asked.scope == "failed" else self._resync_all()

    def reverify_repository(self, number: Id) -> Enqueued:
        """Verify a repository."""
        site = self._site
        site.must_be_secondary("reverify")
        name = site.repository(number)
        reverify.reverify(site.sqs, site.settings.work_queue_url, name)
        return Enqueued(message=f"Registry entry of {name} enqueued to be reverified; what is owed is synced first")

    def reverify_many(self, asked: Many) -> Enqueued:
        """Verify everything that is synced, or everything whose verification failed."""
        self._site.must_be_secondary("reverify")
        reverify.reverify_all(self._site.sqs, self._site.settings.work_queue_url, asked.scope)
        what = "All synced repositories" if asked.scope == "all" else "All whose verification failed"
        return Enqueued(message=f"{what} are enqueued to be reverified")

    def _resync_failed(self) -> Enqueued:
        failed = actions.resync_failed(self._site.sync_registry)
        message = f"{failed.marked} failed references enqueued to be resynced"
        return Enqueued(message=message, count=failed.marked, more=failed.more)

    def _resync_all(self) -> Enqueued:
        site = self._site
        walk = actions.resync_all(
            site.sync_registry, site.sqs, site.settings.work_queue_url, now_ms=site.clock.now_ms()
        )
        if walk is None:
            return Enqueued(message="All repositories of the primary's catalogue are enqueued to be resynced")
        message = f"A resync of everything is under way since {moment(walk.started_at)}"
        return Enqueued(message=message, count=walk.repositories)


def _filter(state: State | None, verification_state: VerificationState | None) -> RowFilter:
    return RowFilter(
        state=str(documents.STATES.index(state)) if state is not None else None,
        verification_state=(
            str(documents.VERIFICATION_STATES.index(verification_state)) if verification_state is not None else None
        ),
    )


def _named(site: AdminSite, name: str, wanted: RowFilter) -> ContainerRepositoryPage:
    """The one row with this name, if the filters take it."""
    if not is_repository(name):
        raise HttpRefusal(400, "name is not the name of a container repository")
    row = site.sync_registry.row(name)
    fits_parked = not wanted.parked or name in site.sync_registry.owed_index.parked_names()
    is_taken = row is not None and fits_parked and wanted.takes(row) and wanted.takes_name(name)
    nodes = [_repository(row)] if row is not None and is_taken else []
    return ContainerRepositoryPage(
        nodes=nodes,
        page_info=page_info(None),
        examined=int(row is not None),
        total_count=len(nodes),
        unreadable=[],
    )


def _sorted(
    site: AdminSite, wanted: RowFilter, order: Order, *, per_page: int, cursor: str | None
) -> ContainerRepositoryPage:
    """A page in another order than by ascending name."""
    list_name = f"repositories {order.by} {order.descending}"
    position = cursors.decode(list_name, cursor, int, str)
    after = (position[0], position[1]) if position else None
    found = sorted_repositories.page(site.sync_registry, wanted, order, limit=per_page, after=after)
    if found is None:
        message = (
            f"more than {SORTED} container repositories may fit, and this order reads them all:"
            " narrow the list (search, prefix, state), or take it by name"
        )
        raise HttpRefusal(400, message)
    return ContainerRepositoryPage(
        nodes=[_repository(row) for row in found.rows],
        page_info=page_info(cursors.encode(list_name, *found.cursor) if found.cursor is not None else None),
        examined=found.examined,
        total_count=found.total,
        unreadable=[str(error) for error in found.corrupt],
    )


def _repository(row: Row) -> ContainerRepository:
    return ContainerRepository(**documents.repository_fields(row))


def _detail(detail: RowDetail) -> ContainerRepositoryDetail:
    return ContainerRepositoryDetail(
        **documents.repository_detail_fields(detail),
        owed=[OwedReferenceModel(**documents.owed_fields(one, detail.at)) for one in detail.owed[:MOST_OWED_SHOWN]],
    )
