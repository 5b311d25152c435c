"""What a function's logger wrote, line by line."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from aws_lambda_powertools import Logger


@contextmanager
def lines_of(logger: Logger) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Catch what `logger` writes; what is yielded returns the lines so far, decoded."""
    stream = io.StringIO()
    handler = cast("logging.StreamHandler[Any]", logger.registered_handler)
    before = handler.setStream(stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    if before is not None:
        handler.setStream(before)


def log_of(logger: Logger) -> object:
    """Make the fixture `log` of a function's tests."""

    @pytest.fixture
    def log() -> Iterator[Callable[[], list[dict[str, Any]]]]:
        """Return the lines logged so far, decoded."""
        with lines_of(logger) as lines:
            yield lines

    return log
