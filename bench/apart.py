"""A server in a process of its own: it takes no time from the process that is measured."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def apart(serve: Callable[..., None], *arguments: object) -> Iterator[str]:
    """Run `serve(*arguments, pipe)` in a process of its own; yields the URL that it sends through the pipe.

    It ends when it receives anything. Raises EOFError where it does not come up.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(*arguments, there), daemon=True)
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
