"""What comparisons found missing at the primary or extra here: see it, adopt it, keep it, let deletes go on."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.openapi.params import Query

from geosync import deletions
from geosync.admin import cursors
from geosync.admin.http import Refusal
from geosync.admin.models import Deletes, Done, Enqueued, Finding, Page, TagsOf
from geosync.admin.routes.common import (
    ACTS,
    ACTS_ON_ONE,
    LOOKS,
    LOOKS_AT_ONE,
    PER_PAGE,
    Cursor,
    Id,
    PerPage,
    answers,
    page_info,
)
from geosync.admin.site import Site
from geosync.moments import moment, optional_moment
from geosync.oci.references import is_tag
from geosync.sync_registry import breaker, findings
from geosync.sync_registry.findings import Finding as Found

ONE = "/api/v4/geo/container_repositories/<number>"
TAGS = ["missing and extra"]


def add(app: APIGatewayRestResolver, site: Site) -> None:
    """Add the routes."""

    @app.get(
        "/api/v4/geo/findings",
        summary="Repositories with tags that are missing at the primary, or extra here",
        tags=TAGS,
        responses=answers(*LOOKS),
    )
    def list_findings(
        prefix: Annotated[str, Query(max_length=255, description="Only names that begin so.")] = "",
        per_page: PerPage = PER_PAGE,
        cursor: Cursor = None,
    ) -> Page[Finding]:
        kind = f"findings {prefix}"
        position = cursors.decode(kind, cursor, str)
        found = findings.page(site.store, prefix=prefix, after=position[0] if position else "", limit=per_page + 1)
        end = cursors.encode(kind, found[per_page - 1].repository) if len(found) > per_page else None
        return Page[Finding](nodes=[_finding(one) for one in found[:per_page]], page_info=page_info(end))

    @app.get(f"{ONE}/findings", summary="The same of one repository", tags=TAGS, responses=answers(*LOOKS_AT_ONE))
    def show_findings(number: Id) -> Finding:
        name = site.repository(number)
        return _finding(findings.get(site.store, name) or Found(repository=name, found_at=0))

    @app.post(
        f"{ONE}/adopt",
        summary="Treat extra tags (none named: all) as Geosync's own: those that the primary has not are removed",
        tags=TAGS,
        responses=answers(*ACTS_ON_ONE, success=202),
        status_code=202,
    )
    def adopt(number: Id, asked: TagsOf) -> Enqueued:
        site.must_be_secondary("adopt")
        if site.settings.deletes == "keep":
            raise Refusal(409, f"{site.name} removes nothing (Deletes=keep): there is nothing to adopt for")
        name = site.repository(number)
        deletions.adopt(site.sqs, site.settings.work_queue_url, name, _tags(asked))
        return Enqueued(message=f"{site.name} asks the primary for what is extra in {name}, and removes the rest")

    @app.post(
        f"{ONE}/keep",
        summary="Cancel the deletion of tags (none named: of all that are missing): they stay, as extra ones",
        tags=TAGS,
        responses=answers(*ACTS_ON_ONE, success=202),
        status_code=202,
    )
    def keep(number: Id, asked: TagsOf) -> Enqueued:
        site.must_be_secondary("keep")
        name = site.repository(number)
        deletions.keep(site.sqs, site.settings.work_queue_url, name, _tags(asked))
        return Enqueued(message=f"What is missing of {name} stays at {site.name}")

    @app.get(
        "/api/v4/geo/deletes",
        summary="Whether deletes by comparison are suspended, and why",
        tags=TAGS,
        responses=answers(),
    )
    def show_deletes() -> Deletes:
        state = breaker.read(site.store)
        return Deletes(suspended=state.suspended, suspended_at=optional_moment(state.suspended_at), reason=state.reason)

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


def _finding(found: Found) -> Finding:
    return Finding(
        name=found.repository,
        found_at=moment(found.found_at) if found.found_at else None,
        tags_count=found.of,
        missing_count=found.missing,
        missing=list(found.missing_names),
        extra_count=found.extra,
        extra=list(found.extra_names),
        gone=found.gone,
    )
