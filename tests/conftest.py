"""Settings of all tests: no example of Hypothesis is judged by the seconds that a busy machine takes.

No proxy is asked for the servers of a test, and no profile of AWS is looked for: it may not be on this machine.

What is loaded before the first test stays until the last, so that the garbage collector need not look through it again
and again: in the functional tests that was a fifth of the time.

Where nothing is compiled yet, each of many workers would compile all tests for itself. One does, and the others wait.
"""

from __future__ import annotations

import fcntl
import gc
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest
from hypothesis import HealthCheck, settings

from geosync.cli.local_stack import reach_this_machine_directly


def _begin_alone(run: str | None) -> TextIO | None:
    """Return a lock if this is the first worker of a parallel run; a later one waits until that is free again."""
    if run is None:
        return None
    lock = (Path(tempfile.gettempdir()) / f"geosync-tests-{run}").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
        return None
    return lock


_alone = _begin_alone(os.environ.get("PYTEST_XDIST_TESTRUNUID"))
reach_this_machine_directly()
for _name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
    os.environ.pop(_name, None)
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
gc.disable()  # until all tests are loaded


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Let the other workers begin once all tests are loaded."""
    try:
        return (yield)
    finally:
        if _alone is not None:
            Path(_alone.name).unlink(missing_ok=True)
            fcntl.flock(_alone, fcntl.LOCK_UN)
            _alone.close()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
