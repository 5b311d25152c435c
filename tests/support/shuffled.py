"""A pytest plugin that runs the tests in another order each time, so that none leans on one before it.

pytest -p tests.support.shuffled tests/unit                  the order's number is printed
pytest -p tests.support.shuffled --order 4711 tests/unit     that order again
"""

from __future__ import annotations

import random
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--order", type=int, metavar="NUMBER", help="run the tests in the order of this number")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Choose the order once: the workers of a parallel run have it of who started them."""
    given = getattr(config, "workerinput", {}).get("order", config.option.order)
    config.option.order = random.SystemRandom().randrange(10_000) if given is None else given


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["order"] = node.config.option.order


def pytest_report_header(config: pytest.Config) -> str:
    return f"order: --order {config.option.order}"


@pytest.hookimpl(tryfirst=True)  # tests that share a large fixture come together again afterwards
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    random.Random(config.option.order).shuffle(items)  # noqa: S311 - the same order for the same number
