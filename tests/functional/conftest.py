"""What all functional tests share."""

from itertools import count

import pytest
from tests.support import aws_data, moto_calls

aws_data.share()
moto_calls.shorten()
_numbers = count(1)


@pytest.fixture
def repository() -> str:
    """Return a repository name that no other test of this run has."""
    return f"group/app-{next(_numbers)}"
