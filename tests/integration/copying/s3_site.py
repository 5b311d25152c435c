"""A secondary whose registry and whose primary's keep their layers in buckets, with what it asks of S3 counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.config import Config
from local.certificates import KeyPair
from local.registries import S3, RegistrySpec, RunningS3, TokenAuth
from local.token_service import TokenService
from tests.integration.conftest import ISSUER, SERVICE, Place, StartRegistry
from tests.integration.secondary import Secondary
from tests.support.s3_double import S3Double

from geosync.copying.s3.calls import S3Calls
from geosync.copying.s3.copier import S3Copier
from geosync.copying.s3.copies import PartSizes, ProvedCopies
from geosync.copying.s3.layout import Bucket
from geosync.oci.credentials import Anonymous, Basic

PRIMARY, LOCAL = Bucket("primary-layers", "eu/registry"), Bucket("local-layers")
LEAST = 100_000
"""The least layer of these tests; others have less."""
LARGE = 6 * 1024 * 1024
"""Bytes from which a layer of these tests is several parts, of 5 MiB and what is left."""
ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1}, max_pool_connections=64)


def client_of(url: str, config: Config = ONCE) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=config,
    )


@dataclass(kw_only=True)
class S3Site:
    """Two registries on S3, and the S3 that the function reaches."""

    primary: Place
    secondary: Place
    double: S3Double
    store: Any
    """A client of the S3 behind the double, for what a test puts there or looks for."""

    def copier(self, one: Secondary, *, source: Bucket = PRIMARY, destination: Bucket = LOCAL) -> S3Copier:
        sizes = PartSizes(single=LARGE, part=5 * 1024 * 1024)
        copies = ProvedCopies(client_of(self.double.url), source, destination, calls=S3Calls(), sizes=sizes)
        return S3Copier(copies, deadline=one.deadline, least_bytes=LEAST)

    def follow(self, one: Secondary, **buckets: Bucket) -> Secondary:
        """Make `one` copy inside S3."""
        one.s3 = self.copier(one, **buckets)
        one.open()
        return one

    def bytes_of(self, digest: str, bucket: Bucket = LOCAL) -> bytes | None:
        """The bytes under a blob's key."""
        try:
            answer = self.store.get_object(Bucket=bucket.name, Key=bucket.data_key(digest))
        except self.store.exceptions.NoSuchKey:
            return None
        content: bytes = answer["Body"].read()
        return content

    def is_linked(self, repository: str, digest: str) -> bool:
        key = LOCAL.link_key(repository, digest)
        found = self.store.list_objects_v2(Bucket=LOCAL.name, Prefix=key)
        return bool(found.get("Contents"))


@pytest.fixture(scope="session")
def s3_places(start_registry: StartRegistry, s3: RunningS3) -> tuple[Place, Place]:
    """The primary's registry in a directory of its bucket, the secondary's at the root of its own."""
    places = []
    for name, bucket in (("s3-primary", PRIMARY), ("s3-local", LOCAL)):
        s3.make_bucket(bucket.name)
        storage = S3(endpoint=s3.url, bucket=bucket.name, root=f"/{bucket.root}", redirect=False)
        places.append(Place(registry=start_registry(RegistrySpec(name=name, storage=storage))))
    return places[0], places[1]


@pytest.fixture
def s3_site(s3_places: tuple[Place, Place], s3: RunningS3) -> Iterator[S3Site]:
    with closing(S3Double(s3.url)) as double:
        yield S3Site(primary=s3_places[0], secondary=s3_places[1], double=double, store=client_of(s3.url))


@pytest.fixture
def s3_secondaries(s3_site: S3Site) -> Iterator[Callable[..., Secondary]]:
    """Make secondaries of the site that end with the test; their keywords are those of `S3Site.follow`."""
    made: list[Secondary] = []

    def make(**buckets: Bucket) -> Secondary:
        made.append(Secondary(s3_site.primary, s3_site.secondary))
        return s3_site.follow(made[-1], **buckets)

    yield make
    for one in made:
        one.close()


@pytest.fixture
def s3_secondary(s3_secondaries: Callable[..., Secondary]) -> Secondary:
    return s3_secondaries()


@pytest.fixture
def s3_tokens(
    s3_site: S3Site, start_registry: StartRegistry, s3: RunningS3, token_service: TokenService, signing: KeyPair
) -> Iterator[Secondary]:
    """A secondary whose registry has the same bucket, and asks for tokens with the scopes of each request."""
    storage = S3(endpoint=s3.url, bucket=LOCAL.name, root=f"/{LOCAL.root}", redirect=False)
    auth = TokenAuth(realm=token_service.realm, certificate=signing.certificate, service=SERVICE, issuer=ISSUER)
    registry = start_registry(RegistrySpec(name="s3-tokens", storage=storage, auth=auth))
    access = Basic(username="geo", password="s3cret-token")
    one = Secondary(s3_site.primary, registry, accesses=(Anonymous(), access))
    yield s3_site.follow(one)
    one.close()
