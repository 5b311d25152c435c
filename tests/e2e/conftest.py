"""A stack of the tests' own, deployed once for the whole run; a developer's own stack is left alone.

With GEOSYNC_E2E_STATE=<folder> the stack of that folder is used and left running (`.local`: that of `make up`), which
saves its start while a test is being written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from local import stack as local_stack
from local.stack import Stack
from tests.e2e.parts import Site


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the stack's files."""
    given = os.environ.get("GEOSYNC_E2E_STATE")
    return Path(given).resolve() if given else tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="session")
def stack(state: Path) -> Iterator[Stack]:
    """The deployed stack."""
    try:
        yield local_stack.up(state)
    finally:
        if "GEOSYNC_E2E_STATE" not in os.environ:
            local_stack.down(state)


@pytest.fixture(scope="session")
def sites(stack: Stack) -> list[Site]:
    """All sites, the primary first."""
    return [Site(stack=stack, about=about) for about in stack.description["sites"]]


@pytest.fixture(scope="session")
def primary(sites: list[Site]) -> Site:
    return sites[0]


@pytest.fixture(scope="session")
def secondaries(sites: list[Site]) -> list[Site]:
    return sites[1:]
