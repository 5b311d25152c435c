"""A stack of the tests' own, deployed once for the whole run; a developer's own stack is left alone.

With two workers (`-n 2 --dist loadgroup`, as `make test-e2e` has it) each has a stack: the files of FIRST_HALF go to
one, all others to the other. What both deploy is built once. With GEOSYNC_E2E_STATE=<folder> the stack of that folder
is used and left running (`.local`: that of `make up`), which saves its start while a test is being written.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from local import stack as local_stack
from local.stack import Stack
from local.wiring import STORES_ON_S3
from selenium import webdriver
from tests.e2e.browser import Dashboard, chromium, opened
from tests.e2e.parts import COMPARISON_S, Site, eventually, let_the_next_comparison_be_due
from tests.e2e.registries import maker
from tests.support import aws_data
from tests.support.images import ImageMaker
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

aws_data.share()
_had: set[str] = set()
HALVES = ("first", "second")
FIRST_HALF = (
    *("test_dashboard", "test_dashboard_findings", "test_dashboard_live"),
    *("test_replication", "test_smoke", "test_verification", "test_failover"),
)
"""About half of the time of all tests."""
PACE = {"ComparisonSeconds": str(COMPARISON_S), "Tracing": "on"}
"""What differs from the stack of `make up`.

A comparison costs some requests and a lease for each repository that any test has pushed: one a run is enough. All
functions and topics trace; the stack of `make up`, and what test_package.py and test_upgrade.py deploy, do not.
"""
LAST = ("test_unannounced", "test_failover", "test_logs")
"""What waits for the schedule, then what changes who the primary is, then what reads what all of them caused."""


class Halves(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each worker one half of the tests, as each has one stack."""

    def _split_scope(self, nodeid: str) -> str:
        return half_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Halves | None:
    """Take the place of xdist's own groups, which it writes to where pytest 9.2 reads nothing: they have no effect."""
    return Halves(config, log) if config.getoption("dist") == "loadgroup" else None


def half_of(nodeid: str) -> str:
    """The half that a test belongs to."""
    file, _, name = nodeid.partition("::")
    named = next((half for half in HALVES if name.endswith(f"[{half}]")), None)
    return named or HALVES[Path(file).stem not in FIRST_HALF]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests into their order."""

    def place(item: pytest.Item) -> int:
        return LAST.index(item.path.stem) if item.path.stem in LAST else -1

    ours = [item for item in items if item.path.parent == Path(__file__).parent]
    items[:] = [item for item in items if item not in ours] + sorted(ours, key=place)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Fail where one of two workers gets tests of both halves: what is last on a stack would not be."""
    if os.environ.get("PYTEST_XDIST_WORKER_COUNT") == str(len(HALVES)) and item.path.parent == Path(__file__).parent:
        _had.add(half_of(item.nodeid))
        assert len(_had) == 1, "a worker has tests of both halves: -n 2 needs --dist loadgroup"


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the stack's files."""
    given = os.environ.get("GEOSYNC_E2E_STATE")
    return Path(given).resolve() if given else tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="session")
def built(state: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what the stack is deployed from, which both workers share."""
    if "GEOSYNC_E2E_STATE" in os.environ:
        return state / "stack"
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "built"


@pytest.fixture(scope="session")
def stack(state: Path, built: Path) -> Iterator[Stack]:
    """The deployed stack."""
    try:
        yield local_stack.up(state, built=built, pace=PACE)
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


@pytest.fixture
def secondary(secondaries: list[Site]) -> Site:
    """The secondary whose registry is on the file system."""
    return next(one for one in secondaries if one.name != STORES_ON_S3)


@pytest.fixture
def on_s3(secondaries: list[Site]) -> Site:
    """The secondary whose registry is on S3."""
    return next(one for one in secondaries if one.name == STORES_ON_S3)


@pytest.fixture
def make(primary: Site) -> Iterator[ImageMaker]:
    """Pushes images to the primary."""
    with maker(primary) as pushing:
        yield pushing


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """The browser of all dashboards."""
    with chromium(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture
def dashboard(driver: webdriver.Chrome, secondary: Site) -> Iterator[Dashboard]:
    """A secondary's dashboard; a problem that the browser reports fails the test."""
    with opened(driver, secondary) as one:
        yield one


@pytest.fixture
def at_the_primary(driver: webdriver.Chrome, primary: Site) -> Iterator[Dashboard]:
    """The primary's dashboard."""
    with opened(driver, primary) as one:
        yield one


@dataclass(frozen=True, slots=True)
class Unannounced:
    """A tag that is in the primary's storage without its registry having been asked to write it."""

    primary: Site
    repository: str
    tag: str
    written_at: float

    def events(self) -> list[dict[str, Any]]:
        """The primary's event log."""
        return self.primary.items("events_table")


@pytest.fixture(scope="session", autouse=True)
def unannounced(primary: Site, secondaries: list[Site]) -> Unannounced:
    """Write a tag that no notification tells of, after the first comparison: test_unannounced.py sees it healed."""
    repository = f"e2e/unannounced/{uuid.uuid4().hex[:10]}"
    for site in secondaries:
        site.invoke("reconcile")

        def is_compared(site: Site = site) -> bool:
            return "finished_at" in (site.item("#site", "catalogue") or {})

        eventually(is_compared, what=f"the first comparison at {site.name}")
    with maker(primary) as make:
        make.image(repository, "v1", layers=1)
    folder = Path(primary.about["registry_folder"]) / "data" / "docker/registry/v2/repositories" / repository
    shutil.copytree(folder / "_manifests/tags/v1", folder / "_manifests/tags/v2")
    made = Unannounced(primary, repository, "v2", time.time())
    for site in secondaries:
        let_the_next_comparison_be_due(site)
    return made
