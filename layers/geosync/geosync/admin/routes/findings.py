"""What comparisons found missing at the primary or extra here: see it, adopt it, keep it, let deletes go on."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.openapi.params import Query

from geosync.admin import cursors
from geosync.admin.http import Refusal
from geosync.admin.models.common import Done, Enqueued, Page
from geosync.admin.models.findings import Deletes, Finding, TagsOf
from geosync.admin.routes.common import (
    ACTS,
    ACTS_ON_ONE,
    LOOKS,
    LOOKS_AT_ONE,
    PER_PAGE,
    REPOSITORY,
    Cursor,
    Id,
    PerPage,
    answers,
    page_info,
    taken_on,
)
from geosync.admin.site import Site
from geosync.oci.references import is_tag
from geosync.operating import deletions
from geosync.operating.deletions import Kind
from geosync.operating.moments import moment, optional_moment
from geosync.sync_registry.site import breaker, listing
from geosync.sync_registry.site.findings import Finding as Found

TAGS = ["missing and extra"]
MOST_NAMED = 5
"""Tags that the message of an action names."""


def add(app: APIGatewayRestResolver, site: Site) -> None:
    """Add the routes."""

    @app.get(
        "/api/v4/geo/findings",
        summary="Repositories with tags that are missing at the primary, or extra here",
        tags=TAGS,
        responses=answers(*LOOKS),
    )
    def list_findings(
        kind: Annotated[Kind | None, Query(description="Only those with missing, or with extra tags.")] = None,
        prefix: Annotated[str, Query(max_length=255, description="Only names that begin so.")] = "",
        per_page: PerPage = PER_PAGE,
        cursor: Cursor = None,
    ) -> Page[Finding]:
        position = cursors.decode(f"findings {prefix}", cursor, str)
        after = position[0] if position else ""
        found = deletions.page(site.store, kind=kind, prefix=prefix, after=after, limit=per_page)
        ids = listing.ids(site.store, (one.repository for one in found.found))
        end = cursors.encode(f"findings {prefix}", found.after) if found.after is not None else None
        nodes = [_finding(one, ids.get(one.repository)) for one in found.found]
        return Page[Finding](nodes=nodes, page_info=page_info(end))

    @app.get(
        f"{REPOSITORY}/findings", summary="The same of one repository", tags=TAGS, responses=answers(*LOOKS_AT_ONE)
    )
    def show_findings(number: Id) -> Finding:
        name = site.repository(number)
        return _finding(deletions.of(site.store, name) or Found(repository=name, found_at=0), number)

    @app.post(
        f"{REPOSITORY}/adopt",
        summary="Treat extra tags (none named: all) as Geosync's own: those that the primary has not are removed",
        tags=TAGS,
        **taken_on(*ACTS_ON_ONE),
    )
    def adopt(number: Id, asked: TagsOf) -> Enqueued:
        site.must_be_secondary("adopt")
        if site.settings.deletes == "keep":
            raise Refusal(409, f"{site.name} removes nothing (Deletes=keep): there is nothing to adopt for")
        name = site.repository(number)
        deletions.adopt(site.store, site.sqs, site.settings.work_queue_url, name, _tags(asked))
        what = _named(asked) or "what is extra"
        return Enqueued(message=f"{site.name} asks the primary for {what} of {name}, and removes what it does not have")

    @app.post(
        f"{REPOSITORY}/keep",
        summary="Cancel the deletion of tags (none named: of all that are missing): they stay, as extra ones",
        tags=TAGS,
        **taken_on(*ACTS_ON_ONE),
    )
    def keep(number: Id, asked: TagsOf) -> Enqueued:
        site.must_be_secondary("keep")
        name = site.repository(number)
        deletions.keep(site.store, site.sqs, site.settings.work_queue_url, name, _tags(asked))
        return Enqueued(message=f"{_named(asked) or 'What is missing'} of {name} stays at {site.name}")

    @app.get(
        "/api/v4/geo/deletes",
        summary="Whether deletes by comparison are suspended, and why",
        tags=TAGS,
        responses=answers(),
    )
    def show_deletes() -> Deletes:
        state = breaker.read(site.store)
        return Deletes(
            policy=site.settings.deletes,
            suspended=state.suspended,
            suspended_at=optional_moment(state.suspended_at),
            reason=state.reason,
        )

    @app.post(
        "/api/v4/geo/deletes/resume",
        summary="Say that what is missing is gone for good: the next comparison removes it here",
        tags=TAGS,
        responses=answers(*ACTS),
    )
    def resume_deletes() -> Done:
        site.must_be_secondary("deletes resume")
        if deletions.resume(site.store, now=site.clock()):
            return Done(message=f"{site.name}: the next comparison removes what was found missing until now")
        return Done(message=f"{site.name}: nothing was suspended; what was found missing needs no second comparison")


def _tags(asked: TagsOf) -> list[str]:
    if not all(map(is_tag, asked.tags)):
        raise Refusal(400, "tags: one of them is no tag")
    return asked.tags


def _named(asked: TagsOf) -> str:
    """The tags as a message names them, "" for all."""
    more = f" and {len(asked.tags) - MOST_NAMED} more" if len(asked.tags) > MOST_NAMED else ""
    return ", ".join(asked.tags[:MOST_NAMED]) + more


def _finding(found: Found, number: int | None) -> Finding:
    return Finding(
        id=number,
        name=found.repository,
        found_at=moment(found.found_at) if found.found_at else None,
        tags_count=found.of,
        missing_count=found.missing,
        missing=list(found.missing_names),
        extra_count=found.extra,
        extra=list(found.extra_names),
        gone=found.gone,
    )
