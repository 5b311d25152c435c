"""Settings of all tests: no example of Hypothesis is judged by the seconds that a busy machine takes.

What is loaded before the first test stays until the last, so that the garbage collector need not look through it again
and again: in the functional tests that was a fifth of the time.
"""

from __future__ import annotations

import gc

from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
gc.disable()  # until all tests are loaded


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.enable()
