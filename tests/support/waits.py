"""Lists how long code is ready to wait: a bound that shows in what it asks for, on a machine of any speed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch


@contextmanager
def socket_timeouts() -> Iterator[list[float | None]]:
    """List the time-outs that this thread gives its sockets, in seconds and in order."""
    thread = threading.current_thread()
    listed: list[float | None] = []
    original = socket.socket.settimeout

    def settimeout(one: socket.socket, seconds: float | None) -> None:
        if threading.current_thread() is thread:
            listed.append(seconds)
        original(one, seconds)

    with patch.object(socket.socket, "settimeout", settimeout):
        yield listed


@contextmanager
def waits() -> Iterator[list[float | None]]:
    """List what this thread waits for conditions and events, in seconds, each as it begins."""
    thread = threading.current_thread()
    listed: list[float | None] = []
    original = threading.Condition.wait

    def wait(one: threading.Condition, timeout: float | None = None) -> bool:
        if threading.current_thread() is thread:
            listed.append(timeout)
        return original(one, timeout)

    with patch.object(threading.Condition, "wait", wait):
        yield listed
