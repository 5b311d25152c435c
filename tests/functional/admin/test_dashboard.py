"""The dashboard in a browser, on moto: what each page shows of what a site holds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium import webdriver
from tests.e2e.browser import PHONE, WIDE, Dashboard, chromium
from tests.functional.admin.parts import Site
from tests.functional.admin.served import served


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture
def dashboard(site: Site, driver: webdriver.Chrome) -> Iterator[Dashboard]:
    """A secondary's, signed in by nobody; a problem that the browser reports fails the test."""
    with served(driver) as one:
        one.open()
        yield one
        assert one.complaints() == []


SCREENS = [(WIDE, "light"), (PHONE, "dark")]


@pytest.mark.parametrize(("size", "scheme"), SCREENS)
def test_a_site_that_has_done_nothing_yet_is_readable(
    dashboard: Dashboard, size: tuple[int, int], scheme: str
) -> None:
    dashboard.open(size=size, scheme=scheme)
    dashboard.sign_in()
    dashboard.shows("berlin", "Recovery point")
    dashboard.is_readable(f"empty-{scheme}")
