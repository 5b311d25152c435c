"""All routes of the admin API in one table: method, path, the function that answers, the documented answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from aws_lambda_powertools.event_handler import APIGatewayRestResolver

from geosync.admin.common import Problem
from geosync.admin.current import CurrentRequest
from geosync.admin.gate import METRICS, REPORT, SIGN_IN, SIGN_OUT, Gate
from geosync.admin.http import JSON
from geosync.admin.resources.arrival import ArrivalRoutes
from geosync.admin.resources.dead_letters import LETTERS, DeadLetterRoutes
from geosync.admin.resources.events import EventRoutes
from geosync.admin.resources.findings import FindingRoutes
from geosync.admin.resources.history import HistoryRoutes
from geosync.admin.resources.metrics import TEXTS, MetricsRoutes
from geosync.admin.resources.primary_repositories import PrimaryRepositoryRoutes
from geosync.admin.resources.repositories import RepositoryRoutes
from geosync.admin.resources.session import SessionRoutes
from geosync.admin.resources.site_routes import SiteRoutes
from geosync.admin.resources.sites import SITES
from geosync.admin.resources.state import StateRoutes
from geosync.admin.site import AdminSite

OPENAPI = "/api/v4/openapi.json"
GEO = "/api/v4/geo"
REPOSITORIES = f"{GEO}/container_repositories"
REPOSITORY = f"{REPOSITORIES}/<number>"
ANYWHERE = (400, 401, 500, 503)
SHOWS_ONE = (404,)
SHOWS_HISTORY = (404, 409)
ACTS = (403, 409, 413, 415)
ACTS_ON_ONE = (403, 404, 409, 413, 415)
"""Documented statuses of problems, by the kind of route."""
FAULT_TEXT = "A fault of the API's; its log says which."
_TEXTS = {
    400: "Not understood: the message names what is wrong.",
    401: "No valid token or session.",
    403: "The token may not do this, or the CSRF token is missing.",
    404: "There is no such thing here.",
    409: "This site cannot do this, or not now: the message says why.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    500: FAULT_TEXT,
    503: "AWS did not answer, or refused: nothing is half done, ask again.",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """A method and a path of the API. `problems` are the statuses documented beside the success (see `_answers`)."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    respond: Callable[..., Any]
    summary: str
    problems: tuple[int, ...] = ()
    success: int = 200
    """202 for an action that is accepted, and done soon."""
    texts: tuple[str, ...] = ()
    """The media types of a success that is text; none: it is JSON."""


def register(
    app: APIGatewayRestResolver, site: AdminSite, gate: Gate, current: CurrentRequest, describe: Callable[[], Any]
) -> None:
    """Add all routes; `describe` answers with the API's own description."""
    for tag, routes in _table(site, gate, current, describe):
        for route in routes:
            app.route(
                route.path,
                method=route.method,
                summary=route.summary,
                tags=[tag],
                responses=_answers(route),
                status_code=route.success,
            )(route.respond)


def _table(
    site: AdminSite, gate: Gate, current: CurrentRequest, describe: Callable[[], Any]
) -> Iterator[tuple[str, tuple[Operation, ...]]]:
    """The routes of each resource, under the name that the description gives the resource."""
    sites, kept = SiteRoutes(site, current), HistoryRoutes(site)
    yield (
        "sites",
        (
            Operation("GET", SITES, sites.list_sites, "The sites that this one knows"),
            Operation("GET", f"{SITES}/status", sites.list_statuses, "The status of each site"),
            Operation(
                "GET",
                METRICS,
                MetricsRoutes(site, current).show_metrics,
                "The status of each site as Prometheus metrics",
                texts=TEXTS,
            ),
            Operation("GET", f"{SITES}/<number>", sites.show_site, "One site", SHOWS_ONE),
            Operation("GET", f"{SITES}/<number>/status", sites.show_status, "The status of one site", SHOWS_ONE),
            Operation(
                "GET",
                f"{SITES}/<number>/history",
                kept.show_history,
                "What a site recorded of itself, in steps of time",
                SHOWS_HISTORY,
            ),
            Operation(
                "GET",
                f"{SITES}/<number>/service_level",
                kept.show_service_level,
                "The service level of a month",
                SHOWS_HISTORY,
            ),
            Operation("POST", SITES, sites.add_site, "Expect a site, or change one that is expected", ACTS),
            Operation("DELETE", f"{SITES}/<number>", sites.remove_site, "Stop expecting a site", ACTS_ON_ONE),
            Operation(
                "POST",
                REPORT,
                sites.take_report,
                "A secondary's status, by itself, with its own report token",
                (409, 413, 415),
                202,
            ),
        ),
    )
    repositories = RepositoryRoutes(site)
    yield (
        "container repositories",
        (
            Operation("GET", REPOSITORIES, repositories.list_repositories, "The rows of the sync registry, by name"),
            Operation(
                "GET",
                REPOSITORY,
                repositories.show_repository,
                "One row, and what is owed in its repository",
                SHOWS_ONE,
            ),
            Operation(
                "GET", f"{REPOSITORY}/tags", repositories.list_tags, "A repository's tags on both sides", SHOWS_ONE
            ),
            Operation(
                "POST",
                f"{REPOSITORY}/resync",
                repositories.resync_repository,
                "Make a repository, or some of its tags and digests, equal to the primary's now",
                ACTS_ON_ONE,
                202,
            ),
            Operation(
                "POST",
                f"{REPOSITORIES}/resync",
                repositories.resync_many,
                "Resync everything, or everything that has failed",
                ACTS,
                202,
            ),
            Operation(
                "POST",
                f"{REPOSITORY}/reverify",
                repositories.reverify_repository,
                "Verify a repository now",
                ACTS_ON_ONE,
                202,
            ),
            Operation(
                "POST",
                f"{REPOSITORIES}/reverify",
                repositories.reverify_many,
                "Verify everything that is synced, or everything whose verification failed",
                ACTS,
                202,
            ),
        ),
    )
    yield (
        "arrival",
        (
            Operation(
                "GET",
                f"{GEO}/arrival",
                ArrivalRoutes(site).show_arrival,
                "Whether an image is at this site, as the primary has it",
                (409,),
            ),
        ),
    )
    primary_repositories = PrimaryRepositoryRoutes(site)
    yield (
        "the primary's container repositories",
        (
            Operation(
                "GET",
                f"{GEO}/primary_repositories",
                primary_repositories.list_repositories,
                "At the primary: its container repositories, and what each site has of them",
                (409,),
            ),
        ),
    )
    findings = FindingRoutes(site, current)
    yield (
        "missing and extra",
        (
            Operation(
                "GET",
                f"{GEO}/findings",
                findings.list_findings,
                "Repositories with tags that are missing at the primary, or extra here",
            ),
            Operation(
                "GET", f"{REPOSITORY}/findings", findings.show_findings, "The findings of one repository", SHOWS_ONE
            ),
            Operation(
                "POST",
                f"{REPOSITORY}/adopt",
                findings.adopt,
                "Treat extra tags (none named: all) as Geosync's own: those that the primary does not have are removed",
                ACTS_ON_ONE,
                202,
            ),
            Operation(
                "POST",
                f"{REPOSITORY}/keep",
                findings.keep,
                "Cancel the removal of tags (none named: of all that are missing, or outside the selection): they stay",
                ACTS_ON_ONE,
                202,
            ),
            Operation(
                "POST",
                f"{REPOSITORY}/dismiss",
                findings.dismiss,
                "Hide a finding until a comparison finds something else; its tags are left as they are",
                ACTS_ON_ONE,
            ),
            Operation(
                "POST", f"{REPOSITORY}/undismiss", findings.undismiss, "List a dismissed finding again", ACTS_ON_ONE
            ),
            Operation(
                "GET", f"{GEO}/deletes", findings.show_deletes, "Whether deletes by comparison are suspended, and why"
            ),
            Operation(
                "POST",
                f"{GEO}/deletes/resume",
                findings.resume_deletes,
                "Accept that what is missing, or outside the selection, is to go: the next comparison removes it here",
                ACTS,
            ),
        ),
    )
    letters = DeadLetterRoutes(site, current)
    yield (
        "dead letters",
        (
            Operation(
                "GET", LETTERS, letters.list_letters, "The messages of the dead-letter queue, and why they are there"
            ),
            Operation("GET", f"{LETTERS}/<letter_id>", letters.show_letter, "One message, with its body", SHOWS_ONE),
            Operation(
                "POST",
                f"{LETTERS}/replay",
                letters.replay_letters,
                "Send messages back to where they came from",
                (403, 413, 415),
                202,
            ),
            Operation("POST", f"{LETTERS}/discard", letters.discard_letters, "Give messages up, with a reason", ACTS),
        ),
    )
    events = EventRoutes(site)
    yield (
        "events",
        (
            Operation("GET", f"{GEO}/events", events.list_events, "The geo events that this site took, newest first"),
            Operation("GET", f"{GEO}/audit_events", events.list_audit_events, "What operators did here, newest first"),
        ),
    )
    state = StateRoutes(site)
    yield (
        "this site",
        (
            Operation(
                "GET",
                f"{GEO}/backfill",
                state.show_backfill,
                "The progress of the walk through the primary's catalogue",
            ),
            Operation("POST", f"{GEO}/pause", state.pause, "Stop syncing; events are still marked", ACTS),
            Operation("POST", f"{GEO}/resume", state.resume, "Go on after a pause", ACTS),
        ),
    )
    session = SessionRoutes(site, gate, current)
    yield (
        "session",
        (
            Operation("POST", SIGN_IN, session.sign_in, "Exchange a token for a session", (413, 415)),
            Operation("POST", SIGN_OUT, session.sign_out, "End the session in this browser", (403,)),
            Operation("GET", "/api/v4/session", session.show_session, "The caller, and the right that the caller has"),
            Operation("GET", OPENAPI, describe, "This description"),
        ),
    )


def _answers(route: Operation) -> dict[int, Any]:
    """The documented answers: the success, the problems, and those that can come from every route."""
    done = "Done." if route.success == 200 else "Accepted; it is done soon."
    found: dict[int, Any] = {route.success: {"description": done}}
    if route.texts:
        found[route.success]["content"] = {media_type: {"schema": {"type": "string"}} for media_type in route.texts}
    for status in sorted({*route.problems, *ANYWHERE}):
        found[status] = {"description": _TEXTS[status], "content": {JSON: {"model": Problem}}}
    return found
