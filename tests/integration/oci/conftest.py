"""Scripted servers and clients that end with the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.support.scripted import Script, ScriptedServer

from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Anonymous, Credentials
from geosync.oci.deadline import Deadline


@pytest.fixture
def server() -> Iterator[Callable[[Script], ScriptedServer]]:
    made: list[ScriptedServer] = []

    def begin(script: Script) -> ScriptedServer:
        made.append(ScriptedServer(script))
        return made[-1]

    yield begin
    for one in made:
        one.close()


@pytest.fixture
def client(deadline: Deadline) -> Iterator[Callable[..., RegistryClient]]:
    made: list[RegistryClient] = []

    def begin(url: str, credentials: Credentials = Anonymous(), **more: object) -> RegistryClient:  # noqa: B008
        made.append(RegistryClient(url, credentials, **{"deadline": deadline, **more}))  # type: ignore[arg-type]
        return made[-1]

    yield begin
    for one in made:
        one.close()
