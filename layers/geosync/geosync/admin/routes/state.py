"""The site's own state: backfill, pause, resume."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import APIGatewayRestResolver

from geosync.admin.models.common import Done
from geosync.admin.models.state import Backfill, PauseRequest
from geosync.admin.routes.common import ACTS, answers
from geosync.admin.site import Site
from geosync.comparing.progress import progress_of
from geosync.operating.moments import moment

TAGS = ["this site"]
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


def add(app: APIGatewayRestResolver, site: Site) -> None:
    """Add the routes."""

    @app.get(
        "/api/v4/geo/backfill",
        summary="How far the walk through the primary's catalogue got",
        tags=TAGS,
        responses=answers(),
    )
    def show_backfill() -> Backfill:
        walk = site.registry.catalogue.latest()
        if walk is None:
            return NOT_BEGUN
        far = progress_of(site.registry, walk, now_ms=site.clock())
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

    @app.post("/api/v4/geo/pause", summary="Stop syncing; events are still marked", tags=TAGS, responses=answers(*ACTS))
    def pause(asked: PauseRequest) -> Done:
        site.must_be_secondary("pause")
        site.registry.pause(asked.reason)
        return Done(message=f"{site.name} is paused; what is being copied now is finished")

    @app.post("/api/v4/geo/resume", summary="Go on after a pause", tags=TAGS, responses=answers(*ACTS))
    def resume() -> Done:
        site.must_be_secondary("resume")
        if not site.registry.is_paused():
            return Done(message=f"{site.name} is not paused")
        site.registry.resume()
        return Done(message=f"{site.name} goes on: the sweep finds what is due within a minute")
