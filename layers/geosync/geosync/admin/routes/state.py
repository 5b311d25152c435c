"""The site's own state: backfill, pause, resume."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import APIGatewayRestResolver

from geosync.admin.models import Backfill, Done, PauseRequest, optional_moment
from geosync.admin.routes.common import ACTS, answers
from geosync.admin.site import Site
from geosync.replication import catalogue

TAGS = ["this site"]


def add(app: APIGatewayRestResolver, site: Site) -> None:
    """Add the routes."""

    @app.get(
        "/api/v4/geo/backfill",
        summary="How far the walk through the primary's catalogue got",
        tags=TAGS,
        responses=answers(),
    )
    def show_backfill() -> Backfill:
        walk = catalogue.latest(site.store)
        if walk is None:
            return Backfill(
                state="not_begun", started_at=None, finished_at=None, repositories=0, last=None, failure=None
            )
        ended = walk.finished_at is not None
        return Backfill(
            state="failed" if walk.failure is not None else "finished" if ended else "running",
            started_at=optional_moment(walk.started_at),
            finished_at=optional_moment(walk.finished_at),
            repositories=walk.repositories,
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
