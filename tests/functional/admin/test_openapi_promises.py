"""Nothing that the previous release's API takes or gives goes away, unless that release called it deprecated.

`GEOSYNC_KEEP_API=1` keeps today's promises in their place: after a release.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.functional.admin.parts import ROOT
from tests.support.api_promises import broken, promises

KEPT = Path(__file__).with_name("previous_api.txt")
DOCUMENT: dict[str, Any] = json.loads((ROOT / "docs" / "openapi.json").read_text())
LIST = "/api/v4/geo/container_repositories"


def test_a_program_that_was_written_for_the_previous_release_works_on() -> None:
    if os.environ.get("GEOSYNC_KEEP_API"):
        KEPT.write_text("\n".join(promises(DOCUMENT)) + "\n")
    former = KEPT.read_text().splitlines()
    assert len(former) > 400
    assert broken(former, promises(DOCUMENT)) == []


def _schema(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"][name]
    return found


def _parameter(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in document["paths"][LIST]["get"]["parameters"] if one["name"] == name)
    return found


def _without_route(document: dict[str, Any]) -> None:
    del document["paths"]["/api/v4/geo/backfill"]


def _without_parameter(document: dict[str, Any]) -> None:
    document["paths"][LIST]["get"]["parameters"].remove(_parameter(document, "parked"))


def _without_a_word(document: dict[str, Any]) -> None:
    _parameter(document, "order_by")["schema"]["enum"].remove("state")


def _with_a_demand(document: dict[str, Any]) -> None:
    document["paths"][LIST]["get"]["parameters"].append(
        {"name": "since", "in": "query", "required": True, "schema": {"type": "string"}}
    )


def _with_a_parameter_that_is_demanded_now(document: dict[str, Any]) -> None:
    _parameter(document, "search")["required"] = True


def _without_field(document: dict[str, Any]) -> None:
    del _schema(document, "ContainerRepository")["properties"]["retry_count"]


def _of_another_type(document: dict[str, Any]) -> None:
    _schema(document, "ContainerRepository")["properties"]["retry_count"] = {"type": "string"}


def _with_null(document: dict[str, Any]) -> None:
    field = {"anyOf": [{"type": "integer"}, {"type": "null"}]}
    _schema(document, "ContainerRepository")["properties"]["retry_count"] = field


def _with_a_demanded_field(document: dict[str, Any]) -> None:
    _schema(document, "ResyncOne").setdefault("required", []).append("keep")


def _without_what_is_taken(document: dict[str, Any]) -> None:
    del _schema(document, "ResyncOne")["properties"]["keep"]


def _with_another_answer(document: dict[str, Any]) -> None:
    responses = document["paths"][LIST]["get"]["responses"]
    responses["204"] = responses.pop("200")


@pytest.mark.parametrize(
    "change",
    [
        _without_route,
        _without_parameter,
        _without_a_word,
        _with_a_demand,
        _with_a_parameter_that_is_demanded_now,
        _without_field,
        _of_another_type,
        _with_null,
        _with_a_demanded_field,
        _without_what_is_taken,
        _with_another_answer,
    ],
)
def test_a_change_that_breaks_a_program_is_found(change: Callable[[dict[str, Any]], None]) -> None:
    changed = copy.deepcopy(DOCUMENT)
    change(changed)
    assert broken(promises(DOCUMENT), promises(changed)) != []


def test_an_addition_breaks_no_program() -> None:
    changed = copy.deepcopy(DOCUMENT)
    _parameter(changed, "order_by")["schema"]["enum"].append("colour")
    _schema(changed, "ContainerRepository")["properties"]["colour"] = {"type": "string"}
    _schema(changed, "ContainerRepository")["properties"]["state"]["enum"].append("paused")
    _schema(changed, "ResyncOne")["properties"]["colour"] = {"type": "string"}
    changed["paths"]["/api/v4/geo/colours"] = changed["paths"][LIST]
    assert broken(promises(DOCUMENT), promises(changed)) == []


def test_a_part_that_the_previous_release_deprecated_may_be_removed() -> None:
    former = copy.deepcopy(DOCUMENT)
    former["paths"]["/api/v4/geo/backfill"]["get"]["deprecated"] = True
    _parameter(former, "parked")["deprecated"] = True
    _schema(former, "ContainerRepository")["properties"]["retry_count"]["deprecated"] = True
    changed = copy.deepcopy(DOCUMENT)
    for take_away in (_without_route, _without_parameter, _without_field):
        assert broken(promises(former), promises(changed)) == []
        take_away(changed)
    assert broken(promises(former), promises(changed)) == []
    assert broken(promises(DOCUMENT), promises(changed)) != []
