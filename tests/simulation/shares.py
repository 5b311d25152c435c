"""The lag of pushes in one namespace beside many slow images in another.

    python -m tests.simulation.shares PERCENT

Prints as JSON the lags of the pushes in the quiet namespace (simulated seconds) before the slow images and beside them,
and how many of the slow images were not there yet at the end. PERCENT is MaxNamespaceShare. Each queue has two slots,
as in every world of the simulation.
"""

from __future__ import annotations

import json
import sys

from tests.simulation.clients import CONFIG, IMAGE, LAYER, Client, Image, descriptor
from tests.simulation.site import Site
from tests.simulation.world import Rules, World

SLOW, LAYER_BYTES = 8, 2_000_000
"""Images, and the size of the layer of each: it takes 200 s at the wire's 20,000 bytes a second, in and out again."""
PUSHES, EVERY_S = 8, 30.0
LATEST_S = 4_000.0


def image(layer: bytes) -> Image:
    """Make an image of one layer."""
    config = b"{}"
    document = {
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": descriptor(CONFIG, config),
        "layers": [descriptor(LAYER, layer)],
    }
    return Image(json.dumps(document).encode(), (config, layer))


class Story:
    """What happens in the world; `run` once."""

    def __init__(self, percent: str) -> None:
        self.world = World(1, Rules(verification_s=0, comparison_s=100_000))
        self._percent = percent
        self.before: list[float] = []
        self.beside: list[float] = []
        self.slow_left = 0

    def run(self) -> None:
        """Push in the quiet namespace, then beside the slow images of the other one."""
        self.world.run(self._tell)

    def _tell(self) -> None:
        world = self.world
        beta = world.sites["beta"]
        beta.parameters |= {
            "LIVE_CONCURRENCY": "2",
            "WORK_CONCURRENCY": "2",
            "MAX_NAMESPACE_SHARE": self._percent,
        }
        beta.deploy("sync")
        world.scheduler.sleep(120.0)  # the backfill of an empty registry
        client = Client(world.primary.server, world.scheduler, world.random)
        self.before = self._push(client, beta, "before")
        for number in range(SLOW):
            assert client.push(f"busy/slow-{number}", "v1", [image(world.random.randbytes(LAYER_BYTES))])
        world.scheduler.sleep(EVERY_S)
        self.beside = self._push(client, beta, "beside")
        self.slow_left = sum(_tag(beta, f"busy/slow-{number}", "v1") is None for number in range(SLOW))

    def _push(self, client: Client, site: Site, name: str) -> list[float]:
        scheduler = self.world.scheduler
        lags = []
        for number in range(PUSHES):
            tag = f"{name}-{number}"
            digest = client.push("quiet/app", tag, [image(tag.encode())])
            began_s = scheduler.now_s
            while _tag(site, "quiet/app", tag) != digest and scheduler.now_s < began_s + LATEST_S:
                scheduler.sleep(0.25)
            lags.append(scheduler.now_s - began_s)
            scheduler.sleep(max(EVERY_S - lags[-1], 0.0))
        return lags


def _tag(site: Site, repository: str, tag: str) -> str | None:
    return site.server.storage.repository(repository).tags.get(tag)


def main() -> None:
    """Tell the story once."""
    story = Story(sys.argv[1])
    story.run()
    print(json.dumps({"before": story.before, "beside": story.beside, "slow_left": story.slow_left}))


if __name__ == "__main__":
    main()
