"""Every action of the API at a site of the wrong role: 409, a message that names the right site, no effect."""

from __future__ import annotations

from functions.admin import app
from tests.functional.admin.parts import A, Ask, Site

SECONDARY = {
    "/api/v4/geo/container_repositories/{number}/resync": {},
    "/api/v4/geo/container_repositories/resync": {"scope": "all"},
    "/api/v4/geo/container_repositories/{number}/reverify": {},
    "/api/v4/geo/container_repositories/reverify": {"scope": "all"},
    "/api/v4/geo/container_repositories/{number}/adopt": {"tags": ["v1"]},
    "/api/v4/geo/container_repositories/{number}/keep": {"tags": ["v1"]},
    "/api/v4/geo/container_repositories/{number}/dismiss": {"reason": "why"},
    "/api/v4/geo/container_repositories/{number}/undismiss": {},
    "/api/v4/geo/deletes/resume": {},
    "/api/v4/geo/pause": {},
    "/api/v4/geo/resume": {},
}
"""What only a secondary can do, with a body that it would take."""
PRIMARY = {
    ("post", "/api/v4/geo_sites"): {"name": "oregon", "url": "https://oregon.example.com", "report_key": "0" * 64},
    ("delete", "/api/v4/geo_sites/{number}"): None,
}
"""What only a primary can do."""
EVERYWHERE = {"/sign-in", "/sign-out", "/api/v4/geo/dead_letters/replay", "/api/v4/geo/dead_letters/discard"}
REPORT = "/api/v4/geo/status"
"""Not an operator's: test_sites.py."""


def actions() -> set[tuple[str, str]]:
    """The method and the path of everything that acts."""
    paths = app.api().openapi["paths"].items()
    return {(method, path) for path, operations in paths for method in operations if method != "get"}


def test_every_action_is_known_to_be_of_one_kind(site: Site, ask: Ask) -> None:
    known = {("post", path) for path in {*SECONDARY, *EVERYWHERE, REPORT}} | set(PRIMARY)
    assert actions() == known


def test_the_primary_refuses_the_actions_of_a_secondary(primary: Site, ask: Ask) -> None:
    primary.synced("group/app", v1=A)
    number = str(primary.id_of("group/app"))
    before = primary.sync_registry.row("group/app")
    for path, body in SECONDARY.items():
        answer = ask.act(path.replace("{number}", number), body)
        assert (answer.status, "dublin is the primary" in answer.message) == (409, True), (path, answer.text)
    assert primary.messages("work") == []
    assert (primary.sync_registry.row("group/app"), primary.sync_registry.is_paused()) == (before, False)


def test_a_secondary_refuses_the_actions_of_the_primary(site: Site, ask: Ask) -> None:
    for (method, path), body in PRIMARY.items():
        answer = ask.act(path.replace("{number}", "2"), body, method=method.upper())
        assert (answer.status, "for the primary" in answer.message) == (409, True), (path, answer.text)
    assert [one["name"] for one in ask("GET", "/api/v4/geo_sites").json] == ["berlin"]
