"""A secondary in moto between two real registries, at which everything that the primary has is here."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from local.registries import RegistrySpec, RunningRegistry, start
from tests.functional.cli.conftest import PlayedClock, Site
from tests.functional.cli.drill.parts import TOPIC, ChangeSets, Drilled

from geosync.cli.site import AwsAccess
from geosync.cli.site import StackSite as DeployedSite


@pytest.fixture(scope="package")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningRegistry, RunningRegistry]]:
    """The primary's and the secondary's; each test has a namespace of its own in them."""
    folder = tmp_path_factory.mktemp("drilled")
    dublin, frankfurt = (start(RegistrySpec(name=name), folder / name) for name in ("dublin", "frankfurt"))
    yield dublin, frankfurt
    for one in (dublin, frankfurt):
        one.stop()


@pytest.fixture
def cloudformation(monkeypatch: pytest.MonkeyPatch) -> ChangeSets:
    made, clients = ChangeSets(), AwsAccess.client
    monkeypatch.setattr(
        AwsAccess,
        "client",
        lambda self, service, region=None: made if service == "cloudformation" else clients(self, service, region),
    )
    return made


@pytest.fixture
def drilled(
    secondary: Site,
    stacks: dict[str, DeployedSite],
    registries: tuple[RunningRegistry, RunningRegistry],
    cloudformation: ChangeSets,
    clock: PlayedClock,
) -> Iterator[Drilled]:
    """Two repositories are at both sites; a holder brings the canary while the command waits."""
    parameters: Any = stacks["geosync-test"].parameters
    for name, running in zip(("Primary", "Local"), registries, strict=True):
        parameters[f"{name}RegistryUrl"] = running.url
    namespace = f"n{uuid.uuid4().hex[:8]}"
    parameters |= {"PrimaryTopicArn": TOPIC, "SettleSeconds": "4", "IncludeRepositories": f"{namespace}/**"}
    secondary.well()
    with Drilled.open(secondary, registries, namespace) as one:
        for repository, tag in (("app", "v1"), ("app", "v2"), ("lib", "v1")):
            one.push(repository, tag)
            one.bring(repository, tag)
        clock.meanwhile = lambda: one.bring("canary", "frankfurt")
        yield one
