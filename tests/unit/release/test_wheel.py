"""The wheel says whose it is and of which version, and gives a working command."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from release import ROOT, wheel
from tests.unit.template.parts import TEMPLATE

from geosync import __version__

UV = shutil.which("uv", path=f"{ROOT / '.local' / 'uv' / 'bin'}{os.pathsep}{os.environ['PATH']}")
URL = "https://git.example.com/group/geosync"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel.build(tmp_path_factory.mktemp("wheel"), URL)


@pytest.fixture(scope="module")
def metadata(built: Path) -> Message:
    with zipfile.ZipFile(built) as archive:
        return Parser().parsestr(archive.read(f"geosync-{__version__}.dist-info/METADATA").decode())


def test_the_same_sources_give_the_same_wheel_whoever_builds_it(built: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        again = wheel.build(tmp_path, URL)
    finally:
        os.umask(before)
    assert again.read_bytes() == built.read_bytes()


def test_the_wheel_has_every_module_and_its_types(built: Path) -> None:
    library = ROOT / "layers" / "geosync"
    modules = {path.relative_to(library).as_posix() for path in library.rglob("*.py")}
    with zipfile.ZipFile(built) as archive:
        names = set(archive.namelist())
    assert len(modules) > 300
    assert {name for name in names if ".dist-info/" not in name} == {*modules, "geosync/py.typed"}


def test_the_wheel_says_whose_it_is_and_where_it_is_from(metadata: Message) -> None:
    assert metadata["Version"] == __version__
    assert metadata["Author"]
    assert metadata["License-Expression"] == "Apache-2.0"
    assert f"Homepage, {URL}" in metadata.get_all("Project-URL", [])
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])


@pytest.mark.skipif(UV is None, reason="uv is not here: make setup")
def test_the_wheel_alone_gives_the_command(built: Path, tmp_path: Path) -> None:
    """As `pipx install` makes it: in an environment of its own, but with the dependencies that are here."""
    # Of this interpreter: uv's own choice may be one that the dependencies here are not for, or that it fetches.
    make = (str(UV), "venv", "--quiet", "--no-project", "--no-python-downloads", "--python", sys.executable)
    subprocess.run((*make, tmp_path / "own"), check=True)
    python = tmp_path / "own" / "bin" / "python"
    install = (str(UV), "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, built)
    subprocess.run(install, check=True)
    (packages,) = (tmp_path / "own" / "lib").glob("python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def run(*arguments: str | Path) -> str:
        return subprocess.run(arguments, check=True, capture_output=True, text=True, cwd=tmp_path).stdout

    where = run(python, "-c", "import geosync.cli.main; print(geosync.__file__)").strip()
    assert Path(where).is_relative_to(tmp_path / "own")
    geosync = tmp_path / "own" / "bin" / "geosync"
    assert run(geosync, "--version") == f"geosync, version {__version__}\n"
    assert "Look for misconfigurations" in run(geosync, "check", "--help")


def test_every_surface_has_the_version_from_one_place() -> None:
    """The API, the dashboard and the metrics have `__version__` itself, the command that of the wheel."""
    assert TEMPLATE["Outputs"]["Version"]["Value"] == __version__
    assert re.findall(r'^version = "', (ROOT / "pyproject.toml").read_text(), re.MULTILINE) == []


def test_the_changelog_has_the_rules_of_its_format() -> None:
    """What is unreleased comes first, each version has a date, and the kinds of changes are those of the format."""
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert versions[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", version) for version in versions[1:])
    for section in text.split("\n## ")[1:]:
        kinds = re.findall(r"^### (.*)$", section, re.MULTILINE)
        assert len(kinds) == len(set(kinds))
        assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
