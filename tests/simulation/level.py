"""A calm day, a pause, and a comparison that overtakes events: what a site says of its service level, and what is so.

    python -m tests.simulation.level SEED

Prints as JSON, for each moment of the story, what the site says and what is so: the pushes by the client's own count,
and by what the site's registry holds. Nothing fails in this world, so that the two must be equal.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from tests.simulation.clients import Client
from tests.simulation.invariants import look
from tests.simulation.queues import Queue
from tests.simulation.shares import image
from tests.simulation.site import Site
from tests.simulation.world import Rules, World

from geosync.operating.service_level import level_now
from geosync.operating.site_facts import Objective
from geosync.sync_registry.sync_registry import SyncRegistry

OBJECTIVE = Objective()
QUICK, PAUSED, OVERTAKEN = 6, 4, 3
SETTLED_S = 70.0
"""A push is here or overdue by then, its measurement was sent, and a minute has passed."""
LAYER_BYTES = 2_000


class Story:
    """What happens in the world; `run` once."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed, Rules(verification_s=0, comparison_s=100_000))
        self.said: list[dict[str, Any]] = []
        self.so: list[dict[str, Any]] = []
        self._pushed: dict[tuple[str, str], tuple[float, str]] = {}

    def run(self) -> None:
        """Push what is seen at once, push during a pause, and push what a comparison brings before its events come."""
        self.world.run(self._tell)

    def _tell(self) -> None:
        world = self.world
        beta, sleep = world.sites["beta"], world.scheduler.sleep
        queue = Queue("beta-measurements", world.scheduler, world.scheduler.random)
        queue.visibility_s = 120.0
        world.commons.queues[queue.url] = queue
        beta.parameters["MEASUREMENTS_QUEUE_URL"] = queue.url
        for kind in ("sync", "reconcile"):
            beta.deploy(kind)
        sleep(150.0)  # the backfill of an empty registry
        self._compare(beta)

        for number in range(QUICK):
            self._push("quick/app", f"v{number}")
            sleep(5.0)
        sleep(SETTLED_S)
        self._compare(beta)

        SyncRegistry(beta.table).pause("the storage is moved")
        for number in range(PAUSED):
            self._push(f"paused/app-{number}", "v1")
        sleep(OBJECTIVE.lag_s + SETTLED_S)
        self._compare(beta)
        sleep(120.0)
        self._compare(beta)
        SyncRegistry(beta.table).resume()
        sleep(120.0 + SETTLED_S)
        self._compare(beta)

        self._overtake(beta)
        self._compare(beta)

    def _overtake(self, site: Site) -> None:
        """Push, have a comparison bring that at once, and only then let the events come; some come twice."""
        sleep = self.world.scheduler.sleep
        site.functions["log_cursor"].throttled = 1.0
        for number in range(OVERTAKEN):
            self._push(f"overtaken/app-{number}", "v1")
        sleep(3.0)
        SyncRegistry(site.table).catalogue.ask()
        site.functions["reconcile"].invoke({}, lambda _: None)
        sleep(OBJECTIVE.lag_s + SETTLED_S)
        site.functions["log_cursor"].throttled = 0.0
        site.queues["events"].twice = 0.5
        sleep(site.queues["events"].visibility_s + SETTLED_S)

    def _push(self, repository: str, tag: str) -> None:
        world = self.world
        client = Client(world.primary.server, world.scheduler, world.random)
        digest = client.push(repository, tag, [image(world.random.randbytes(LAYER_BYTES))])
        assert digest is not None
        self._pushed[repository, tag] = (world.scheduler.now_s, digest)

    def _compare(self, site: Site) -> None:
        now_s = self.world.scheduler.now_s
        status = look(site, self.world.primary, self.world.ledgers, now_s, counts=True).status
        level = level_now(status, OBJECTIVE)
        pushes = level.pushes
        self.said.append(
            {
                "measured": pushes.measured,
                "late": pushes.late,
                "overdue": pushes.overdue,
                "share_percent": level.share_percent,
                "bytes_are_enough": status.kept is not None and status.kept.total.get("bytes", 0) >= self._bytes(site),
                "requests_are_counted": status.kept is not None and status.kept.total.get("requests", 0) > 0,
                "minutes": level.minutes_recorded,
            }
        )
        self.so.append({**self._truth(site, now_s), "minutes": int(now_s) // 60})

    def _truth(self, site: Site, now_s: float) -> dict[str, Any]:
        """Count the pushes by when the site's registry got their digest; none of them is near the target."""
        arrived = {(move.repository, move.tag, move.digest): move.at_s for move in site.server.storage.moves}
        lags_s = [
            arrived[(*name, digest)] - at_s if (*name, digest) in arrived else None
            for name, (at_s, digest) in self._pushed.items()
        ]
        measured = [lag_s for lag_s in lags_s if lag_s is not None]
        assert all(abs(lag_s - OBJECTIVE.lag_s) > 20 for lag_s in measured), measured
        late = sum(lag_s > OBJECTIVE.lag_s for lag_s in measured)
        overdue = sum(
            lag_s is None and now_s - at_s > OBJECTIVE.lag_s
            for lag_s, (at_s, _) in zip(lags_s, self._pushed.values(), strict=True)
        )
        judged = len(measured) + overdue
        return {
            "measured": len(measured),
            "late": late,
            "overdue": overdue,
            "share_percent": 100 * (judged - late - overdue) / judged if judged else None,
            "bytes_are_enough": True,
            "requests_are_counted": True,
        }

    def _bytes(self, site: Site) -> int:
        return sum((name in site.server.storage.repositories) * LAYER_BYTES for name, _ in self._pushed)


def main() -> None:
    """Tell the story once."""
    story = Story(int(sys.argv[1]))
    story.run()
    print(json.dumps({"said": story.said, "so": story.so}))


if __name__ == "__main__":
    main()
