"""Fixtures of the minute's tests."""

from __future__ import annotations

import pytest
from tests.unit.minute.secondary import MINUTE, START, Secondary


@pytest.fixture
def secondary() -> Secondary:
    """A secondary whose first comparison is complete."""
    one = Secondary()
    one.compared(START - 10 * MINUTE)
    return one
