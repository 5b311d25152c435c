"""A registry that is far away: a proxy that adds latency to every request, in a process of its own.

In the process that is measured it would take turns with it at the interpreter's lock.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from tests.support.proxy import CountingProxy


@contextmanager
def far(upstream: str, latency: float) -> Iterator[str]:
    """Serve `upstream` with `latency` seconds more before each request; yields the URL."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(upstream, latency, there), daemon=True)
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


def _serve(upstream: str, latency: float, pipe: Connection) -> None:
    with CountingProxy(upstream, latency=latency) as proxy:
        pipe.send(proxy.url)
        pipe.recv()
