"""What the routes share: paths, the parameters of a page, the pages' ends, the answers that are documented."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from geosync.admin.http import JSON
from geosync.admin.models.common import PageInfo, Problem

PER_PAGE = 20
MOST_PER_PAGE = 100
REPOSITORIES = "/api/v4/geo/container_repositories"
REPOSITORY = f"{REPOSITORIES}/<number>"

PerPage = Annotated[int, Query(ge=1, le=MOST_PER_PAGE, description="Entries of a page.")]
Cursor = Annotated[str | None, Query(max_length=2048, description="page_info.end_cursor of the page before.")]
Id = Annotated[int, Path(ge=1, le=2**53 - 1)]

_TEXTS = {
    400: "Not understood: the message names what is wrong.",
    401: "No valid token or session.",
    403: "The token may not do this, or the CSRF token is missing.",
    404: "There is no such thing here.",
    409: "This site cannot do this, or not now: the message says why.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    500: "A fault of the API's; its log says which.",
    503: "AWS did not answer, or refused: nothing is half done, ask again.",
}


def answers(*problems: int, success: int = 200) -> dict[int, Any]:
    """The documented answers: the success, `problems`, and 401, 500 and 503, which can come from every route."""
    found: dict[int, Any] = {success: {"description": "Done." if success == 200 else "Taken on; it is done soon."}}
    for status in sorted({*problems, 401, 500, 503}):
        found[status] = {"description": _TEXTS[status], "content": {JSON: {"model": Problem}}}
    return found


def taken_on(*problems: int) -> dict[str, Any]:
    """How a route is added whose action is done soon, not at once: 202, and the answers that are documented."""
    return {"responses": answers(*problems, success=202), "status_code": 202}


LOOKS = (400,)
LOOKS_AT_ONE = (400, 404)
ACTS = (400, 403, 409, 413, 415)
ACTS_ON_ONE = (400, 403, 404, 409, 413, 415)


def page_info(end_cursor: str | None) -> PageInfo:
    """The end of a page."""
    return PageInfo(has_next_page=end_cursor is not None, end_cursor=end_cursor)
