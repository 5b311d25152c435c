"""The end of the invocation."""

from __future__ import annotations

import math

import pytest
from tests.support.clock import FakeClock

from geosync.errors import OutOfTime
from geosync.oci.deadline import Deadline


def test_without_one_there_is_always_time() -> None:
    deadline = Deadline()
    assert math.isinf(deadline.left_s())
    deadline.check()


def test_it_ends_and_is_set_anew() -> None:
    deadline = Deadline(FakeClock())
    deadline.set(100)
    assert deadline.left_s() == 100
    deadline.check()
    deadline.set(-1)
    with pytest.raises(OutOfTime):
        deadline.check()
    deadline.clear()
    deadline.check()
