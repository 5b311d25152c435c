"""At a primary: its container repositories, and what each of its sites has of them."""

from __future__ import annotations

from pydantic import Field

from geosync.admin import cursors
from geosync.admin.common import PER_PAGE, AnswerModel, Cursor, PageModel, PerPage, page_info
from geosync.admin.resources.repositories import Prefix, Search, State, VerificationState
from geosync.admin.site import AdminSite
from geosync.operating import sites_repositories
from geosync.operating.documents import reported_repository_fields
from geosync.operating.repositories import RowFilter


class RepositoryAtSite(AnswerModel):
    """A repository at one site, as that site reported it."""

    site: str
    reported_at: str | None = Field(description="When the site reported it, by its clock; null: it has not yet.")
    known: bool | None = Field(description="Whether the site has a row for it; null: not reported yet.")
    state: State | None
    verification_state: VerificationState | None
    last_synced_at: str | None


class PrimaryRepository(AnswerModel):
    """A repository of the primary, and what each site that is expected has of it."""

    name: str
    sites: list[RepositoryAtSite]


class PrimaryRepositoryRoutes:
    """Lists the primary's repositories."""

    def __init__(self, site: AdminSite) -> None:
        self._site = site

    def list_repositories(
        self, prefix: Prefix = "", search: Search = "", per_page: PerPage = PER_PAGE, cursor: Cursor = None
    ) -> PageModel[PrimaryRepository]:
        """A page of repositories, by name. With `search` it may be short although there are more."""
        self._site.must_be_primary("what its sites have of each repository")
        name = f"primary repositories {prefix}"
        position = cursors.decode(name, cursor, str)
        wanted = RowFilter(prefix=prefix, search=search)
        found, last = sites_repositories.page(
            self._site.sync_registry, wanted, limit=per_page, after=position[0] if position else ""
        )
        return PageModel[PrimaryRepository](
            nodes=[PrimaryRepository(**reported_repository_fields(one)) for one in found],
            page_info=page_info(cursors.encode(name, last) if last is not None else None),
        )
