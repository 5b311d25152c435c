"""Many hands for one image on the deployed stack: a holder asks for help, and another invocation brings layers."""

from __future__ import annotations

import re
import threading
import uuid

from tests.e2e.parts import Site, eventually
from tests.e2e.registries import assert_same, digest, maker, proxied
from tests.support.proxy import Call, CountingProxy

LAYERS, LAYER_BYTES = 8, 1_200_000
HELPERS = 3
AT_ONCE = LAYERS // (HELPERS + 1)
"""The layers that a holder takes at a time until it sees that somebody helps."""
HELD_BACK_S = 10.0
"""Less than a holder waits for its helpers, and than a request waits for its answer."""


class Gate:
    """Keeps a repository's layers back until more are asked for than a holder asks for: its share and the config."""

    def __init__(self) -> None:
        self.helped = threading.Event()
        self._lock = threading.Lock()
        self._asked = 0
        self._was_too_long = False

    def wait(self) -> None:
        """Let a request wait for a bounded time: on a busy machine no helper may come."""
        with self._lock:
            self._asked += 1
            if self._asked > AT_ONCE + 1 and not self._was_too_long:
                self.helped.set()
        if not self.helped.wait(HELD_BACK_S):
            self._was_too_long = True

    def hold_back(self, proxy: CountingProxy, repository: str) -> None:
        """Have each layer of a repository wait here."""
        reads = re.compile(repository)
        proxy.add(Call(method="GET", kind="blob", target=reads, times=1_000, before=self.wait))


def test_helpers_bring_layers_of_a_large_image_each_once(primary: Site, secondary: Site) -> None:
    url = primary.about["registry"]
    with (
        proxied(secondary, "PRIMARY_REGISTRY_URL", url, SHARED_COPY_BYTES="5000000") as proxy,
        maker(primary) as make,
        maker(secondary) as there,
    ):

        def is_helped() -> bool:
            """Push an image; tell whether helpers brought layers. A holder alone brings all of them."""
            repository, gate = f"e2e/hands/{uuid.uuid4().hex[:10]}", Gate()
            gate.hold_back(proxy, repository)
            image = make.image(repository, "v1", layers=LAYERS, size=LAYER_BYTES)
            eventually(lambda: digest(there, repository, "v1") == image.digest, what="the image")
            assert_same(make, there, repository, "v1")
            if not gate.helped.is_set():
                return False
            read = [one.path for one in proxy.exchanges if one.kind == "blob" and repository in one.path]
            assert len(read) == len(set(read)) == LAYERS + 1, "each blob once, whoever brought it"
            eventually(lambda: brought(secondary, repository) >= LAYER_BYTES, what="the log of a helper")
            return True

        eventually(is_helped, what="an image that helpers have a part in")


def brought(site: Site, repository: str) -> int:
    """The bytes that helpers of a site say they brought to a repository."""
    lines = [line for line in site.log("sync") if line.get("message") == "helped"]
    return sum(line["bytes"] for line in lines if line["repository"] == repository)
