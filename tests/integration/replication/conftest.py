"""Real registries for the copier, each seen through a counting proxy."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from local.registries import RegistrySpec, RunningRegistry, start
from tests.integration.replication.plain import Plain
from tests.support.proxy import CountingProxy

from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Anonymous, Credentials
from geosync.oci.deadline import Deadline
from geosync.oci.manifests import Manifest
from geosync.replication.capabilities import Capabilities
from geosync.replication.copy import Copier, CopyResult


@pytest.fixture(scope="session")
def source_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    registry = start(RegistrySpec(name="source"), tmp_path_factory.mktemp("source"))
    yield registry
    registry.stop()


@pytest.fixture(scope="session")
def destination_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    registry = start(RegistrySpec(name="destination"), tmp_path_factory.mktemp("destination"))
    yield registry
    registry.stop()


class Way:
    """From a source to a destination, one repository of each test's own, with what is needed to look at both."""

    def __init__(
        self,
        source: RunningRegistry,
        destination: RunningRegistry,
        *,
        latency: float = 0.0,
        reading: Credentials | None = None,
        writing: Credentials | None = None,
    ) -> None:
        self.repository = f"team/{uuid.uuid4().hex[:10]}"
        self.source_proxy = CountingProxy(source.url, latency=latency)
        self.destination_proxy = CountingProxy(destination.url)
        self.deadline = Deadline()
        self.reader = RegistryClient(self.source_proxy.url, reading or Anonymous(), deadline=self.deadline)
        self.writer = RegistryClient(
            self.destination_proxy.url, writing or Anonymous(), deadline=self.deadline, writes=True
        )
        self.source = Plain(source.url, self.repository)
        self.destination = Plain(destination.url, self.repository)
        self.capabilities = Capabilities()

    def close(self) -> None:
        self.reader.close()
        self.writer.close()
        self.source.close()
        self.destination.close()
        self.source_proxy.close()
        self.destination_proxy.close()

    @contextmanager
    def copier(self) -> Iterator[Copier]:
        with Copier(
            self.reader,
            self.repository,
            self.writer,
            self.repository,
            before_tag_write=lambda: None,
            capabilities=self.capabilities,
        ) as copier:
            yield copier

    def look(self, reference: str) -> Manifest:
        manifest = self.reader.get_manifest(self.repository, reference)
        assert manifest is not None
        return manifest

    def copy(self, tag: str) -> CopyResult:
        """Do what a holder does for one tag: look at the source, copy, look at the destination."""
        manifest = self.look(tag)
        with self.copier() as copier:
            result = copier.copy(manifest, tag)
        seen = self.writer.head_manifest(self.repository, tag)
        assert seen is not None
        assert seen.digest == manifest.digest
        return result

    def requests(self) -> int:
        return self.source_proxy.total() + self.destination_proxy.total()

    def reset(self) -> None:
        self.source_proxy.reset()
        self.destination_proxy.reset()


@pytest.fixture
def way(source_registry: RunningRegistry, destination_registry: RunningRegistry) -> Iterator[Way]:
    way = Way(source_registry, destination_registry)
    yield way
    way.close()
