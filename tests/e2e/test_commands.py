"""Every command of `geosync` on the deployed stack, in a pipe (as text and as JSON) and on a terminal.

A command that is not here fails the first test. What becomes of the action is looked at, too, and that none prints a
secret of the stack. `promote` and `follow` are declined here; test_failover.py carries them out.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

import click
import pytest
from local.stack import Stack
from tests.e2e.cases import CASES, Made, Run
from tests.e2e.command import Geosync
from tests.e2e.parts import Site, eventually
from tests.e2e.registries import maker

from geosync.cli.main import main
from geosync.operating import deletions
from geosync.sync_registry.sync_registry import SyncRegistry

for cases in ("commands_that_look", "commands_that_act"):
    import_module(f"tests.e2e.{cases}")  # adds to CASES
OF_NO_SITE = ("completion", "context", "smoke")
"""Commands that ask no site: tests/functional/cli/test_contexts.py and test_completion.py, test_smoke.py."""


def leaves(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    """The full name of every command that is no group."""
    if not isinstance(command, click.Group) or (command.invoke_without_command and name):
        yield name, command
    if isinstance(command, click.Group):
        for child in command.commands.values():
            yield from leaves(child, f"{name} {child.name}".strip())


COMMANDS = {name for name, _ in leaves(main) if not name.startswith(OF_NO_SITE)}


@pytest.fixture(scope="module")
def geosync(state: Path, stack: Stack) -> Geosync:
    return Geosync(state)


@pytest.fixture(scope="module")
def made(primary: Site, secondaries: list[Site], geosync: Geosync) -> Made:
    """Push an image and see it everywhere; put tags beside it at the secondaries that the primary does not have."""
    repository = f"e2e/c{uuid.uuid4().hex[:6]}"
    with maker(primary) as registry:
        image = registry.image(repository, "v1", layers=1)
    for site in secondaries:
        with maker(site) as registry:

            def arrived(site: Site = site) -> bool:
                return (site.item(repository, "row") or {}).get("state") == "2"

            eventually(arrived, what=f"the image at {site.name}")
            for tag in ("own", "adopted"):
                registry.image(repository, tag, layers=1)
        assert geosync(site, "resync", repository).code == 0
    for site in secondaries:
        sync_registry = geosync.deployed(site).sync_registry

        def found(sync_registry: SyncRegistry = sync_registry) -> bool:
            return bool(deletions.extras(sync_registry, repository=repository))

        eventually(found, what=f"the extra tags at {site.name}")
    return Made(repository, image.digest)


@pytest.fixture(scope="module")
def secrets(sites: list[Site]) -> frozenset[str]:
    """The tokens and the password of the stack."""
    words = [*(site.token() for site in sites), sites[0].about["password"]]
    words += [site.about[f"admin_{right}_token"] for site in sites for right in ("read", "act")]
    assert all(words)
    return frozenset(words)


def test_every_command_is_run_here() -> None:
    assert set(CASES) == COMMANDS


@pytest.mark.parametrize("name", CASES)
def test_a_command_runs_in_a_pipe_and_on_a_terminal(
    name: str, geosync: Geosync, primary: Site, secondaries: list[Site], made: Made, secrets: frozenset[str]
) -> None:
    ways = [
        Run(geosync, primary, site, made, on_a_terminal, secrets)
        for site, on_a_terminal in zip(secondaries, (True, False), strict=True)
    ]
    with ThreadPoolExecutor(len(ways)) as pool:
        list(pool.map(CASES[name], ways))
    for run in ways:
        assert any(arguments[: len(name.split())] == tuple(name.split()) for arguments in run.ran)
