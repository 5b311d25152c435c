"""docs/openapi.json and docs/api.md say what the code says: each route, parameter and field, and nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from local import openapi
from tests.functional.admin.parts import ROOT

DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text())


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of `make openapi`, written in a process without a test's environment."""
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "local.openapi", str(folder)]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "layers" / "geosync")}
    subprocess.run(command, check=True, cwd=ROOT, env=environment)
    return folder


@pytest.mark.parametrize("name", ["openapi.json", "api.md"])
def test_the_description_in_the_repository_is_that_of_the_code(name: str, written: Path) -> None:
    assert (ROOT / "docs" / name).read_text() == (written / name).read_text(), "make openapi"


def test_the_page_has_every_route_parameter_and_field() -> None:
    page = openapi.page(DOCUMENT)
    routes = [(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods]
    assert len(routes) > 35
    assert set(re.findall(r"^### (GET|POST|DELETE) (\S+)$", page, re.MULTILINE)) == {
        (method, path.strip("/")) for method, path in routes
    }
    named = set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE))
    for schema in DOCUMENT["components"]["schemas"].values():
        assert set(schema.get("properties", {})) <= named
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            assert {one["name"] for one in operation.get("parameters", [])} <= named


def test_each_route_says_what_it_answers() -> None:
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            (success,) = [status for status in operation["responses"] if status.startswith("2")]
            schemas = operation["responses"][success].get("content", {}).values()
            assert path == "/api/v4/openapi.json" or all(one["schema"] for one in schemas), path
