"""A pytest plugin that runs the tests in another order each time, so that none leans on one before it.

pytest -p tests.support.shuffled tests/unit                  the order's number is printed
pytest -p tests.support.shuffled --order 4711 tests/unit     that order again
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.support.numbers import RunNumber

_order = RunNumber("order")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--order", type=int, metavar="NUMBER", help="run the tests in the order of this number")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    _order.choose(config)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    _order.tell(node)


def pytest_report_header(config: pytest.Config) -> str:
    return f"order: --order {_order.of(config)}"


@pytest.hookimpl(tryfirst=True)  # tests that share a large fixture come together again afterwards
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    random.Random(_order.of(config)).shuffle(items)  # noqa: S311 - the same order for the same number
