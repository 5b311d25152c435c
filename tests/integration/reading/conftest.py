"""The fixtures that the tests of reads share: those of a whole secondary, and a client who pulls there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.integration.fixtures import make, primary, secondary
from tests.integration.reading.client import Client
from tests.integration.secondary import Secondary

__all__ = ["make", "primary", "secondary"]


@pytest.fixture
def client(secondary: Secondary) -> Iterator[Client]:
    """A client at a secondary whose first comparison is complete and whose events are all accounted."""
    with Client(secondary) as one:
        one.account()
        yield one
