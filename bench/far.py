"""A registry that is far away, or on a slow line: a proxy that adds latency to every request, in a process of its own.

In the process that is measured it would take turns with it at the interpreter's lock.
"""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection

from tests.support.proxy import CountingProxy, Slow, Stores

from bench.apart import apart


def far(
    upstream: str, latency: float, *, rate: float = math.inf, stores: tuple[int, float] | None = None
) -> AbstractContextManager[str]:
    """Serve `upstream` with `latency` seconds more before each request; yields the URL.

    Each connection carries at most `rate` bytes of a blob a second. With `stores` an upload is taken so many bytes at a
    time, and no more for so many seconds after each of these pieces, as a registry on S3 takes it.
    """
    return apart(_serve, upstream, latency, rate, stores)


def _serve(upstream: str, latency: float, rate: float, stores: tuple[int, float] | None, pipe: Connection) -> None:
    with CountingProxy(upstream, latency=latency) as proxy:
        if rate < math.inf:
            proxy.add(Slow(kind="blob", times=10**9, rate=rate))
        if stores is not None:
            piece, seconds = stores
            proxy.add(Stores(method="PUT", kind="upload", times=10**9, piece=piece, store=lambda: time.sleep(seconds)))
        pipe.send(proxy.url)
        pipe.recv()
