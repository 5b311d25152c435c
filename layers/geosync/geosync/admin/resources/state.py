"""A site's own state: backfill, pause, resume."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from geosync.admin.common import AnswerModel, Count, Done, Moment, RequestModel
from geosync.admin.http import HttpRefusal
from geosync.admin.site import AdminSite
from geosync.comparing.progress import progress_of
from geosync.errors import RoleChanging
from geosync.operating.comparison_report import NOT_BEGUN, comparison_report


class Backfill(AnswerModel):
    """The progress of the latest walk through the primary's catalogue: at first the backfill, then the comparison.

    `repositories` are to be compared: what the catalogue named so far, and what this site has besides; it is all of
    them once `listed`. `tags` were listed in those compared, `found` of them were different, `settled` of those were
    copied and seen here.
    """

    state: Literal["not_begun", "running", "settling", "finished", "failed"] = Field(
        description="settling: all is compared and copied; a second look has still to find that nothing is left."
    )
    started_at: Moment | None
    finished_at: Moment | None = Field(description="When everything that differed was copied and seen.")
    listed: bool
    repositories: Count
    compared: Count
    tags: Count
    found: Count
    settled: Count
    repositories_per_second: float
    seconds_left: float | None
    last: str | None = Field(description="The repository that the walk through the catalogue named last.")
    failure: str | None = Field(description="Why the catalogue cannot be read.")


class PauseRequest(RequestModel):
    """The reason of a pause; shown with the site's status."""

    reason: Annotated[str, StringConstraints(max_length=255)] = ""


class StateRoutes:
    """Shows the backfill, pauses and resumes the site."""

    def __init__(self, site: AdminSite) -> None:
        self._site = site

    def show_backfill(self) -> Backfill:
        """The progress of the latest walk through the primary's catalogue."""
        walk = self._site.sync_registry.catalogue.latest()
        if walk is None:
            return Backfill.model_validate(NOT_BEGUN)
        progress = progress_of(self._site.sync_registry, walk, now_ms=self._site.clock.now_ms())
        return Backfill.model_validate(comparison_report(walk, progress))

    def pause(self, asked: PauseRequest) -> Done:
        """Stop syncing; events are still marked."""
        self._site.must_be_secondary("pause")
        try:
            self._site.sync_registry.pause(asked.reason)
        except RoleChanging as changing:
            raise HttpRefusal(409, str(changing)) from None
        return Done(message=f"{self._site.name} is paused; what is being copied now is finished")

    def resume(self) -> Done:
        """End the pause."""
        self._site.must_be_secondary("resume")
        if not self._site.sync_registry.is_paused():
            return Done(message=f"{self._site.name} is not paused")
        try:
            self._site.sync_registry.resume()
        except RoleChanging as changing:
            raise HttpRefusal(409, str(changing)) from None
        return Done(message=f"{self._site.name} goes on: the sweep finds what is due within a minute")
