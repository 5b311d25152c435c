"""A parameter that a route does not have is refused by name, at every route; none is passed over in silence."""

from __future__ import annotations

from typing import Any

from functions.admin import app
from tests.functional.admin.parts import ACT, Ask, Site
from tests.functional.admin.test_sites import OREGON, REPORT, TOKEN, now

BODIES: dict[str, Any] = {
    "/api/v4/geo_sites": OREGON,
    "/api/v4/geo/container_repositories/1/dismiss": {"reason": "known"},
    "/api/v4/geo/container_repositories/resync": {"scope": "failed"},
    "/api/v4/geo/container_repositories/reverify": {"scope": "failed"},
    "/api/v4/geo/dead_letters/discard": {"ids": ["a"], "reason": "known"},
    "/api/v4/geo/pause": {"reason": "known"},
    "/sign-in": {"token": ACT},
}
"""What a route needs so that nothing but the parameter is wrong; the others need nothing."""
QUERIES: dict[str, dict[str, str]] = {"/api/v4/geo/arrival": {"repository": "group/app", "reference": "v1"}}


def test_every_route_refuses_a_parameter_that_it_does_not_have(site: Site, ask: Ask) -> None:
    site.synced("group/app", v1="sha256:" + "a" * 64)
    asked = 0
    for described, methods in app.api().openapi["paths"].items():
        path = described.replace("{number}", str(site.id_of("group/app"))).replace("{letter_id}", "a")
        for method in methods:
            body = BODIES.get(path, {}) if method == "post" else None
            answer = ask(method.upper(), path, body, token=ACT, query={"no_such": "1", **QUERIES.get(path, {})})
            if path != REPORT:
                assert (answer.status, answer.message[:37]) == (400, "no such parameter: no_such; there are"), path
            asked += 1
    assert asked > 30
    assert site.messages("work") == []


def test_a_report_has_no_parameters_either(primary: Site, ask: Ask) -> None:
    assert ask.act("/api/v4/geo_sites", OREGON).status == 200
    body = {"site": "oregon", "sent_at": now(), "status": {}}
    answer = ask("POST", REPORT, body, token=TOKEN, query={"no_such": "1"})
    assert answer.message == "no such parameter: no_such; there are none"


def test_the_refusal_names_the_known_parameters_and_bounds_the_unknown_ones(site: Site, ask: Ask) -> None:
    unknown = {f"{number}{'x' * 99}": "1" for number in range(9)}
    answer = ask("GET", "/api/v4/geo/events", query={"repository": "a", "per_page": 1, **unknown})
    assert answer.status == 400
    assert answer.message == (
        f"no such parameter: {', '.join(f'{number}' + 'x' * 63 for number in range(3))}; "
        "there are cursor, event_name, per_page, repository"
    )
