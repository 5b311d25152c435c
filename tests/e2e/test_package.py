"""A release's zip is all that deploys a site: for whoever has no source, with the SAM CLI and what the zip says."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from local import deploy
from local.deploy import SAM
from local.stack import Stack
from release import ROOT, zips

from geosync import __version__

SITE = deploy.Site(name="visby", role="secondary", region="eu-north-1")
NAME = f"geosync-{__version__}-test"
NOT_OF_A_PACKAGE = {"lock", "sources"}
"""What the local stack keeps beside it (local/deploy.py)."""
WITHOUT_THE_SOURCE = """\
import os, sys
SOURCE, TOOLS = %r
def refuse(event, arguments):
    if event in {"open", "os.listdir", "os.scandir"} and isinstance(arguments[0], (str, bytes, os.PathLike)):
        path = os.path.abspath(os.fsdecode(arguments[0]))
        if path.startswith(SOURCE) and not path.startswith(TOOLS):
            raise PermissionError(f"a user without the source reads {path}")
sys.addaudithook(refuse)
"""
"""Every Python that finds this on its path reads nothing of the checkout but the tools that are installed there.

Another Unix user would need an interpreter that this one may run, which on many machines is in root's home.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A folder of somebody who got the zip and has the SAM CLI, and what is set there."""

    folder: Path
    environment: dict[str, str]

    def run(self, *command: str | Path, within: str = "") -> str:
        """Run a program; the test fails with what it said unless it ends with 0."""
        done = subprocess.run(
            command,
            cwd=self.folder / within,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout


@pytest.fixture
def home(stack: Stack, built: Path, tmp_path: Path) -> Home:
    """The zip as a release has it, but for the processor and the Python of the emulator."""
    package, hook = tmp_path / "package", tmp_path / "hook"
    package.mkdir()
    hook.mkdir()
    for path in (built / "package").iterdir():
        if path.is_file() and path.name not in NOT_OF_A_PACKAGE:
            (package / path.name).write_bytes(path.read_bytes())
    (tmp_path / "home").mkdir()
    zips.pack(tmp_path / "home" / f"{NAME}.zip", package, f"{NAME}/")
    places = (f"{ROOT}/", f"{ROOT / '.local'}/")
    (hook / "sitecustomize.py").write_text(WITHOUT_THE_SOURCE % (places,))
    own = {"HOME": str(tmp_path / "home"), "PATH": f"{SAM.parent}:/usr/bin:/bin", "PYTHONPATH": str(hook)}
    return Home(
        folder=tmp_path / "home",
        environment={**stack.emulator.environment(), **own, "SAM_CLI_TELEMETRY": "0", "TMPDIR": str(tmp_path)},
    )


@pytest.fixture
def removed(stack: Stack) -> Iterator[None]:
    """Remove the site at the end of the test."""
    yield
    stack.emulator.client("cloudformation", SITE.region).delete_stack(StackName=SITE.stack)


@pytest.mark.usefixtures("removed")
def test_the_zip_alone_deploys_a_site_for_a_user_without_the_source(home: Home, stack: Stack) -> None:
    with pytest.raises(AssertionError, match="a user without the source reads"):
        home.run("python", "-c", f"open({str(ROOT / 'template.yaml')!r})")
    home.run("python", "-m", "zipfile", "-e", f"{NAME}.zip", ".")
    assert "sam deploy --guided" in (home.folder / NAME / "README.md").read_text()
    # In the place of the answers to `--guided`; all else is in the package's samconfig.toml.
    given = {
        **{"SiteName": SITE.name, "SiteRole": SITE.role, "LocalRegistryUrl": "http://127.0.0.1:1"},
        **{"PlainTransport": "allow", "ApiLogging": "off"},
    }
    parameters = [f"{name}={value}" for name, value in given.items()]
    where = ("--region", SITE.region, "--stack-name", SITE.stack)
    said = home.run(
        *("sam", "deploy", *where, "--no-confirm-changeset", "--no-progressbar", "--parameter-overrides", *parameters),
        within=NAME,
    )
    assert re.search(rf"Successfully created/updated stack - {SITE.stack}", said), said[-2000:]
    outputs = deploy.outputs(stack.emulator, SITE)
    assert outputs["Version"] == __version__
    ran = stack.emulator.client("lambda", SITE.region).invoke(FunctionName=outputs["ReconcileFunction"], Payload=b"{}")
    assert "FunctionError" not in ran, ran["Payload"].read()
