"""The one place that starts threads. Whoever needs one gets it passed in, so that a simulation decides who runs next.

What is returned has the standard library's interfaces: a subclass replaces threads, pools, events and conditions by
ones that yield to its scheduler.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor


class Threads:
    """Starts threads, and makes what they wait for."""

    __slots__ = ()

    def start(self, run: Callable[[], None], *, name: str) -> threading.Thread:
        """Run `run` in a thread of its own; join it before whoever started it ends."""
        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        return thread

    def pool(self, limit: int, *, name: str) -> Executor:
        """At most `limit` threads that run what is submitted. Use it as a context manager."""
        return ThreadPoolExecutor(limit, thread_name_prefix=name)

    def lock(self) -> threading.Lock:
        """A lock that is held over requests or waits; one that guards a few lines need not come from here."""
        return threading.Lock()

    def event(self) -> threading.Event:
        """A flag to wait for."""
        return threading.Event()

    def condition(self) -> threading.Condition:
        """A lock with a wait for what another thread changes under it."""
        return threading.Condition()


SYSTEM_THREADS = Threads()
"""Ordinary threads, for handlers and commands to pass on."""
