"""Many hands for one image on the deployed stack: a holder asks for help, and another invocation brings layers."""

from __future__ import annotations

import re
import threading
import uuid

from tests.e2e.parts import PATIENCE_S, Site, eventually
from tests.e2e.registries import assert_same, digest, maker, proxied
from tests.support.proxy import Call, CountingProxy

LAYERS, LAYER_BYTES = 8, 1_200_000
HELPERS = 3
AT_ONCE = LAYERS // (HELPERS + 1)
"""The layers that a holder takes at a time until it sees that somebody helps."""


def hold_back_until_somebody_helps(proxy: CountingProxy, repository: str) -> None:
    """Keep a repository's layers back until more are asked for than a holder asks for: its share and the config."""
    lock, helped = threading.Lock(), threading.Event()
    asked = 0

    def wait() -> None:
        nonlocal asked
        with lock:
            asked += 1
            if asked > AT_ONCE + 1:
                helped.set()
        assert helped.wait(PATIENCE_S), "nobody came to help"

    proxy.add(Call(method="GET", kind="blob", target=re.compile(repository), times=1_000, before=wait))


def test_helpers_bring_layers_of_a_large_image_each_once(primary: Site, secondary: Site) -> None:
    repository = f"e2e/hands/{uuid.uuid4().hex[:10]}"
    url = primary.about["registry"]
    with (
        proxied(secondary, "PRIMARY_REGISTRY_URL", url, SHARED_COPY_BYTES="5000000") as proxy,
        maker(primary) as make,
        maker(secondary) as there,
    ):
        hold_back_until_somebody_helps(proxy, repository)
        image = make.image(repository, "v1", layers=LAYERS, size=LAYER_BYTES)
        eventually(lambda: digest(there, repository, "v1") == image.digest, what="the image")
        read = [one.path for one in proxy.exchanges if one.kind == "blob" and repository in one.path]
        assert len(read) == len(set(read)) == LAYERS + 1, "each blob once, whoever brought it"
        assert_same(make, there, repository, "v1")
        eventually(lambda: helped(secondary, repository) >= LAYER_BYTES, what="the log of a helper")


def helped(site: Site, repository: str) -> int:
    """The bytes that helpers of a site say they brought to a repository."""
    lines = [line for line in site.log("sync") if line.get("message") == "helped"]
    return sum(line["bytes"] for line in lines if line["repository"] == repository)
