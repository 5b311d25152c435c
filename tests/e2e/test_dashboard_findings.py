"""What is missing at the primary and extra here, in the dashboard: an operator keeps, adopts, lets deletes go on."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests
from tests.e2e.browser import PHONE, Dashboard
from tests.e2e.parts import PATIENCE_S, Site, eventually, hurried
from tests.e2e.registries import digest, maker
from tests.support.images import ImageMaker, Made


def test_an_operator_keeps_and_adopts_tags_and_lets_deletes_go_on(
    primary: Site, secondaries: list[Site], dashboard: Dashboard
) -> None:
    site, repository = dashboard.site, f"e2e/findings/{uuid.uuid4().hex[:10]}"
    with maker(primary) as make, maker(site) as here, ExitStack() as lost:
        lost.callback(_resume_deletes, secondaries)  # every site's comparison may have seen it
        made = {tag: make.image(repository, tag, layers=1) for tag in ("v1", "v2", "v3", "v4")}
        _wait_for(secondaries, *made.values())

        def is_synced() -> bool:
            # A row is synced between two pushes, too.
            owed = any(site.item(repository, f"owed#tag#{tag}") for tag in made)
            return not owed and (site.item(repository, "row") or {}).get("state") == "2"

        eventually(is_synced, what="the sync")
        for tag in ("mine", "old"):
            here.image(repository, tag, layers=1)
        lost.callback(_wait_for, secondaries, *made.values())
        lost.enter_context(_lost(primary, make, made["v2"], made["v3"], made["v4"]))

        dashboard.sign_in()
        dashboard.go("Replication details")
        dashboard.find("input[name=search]").send_keys(repository)
        dashboard.press("Filter")
        dashboard.press(repository, "tbody th a")
        dashboard.press(f"Resync {repository}")
        dashboard.shows(
            "Missing and extra",
            "v2",
            "v3",
            "v4",
            "Missing at the primary",
            "mine",
            "old",
            "Extra here",
        )
        dashboard.is_readable("findings-of-a-repository")

        _soon(site, lambda: _are_suspended(site), what="deletes to be suspended")
        dashboard.go("Geo sites")
        dashboard.shows("Deletes suspended", f"3 of the 4 tags of {repository} are missing at the primary")
        dashboard.press("Missing tags", "main a")
        dashboard.heading("Missing and extra")
        dashboard.shows("✕ Suspended", f"3 of the 4 tags of {repository}", repository, "3 of 4 tags", "mine, old")
        dashboard.is_readable("findings-suspended")

        dashboard.press(repository, "tbody th a")
        _confirm(dashboard, f"Adopt old of {repository}", "Adopt")
        dashboard.shows(f"asks the primary for old of {repository}", within="[role=status]")
        _confirm(dashboard, f"Keep v2 of {repository}", "Keep")
        dashboard.shows(f"v2 of {repository} stays at {site.name}", within="[role=status]")
        gone = [f"Adopt old of {repository}", f"Keep v2 of {repository}"]
        eventually(lambda: not _buttons(dashboard, gone), what="what was dismissed to be hidden")
        _soon(site, lambda: digest(here, repository, "old") is None, what="the adopted tag to go")
        _soon(site, lambda: site.item(repository, "tag#v2") is None, what="the kept tag to be let go")

        dashboard.go("Missing and extra")
        _confirm(dashboard, "Resume deletes", "Resume deletes")
        dashboard.shows("the next comparison removes what was found until now", "✓ On")
        dashboard.press(repository, "tbody th a")
        dashboard.press(f"Resync {repository}")
        _soon(site, lambda: digest(here, repository, "v3") is None, what="the missing tag to go")
        assert [digest(here, repository, tag) is not None for tag in ("v1", "v2", "mine")] == [True] * 3
        extras = [f"Adopt {tag} of {repository}" for tag in ("mine", "v2")]
        eventually(lambda: _buttons(dashboard, extras) == extras, what="what was kept to be extra")

        dashboard.open(size=PHONE, scheme="dark")
        dashboard.sign_in("read")
        dashboard.go("Missing and extra")
        dashboard.press(f"Adopt the extra tags of {repository}")
        dashboard.shows("You signed in with the read token, which may only look", within="[role=status]")
        assert dashboard.all("dialog[open]") == []
        assert digest(here, repository, "mine") is not None


@contextmanager
def _lost(primary: Site, make: ImageMaker, *images: Made) -> Iterator[None]:
    """Take tags out of the primary's storage for a while: no notification tells of it.

    Then they are pushed once more, so that every secondary hears that they are back. Else it would lack, for the tests
    that follow, what the primary has.
    """
    folder = Path(primary.about["registry_folder"]) / "data" / "docker/registry/v2/repositories"
    away = [
        (folder / one.repository / "_manifests/tags" / one.reference, folder / one.repository / one.reference)
        for one in images
    ]
    for place, other in away:
        place.rename(other)
    try:
        yield
    finally:
        for place, other in away:
            other.rename(place)
        for one in images:
            make.retag(one, one.reference)


def _wait_for(sites: list[Site], *images: Made) -> None:
    """Wait until every one of the sites has every one of the tags."""
    for site in sites:
        with maker(site) as there:
            for one in images:

                def is_there(there: ImageMaker = there, one: Made = one) -> bool:
                    return digest(there, one.repository, one.reference) == one.digest

                eventually(is_there, what=f"{one.reference} at {site.name}")


def _are_suspended(site: Site) -> bool:
    """Tell whether the breaker is on, after the minute in which an event may still announce the missing tags."""
    site.let_time_pass("deletes", "doubted_at", seconds=60)
    return "suspended_at" in (site.item("#site", "deletes") or {})


def _resume_deletes(sites: list[Site]) -> None:
    for site in sites:
        token = site.about["admin_act_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        url = f"{site.about['admin_url']}/api/v4/geo/deletes/resume"
        requests.post(url, data="{}", headers=headers, timeout=PATIENCE_S).raise_for_status()


def _soon(site: Site, look: Callable[[], bool], *, what: str) -> None:
    """Wait for something, with what the schedule does every minute hurried."""

    eventually(hurried([site], look), what=what)


def _confirm(dashboard: Dashboard, button: str, answer: str) -> None:
    """Press a button, and confirm the question that follows."""
    dashboard.press(button)
    dashboard.press(answer, "dialog[open] button")


def _buttons(dashboard: Dashboard, names: list[str]) -> list[str]:
    """Which of these buttons are there."""
    script = "return [...document.querySelectorAll('button[aria-label]')].map((one) => one.ariaLabel)"
    return [name for name in dashboard.driver.execute_script(script) if name in names]
