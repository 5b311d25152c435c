"""Counts the lines of Python that run: the same on every machine, so that costs are compared without a clock."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from tests.support.garbage import uncollected


def steps(run: Callable[[], object]) -> int:
    """The lines that `run` executes in this thread."""
    counted = 0

    def trace(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal counted
        counted += event == "line"
        return trace

    before = sys.gettrace()
    with uncollected():
        sys.settrace(trace)
        try:
            run()
        finally:
            sys.settrace(before)
    return counted
