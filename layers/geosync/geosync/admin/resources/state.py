"""A site's own state: backfill, pause, resume."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from geosync.admin.common import AnswerModel, Done, RequestModel
from geosync.admin.site import AdminSite
from geosync.comparing.progress import Progress, progress_of
from geosync.operating.moments import moment
from geosync.sync_registry.site.catalogue import Walk


class Backfill(AnswerModel):
    """The progress of the latest walk through the primary's catalogue: at first the backfill, then the comparison.

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


class PauseRequest(RequestModel):
    """The reason of a pause; shown with the site's status."""

    reason: Annotated[str, StringConstraints(max_length=255)] = ""


NOT_BEGUN = Backfill(
    state="not_begun",
    started_at=None,
    finished_at=None,
    listed=False,
    repositories=0,
    compared=0,
    tags=0,
    found=0,
    settled=0,
    repositories_per_second=0,
    seconds_left=None,
    last=None,
    failure=None,
)


class StateRoutes:
    """Shows the backfill, pauses and resumes the site."""

    def __init__(self, site: AdminSite) -> None:
        self._site = site

    def show_backfill(self) -> Backfill:
        """The progress of the latest walk through the primary's catalogue."""
        walk = self._site.sync_registry.catalogue.latest()
        if walk is None:
            return NOT_BEGUN
        return _backfill(walk, progress_of(self._site.sync_registry, walk, now_ms=self._site.clock.now_ms()))

    def pause(self, asked: PauseRequest) -> Done:
        """Stop syncing; events are still marked."""
        self._site.must_be_secondary("pause")
        self._site.sync_registry.pause(asked.reason)
        return Done(message=f"{self._site.name} is paused; what is being copied now is finished")

    def resume(self) -> Done:
        """End the pause."""
        self._site.must_be_secondary("resume")
        if not self._site.sync_registry.is_paused():
            return Done(message=f"{self._site.name} is not paused")
        self._site.sync_registry.resume()
        return Done(message=f"{self._site.name} goes on: the sweep finds what is due within a minute")


def _backfill(walk: Walk, far: Progress) -> Backfill:
    return Backfill(
        state="failed" if walk.failure is not None else "finished" if far.complete else "running",
        started_at=moment(far.started_at),
        finished_at=moment(far.at) if far.complete else None,
        listed=far.listed,
        repositories=far.repositories,
        compared=far.compared,
        tags=far.tags,
        found=far.found,
        settled=far.settled,
        repositories_per_second=round(far.rate, 3),
        seconds_left=round(far.seconds_left, 1) if far.seconds_left is not None else None,
        last=walk.last,
        failure=walk.failure,
    )
