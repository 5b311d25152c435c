"""A registry that is far away, or on a slow line: a proxy that adds latency to every request, in a process of its own.

In the process that is measured it would take turns with it at the interpreter's lock.
"""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from tests.support.proxy import CountingProxy, Slow


@contextmanager
def far(upstream: str, latency: float, *, rate: float = math.inf) -> Iterator[str]:
    """Serve `upstream` with `latency` seconds more before each request; yields the URL.

    Each connection carries at most `rate` bytes of a blob a second.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(upstream, latency, rate, there), daemon=True)
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


def _serve(upstream: str, latency: float, rate: float, pipe: Connection) -> None:
    with CountingProxy(upstream, latency=latency) as proxy:
        if rate < math.inf:
            proxy.add(Slow(kind="blob", times=10**9, rate=rate))
        pipe.send(proxy.url)
        pipe.recv()
