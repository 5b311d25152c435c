"""The command `geosync` at a site of the deployed stack, as somebody runs it: in a pipe, or on a terminal."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile

from tests.e2e.parts import PATIENCE_S, Site
from tests.support.preloaded import Preloaded, preloaded
from tests.support.terminal import on_a_terminal

from geosync.cli.checks.findings import CheckFinding, exit_code
from geosync.cli.site import StackSite as DeployedSite
from geosync.cli.site import local_site

COMMAND = Path(sys.executable).parent / "geosync"


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended; on a terminal `output` is all that was shown."""

    code: int
    output: str
    error: str = ""


@cache
def _preloaded() -> Preloaded:
    """The server of this process's commands, until it ends."""
    running = ExitStack()
    atexit.register(running.close)
    return running.enter_context(preloaded())


def run_preloaded(arguments: Sequence[str], *, typed: str = "", environment: Mapping[str, str] | None = None) -> Ended:
    """Run `geosync` with these arguments, its output not on a terminal."""
    with TemporaryFile() as given, TemporaryFile() as output, TemporaryFile() as error:
        given.write(typed.encode())
        given.seek(0)
        code = _preloaded()(arguments, [one.fileno() for one in (given, output, error)], environment)
        texts = []
        for file in (output, error):
            file.seek(0)
            texts.append(file.read().decode())
    return Ended(code, *texts)


@dataclass(frozen=True, slots=True)
class Geosync:
    """Runs the command with the stack whose files are in `state`.

    Each is a process of its own. Its modules are read already, unless the command that is installed is asked for.
    """

    state: Path

    def __call__(self, site: Site | str, *arguments: str, typed: str = "") -> Ended:
        """Run the command with its output in a pipe or a file."""
        return run_preloaded(self.line(site, *arguments)[1:], typed=typed)

    def installed(self, site: Site | str, *arguments: str) -> Ended:
        """Run the installed program with its output in a pipe."""
        line = self.line(site, *arguments)
        ended = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE_S, check=False, input="")
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def on_a_terminal(self, site: Site | str, *arguments: str, typed: str = "") -> Ended:
        """On a terminal of 80 columns."""
        line = self.line(site, *arguments)[1:]
        return Ended(*on_a_terminal(line, environment=os.environ, typed=typed, run=_preloaded()))

    def check(self, site: Site) -> list[CheckFinding]:
        """The findings of check."""
        ended = self(site, "check", "--json")
        assert ended.output, ended.error
        document = json.loads(ended.output)
        found = [CheckFinding(**finding) for finding in document["findings"]]
        assert document["ok"] is (exit_code(found) == 0)
        return found

    def deployed(self, site: Site) -> DeployedSite:
        """The site as the command reads it, for a single check."""
        return local_site(site.name, self.state).site()

    def line(self, site: Site | str, *arguments: str) -> list[str]:
        """The command line."""
        name = site if isinstance(site, str) else site.name
        return [str(COMMAND), "--local", name, "--local-state", str(self.state), *arguments]


@contextmanager
def undone(undo: Callable[[], object]) -> Iterator[None]:
    """Undo what a test does to the stack that all share."""
    try:
        yield
    finally:
        undo()
