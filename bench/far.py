"""A registry that is far away, or on a slow line: a proxy that adds latency to every request, in a process of its own.

In the process that is measured it would take turns with it at the interpreter's lock.
"""

from __future__ import annotations

import math
import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from tests.support.proxy import CountingProxy, Slow, Stores


@contextmanager
def far(
    upstream: str, latency: float, *, rate: float = math.inf, stores: tuple[int, float] | None = None
) -> Iterator[str]:
    """Serve `upstream` with `latency` seconds more before each request; yields the URL.

    Each connection carries at most `rate` bytes of a blob a second. With `stores` an upload is taken so many bytes at a
    time, and no more for so many seconds after each of these pieces, as a registry on S3 takes it.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(upstream, latency, rate, stores, there), daemon=True)
    process.start()
    # Ours of its end goes, so that a process that does not come up is an EOFError here and not a wait without end.
    there.close()
    try:
        yield str(here.recv())
    finally:
        here.send(None)
        process.join(timeout=10)
        if process.is_alive():
            process.kill()
            process.join()


def _serve(upstream: str, latency: float, rate: float, stores: tuple[int, float] | None, pipe: Connection) -> None:
    with CountingProxy(upstream, latency=latency) as proxy:
        if rate < math.inf:
            proxy.add(Slow(kind="blob", times=10**9, rate=rate))
        if stores is not None:
            piece, seconds = stores
            proxy.add(Stores(method="PUT", kind="upload", times=10**9, piece=piece, store=lambda: time.sleep(seconds)))
        pipe.send(proxy.url)
        pipe.recv()
