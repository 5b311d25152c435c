"""The end of the invocation."""

from __future__ import annotations

import math

import pytest
from tests.support.clock import FakeClock

from geosync.errors import OutOfTime
from geosync.oci.deadline import Deadline


def test_without_a_deadline_there_is_always_time() -> None:
    deadline = Deadline()
    assert math.isinf(deadline.left_s())
    deadline.check()


def test_a_deadline_ends_and_can_be_set_again() -> None:
    deadline = Deadline(FakeClock())
    deadline.set(100)
    assert deadline.left_s() == 100
    deadline.check()
    deadline.set(-1)
    with pytest.raises(OutOfTime):
        deadline.check()
    deadline.clear()
    deadline.check()
