"""The site's own state: backfill, pause."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from geosync.admin.models.common import Answer, Request


class Backfill(Answer):
    """How far the latest walk through the primary's catalogue got: at first the backfill, then the comparison.

    `repositories` is what the catalogue named so far, all of it once `listed`; `tags` were listed in those compared,
    `found` of them were different, `settled` of those were copied and seen here.
    """

    state: Literal["not_begun", "running", "finished", "failed"]
    started_at: str | None
    finished_at: str | None = Field(description="When all that was found different was copied and seen.")
    listed: bool
    repositories: int
    compared: int
    tags: int
    found: int
    settled: int
    repositories_per_second: float
    seconds_left: float | None
    last: str | None = Field(description="The repository that the walk through the catalogue named last.")
    failure: str | None = Field(description="Why the catalogue cannot be read.")


class PauseRequest(Request):
    """Why the site is paused; shown with its status."""

    reason: Annotated[str, StringConstraints(max_length=255)] = ""
