"""Keeps the garbage collector out of a measurement: its moment and its finds depend on earlier tests."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Collect nothing meanwhile.

    A collection runs in the thread that is measured: it looks through all that the process has, runs what garbage of
    earlier tests does at its end, and hypothesis has it call a function in Python.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
