"""Parts that the resources share: the parameters and the end of a page, base models of requests and answers.

Models have GitLab's field names where GitLab has them, and the same style where it has none. Moments are RFC 3339 text
in UTC (`…_at`). Fields named `…_timestamp`, GitLab's own, are whole seconds since the epoch; `…_seconds` are durations.
A null field is not known, which is not the same as 0.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Generic, TypeVar

from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from geosync.admin import cursors

PER_PAGE = 20
MOST_PER_PAGE = 100
PerPage = Annotated[int, Query(ge=1, le=MOST_PER_PAGE, description="Entries of a page.")]
Cursor = Annotated[
    str | None, Query(max_length=cursors.MOST_CHARACTERS, description="page_info.end_cursor of the page before.")
]
MOST_COUNT = 2**53 - 1
"""The largest integer that JavaScript holds exactly."""
Id = Annotated[int, Path(ge=1, le=MOST_COUNT)]

Node = TypeVar("Node")

MOST_REFERENCES = 500
ReferenceName = Annotated[str, StringConstraints(min_length=1, max_length=255)]
References = Annotated[list[ReferenceName], Field(max_length=MOST_REFERENCES)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"\S")]
SiteName = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$")]

_WRITTEN_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{3}([0-9]{3})?)?Z")


def _checked_moment(text: str) -> str:
    """Return the text of a moment. Raises ValueError for any other text, also for 30 February."""
    if not _WRITTEN_MOMENT.fullmatch(text):
        raise ValueError("must be a moment in UTC, as 2026-11-24T05:00:00.000Z")
    datetime.fromisoformat(text)
    return text


def _checked_count(number: int) -> int:
    """Return a count. Raises ValueError for one that cannot be: below 0, or too large for JavaScript and a float."""
    if not 0 <= number <= MOST_COUNT:
        raise ValueError(f"must be from 0 to {MOST_COUNT}")
    return number


Count = Annotated[int, AfterValidator(_checked_count)]
Moment = Annotated[str, AfterValidator(_checked_moment)]

REPORTED = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)
"""Of what a site reports: one of a newer version may say more. JSON has no NaN and no infinity."""


class AnswerModel(BaseModel):
    """An answer; it has exactly the documented fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RequestModel(BaseModel):
    """A request's body. A field that is not known is refused by its name."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Problem(AnswerModel):
    """An answer that is not a success. The message says what is wrong, and what to do."""

    message: str


class PageInfo(AnswerModel):
    """The end of a page: `cursor=end_cursor` asks for the next one. A page may be short or empty before the last."""

    has_next_page: bool
    end_cursor: str | None


class PageModel(AnswerModel, Generic[Node]):
    """One page of a list."""

    nodes: list[Node]
    page_info: PageInfo


class Done(AnswerModel):
    """An action that was carried out."""

    message: str


class Enqueued(AnswerModel):
    """An action that was accepted. `count` is null where it is not known yet; `more`: call again for the rest."""

    message: str
    count: int | None = None
    more: bool = False


def page_info(end_cursor: str | None) -> PageInfo:
    """The end of a page."""
    return PageInfo(has_next_page=end_cursor is not None, end_cursor=end_cursor)
