"""Findings of comparisons: tags missing at the primary, outside the selection, or extra. And the breaker of deletes."""

from __future__ import annotations

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler.openapi.params import Query
from pydantic import Field

from geosync.admin import cursors
from geosync.admin.common import (
    PER_PAGE,
    AnswerModel,
    Cursor,
    Done,
    Enqueued,
    Id,
    PageModel,
    PerPage,
    Reason,
    References,
    RequestModel,
    page_info,
)
from geosync.admin.current import CurrentRequest
from geosync.admin.http import HttpRefusal
from geosync.admin.site import AdminSite
from geosync.oci.references import is_tag
from geosync.operating import deletions
from geosync.operating.deletions import FindingFilter, Kind
from geosync.operating.documents import deletes_fields, finding_fields
from geosync.sync_registry.site.findings import Dismissal, Finding

MOST_NAMED = 5
"""Tags that the message of an action names."""
WantedKind = Annotated[Kind | None, Query(description="Only those with tags of this kind.")]
Prefix = Annotated[str, Query(max_length=255, description="Only names that begin with this.")]
Dismissed = Annotated[bool, Query(description="true: only those that an operator dismissed; false: none of them.")]


class FindingModel(AnswerModel):
    """The findings of the last comparison of a repository: tags missing, outside the selection, or extra.

    Without those that an operator adopted or kept since.
    """

    id: int | None = Field(description="The container repository's, for adopt and keep.")
    name: str
    found_at: str | None = Field(description="null: nothing is missing, outside or extra.")
    tags_count: int = Field(
        description="Tags in the selection that Geosync put here, or saw equal. 0 where found_at is null: not known."
    )
    missing_count: int
    missing: list[str] = Field(description="At most 50 of them.")
    outside_count: int = Field(
        description="Tags that Geosync put here, or saw equal, and that left the selection. 0 where they stay."
    )
    outside: list[str] = Field(description="At most 50 of them.")
    extra_count: int
    extra: list[str] = Field(description="At most 50 of them.")
    gone: bool = Field(description="The primary does not know the repository at all.")
    dismissed_at: str | None = Field(description="null: it is not dismissed.")
    dismissed_by: str | None
    dismissed_because: str | None


class ToDismiss(RequestModel):
    """The reason, and which finding it is for: a later one is not dismissed."""

    reason: Reason
    found_at: str | None = Field(default=None, max_length=64, description="That of the finding; null: the current one.")


class TagsOf(RequestModel):
    """Tags of a repository; none named: all."""

    tags: References = Field(default=[])


class Deletes(AnswerModel):
    """The breaker: suspends deletes when so many tags would go that the primary, or the selection, is in doubt."""

    policy: Literal["propagate", "keep"] = Field(
        description="keep: this site removes no tag that the primary no longer has (the parameter Deletes)."
    )
    outside_selection: Literal["keep", "remove"] = Field(
        description="remove: this site removes its tags that left the selection (the parameter OutsideSelection)."
    )
    suspended: bool
    suspended_at: str | None
    reason: str | None
    doubted_at: str | None = Field(
        default=None,
        description="Since then nothing is removed by comparison, until the doubt is decided; null: no doubt.",
    )
    doubt: str | None = Field(default=None, description="What is too much to remove, unless events announced it.")


class FindingRoutes:
    """Shows findings and the breaker, and takes an operator's decisions about them."""

    def __init__(self, site: AdminSite, current: CurrentRequest) -> None:
        self._site = site
        self._current = current

    def list_findings(
        self,
        *,
        kind: WantedKind = None,
        prefix: Prefix = "",
        dismissed: Dismissed = False,
        per_page: PerPage = PER_PAGE,
        cursor: Cursor = None,
    ) -> PageModel[FindingModel]:
        """A page of repositories with findings."""
        sync_registry, list_name = self._site.sync_registry, f"findings {prefix}"
        position = cursors.decode(list_name, cursor, str)
        wanted = FindingFilter(prefix=prefix, kind=kind, dismissed=dismissed)
        found = deletions.page(sync_registry, wanted, limit=per_page, after=position[0] if position else "")
        ids = sync_registry.listing.ids(one.repository for one in found.found)
        end = cursors.encode(list_name, found.after) if found.after is not None else None
        nodes = [_finding(one, ids.get(one.repository)) for one in found.found]
        return PageModel[FindingModel](nodes=nodes, page_info=page_info(end))

    def show_findings(self, number: Id) -> FindingModel:
        """The findings of one repository."""
        name = self._site.repository(number)
        found = deletions.of(self._site.sync_registry, name)
        return _finding(found or Finding(repository=name, found_at=0), number)

    def adopt(self, number: Id, asked: TagsOf) -> Enqueued:
        """Treat extra tags as Geosync's own."""
        site = self._site
        site.must_be_secondary("adopt")
        if site.settings.deletes == "keep":
            raise HttpRefusal(
                409, f"{site.name} removes nothing that the primary lacks (Deletes=keep): there is nothing to adopt for"
            )
        name = site.repository(number)
        deletions.adopt(site.sync_registry, site.sqs, site.settings.work_queue_url, name, _tags(asked))
        what = _named(asked) or "what is extra"
        return Enqueued(message=f"{site.name} asks the primary for {what} of {name}, and removes what it does not have")

    def keep(self, number: Id, asked: TagsOf) -> Enqueued:
        """Cancel the removal of tags."""
        site = self._site
        site.must_be_secondary("keep")
        name = site.repository(number)
        deletions.keep(site.sync_registry, site.sqs, site.settings.work_queue_url, name, _tags(asked))
        return Enqueued(message=f"{_named(asked) or 'What is missing or outside'} of {name} stays at {site.name}")

    def dismiss(self, number: Id, asked: ToDismiss) -> Done:
        """Hide what was found in a repository, until a comparison finds something else."""
        site = self._site
        site.must_be_secondary("dismiss")
        name = site.repository(number)
        dismissal = Dismissal(at=site.clock.now_ms(), by=self._current.caller.name, reason=asked.reason)
        refusal = deletions.dismiss(site.sync_registry, name, dismissal, found_at=asked.found_at)
        if refusal is not None:
            raise HttpRefusal(409, refusal)
        return Done(message=f"What was found in {name} is hidden until a comparison finds something else")

    def undismiss(self, number: Id) -> Done:
        """List what was found in a repository again."""
        site = self._site
        site.must_be_secondary("undismiss")
        name = site.repository(number)
        refusal = deletions.undismiss(site.sync_registry, name)
        if refusal is not None:
            raise HttpRefusal(409, refusal)
        return Done(message=f"What was found in {name} is listed again")

    def show_deletes(self) -> Deletes:
        """The breaker."""
        site = self._site
        state, settings = site.sync_registry.breaker.state(), site.settings
        return Deletes(**deletes_fields(state, policy=settings.deletes, outside_selection=settings.outside_selection))

    def resume_deletes(self) -> Done:
        """Accept that what is missing, or outside the selection, is to go."""
        site = self._site
        site.must_be_secondary("deletes resume")
        if deletions.resume(site.sync_registry):
            return Done(message=f"{site.name}: the next comparison removes what was found until now")
        return Done(message=f"{site.name}: nothing was suspended; what was found needs no second comparison")


def _tags(asked: TagsOf) -> list[str]:
    if not all(map(is_tag, asked.tags)):
        raise HttpRefusal(400, "tags: one of them is no tag")
    return asked.tags


def _named(asked: TagsOf) -> str:
    """The tags as a message names them, "" for all."""
    more = f" and {len(asked.tags) - MOST_NAMED} more" if len(asked.tags) > MOST_NAMED else ""
    return ", ".join(asked.tags[:MOST_NAMED]) + more


def _finding(found: Finding, number: int | None) -> FindingModel:
    return FindingModel(**finding_fields(found, number))
