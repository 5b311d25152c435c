"""Real registries for the integration tests: each is started when a test first asks for it, and ends with the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest
from local.certificates import KeyPair, authority, server_pair, signing_pair
from local.registries import (
    S3,
    BasicAuth,
    RegistrySpec,
    RunningRegistry,
    RunningS3,
    TokenAuth,
    start,
    start_s3,
)
from local.token_service import Account, TokenRules, TokenService
from tests.support.images import ImageMaker
from tests.support.proxy import CountingProxy

from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Anonymous, Basic, Credentials, RegistryKey
from geosync.oci.deadline import Deadline
from geosync.oci.options import ClientOptions

ISSUER = "geosync-test"
SERVICE = "container_registry"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A registry with a client's credentials; `username` is empty where it asks for none."""

    registry: RunningRegistry
    credentials: Credentials = field(default_factory=Anonymous)
    username: str = ""
    password: str = ""
    ca_bundle: str | None = None

    @property
    def url(self) -> str:
        return self.registry.url

    @property
    def host(self) -> str:
        return self.registry.host

    def maker(self, seed: int = 0) -> ImageMaker:
        """Return what pushes images here."""
        return ImageMaker(
            self.url,
            seed=seed,
            username=self.username,
            password=self.password,
            verify=self.ca_bundle or True,
        )


@pytest.fixture(scope="session")
def start_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[RegistrySpec], RunningRegistry]]:
    """Start registries that end with the session."""
    running: list[RunningRegistry] = []

    def begin(spec: RegistrySpec) -> RunningRegistry:
        running.append(start(spec, tmp_path_factory.mktemp(spec.name)))
        return running[-1]

    yield begin
    for one in running:
        one.stop()


StartRegistry = Callable[[RegistrySpec], RunningRegistry]


@pytest.fixture(scope="session")
def plain_registry(start_registry: StartRegistry) -> Place:
    """A registry on the file system, without a password; it takes schema 1 and foreign layers of example.com."""
    spec = RegistrySpec(name="plain", schema1=True, foreign_urls=("^https://example\\.com/",))
    return Place(registry=start_registry(spec))


@pytest.fixture(scope="session")
def second_registry(start_registry: StartRegistry) -> Place:
    """Another registry like `plain_registry`, to copy to."""
    spec = RegistrySpec(name="second", schema1=True, foreign_urls=("^https://example\\.com/",))
    return Place(registry=start_registry(spec))


@pytest.fixture(scope="session")
def strict_registry(start_registry: StartRegistry) -> Place:
    """A registry as the Debian package configures it: no schema 1, no foreign layers."""
    return Place(registry=start_registry(RegistrySpec(name="strict")))


@pytest.fixture(scope="session")
def basic_registry(start_registry: StartRegistry) -> Place:
    """A registry with a user and a password."""
    spec = RegistrySpec(name="basic", auth=BasicAuth(users={"geo": "s3cret-basic"}))
    return Place(
        registry=start_registry(spec),
        credentials=Basic(username="geo", password="s3cret-basic"),
        username="geo",
        password="s3cret-basic",
    )


@pytest.fixture(scope="session")
def signing() -> KeyPair:
    """The key that the token-authenticated registry trusts."""
    return signing_pair()


@pytest.fixture(scope="session")
def token_service(signing: KeyPair) -> Iterator[TokenService]:
    """The token service: `geo` may do everything, `reader` only pull, and only below team/."""
    accounts = {
        "geo": Account(password="s3cret-token"),
        "reader": Account(password="s3cret-reader", allowed={"team/*": ["pull"]}),
    }
    rules = TokenRules(pair=signing, accounts=accounts, service=SERVICE, issuer=ISSUER)
    with TokenService(rules) as service:
        yield service


@pytest.fixture(scope="session")
def token_registry(start_registry: StartRegistry, token_service: TokenService, signing: KeyPair) -> Place:
    """A registry with a token service that also trusts tokens of our own."""
    auth = TokenAuth(realm=token_service.realm, certificate=signing.certificate, service=SERVICE, issuer=ISSUER)
    return Place(
        registry=start_registry(RegistrySpec(name="token", auth=auth)),
        credentials=Basic(username="geo", password="s3cret-token"),
        username="geo",
        password="s3cret-token",
    )


@pytest.fixture(scope="session")
def registry_key(signing: KeyPair) -> RegistryKey:
    """Credentials that sign for `token_registry` themselves."""
    return RegistryKey(private_key=signing.private_key, issuer=ISSUER, service=SERVICE)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningS3]:
    """An S3 in a process of its own, with the bucket `registries`."""
    running = start_s3(tmp_path_factory.mktemp("s3"))
    running.make_bucket("registries")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def s3_registry(start_registry: StartRegistry, s3: RunningS3) -> Place:
    """A registry on S3 that redirects readers of blobs to presigned URLs."""
    storage = S3(endpoint=s3.url, bucket="registries", root="/redirecting")
    return Place(registry=start_registry(RegistrySpec(name="s3-redirect", storage=storage)))


@pytest.fixture(scope="session")
def s3_direct_registry(start_registry: StartRegistry, s3: RunningS3) -> Place:
    """A registry on S3 that serves the bytes itself."""
    storage = S3(endpoint=s3.url, bucket="registries", root="/direct", redirect=False)
    return Place(registry=start_registry(RegistrySpec(name="s3-direct", storage=storage)))


@pytest.fixture(scope="session")
def tls_registry(start_registry: StartRegistry, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A registry with TLS, whose authority only `ca_bundle` knows."""
    ca = authority()
    bundle = tmp_path_factory.mktemp("ca") / "ca.crt"
    bundle.write_text(ca.certificate)
    spec = RegistrySpec(name="tls", tls=server_pair(ca))
    return Place(registry=start_registry(spec), ca_bundle=str(bundle))


@pytest.fixture
def deadline() -> Deadline:
    """A deadline that nobody has set."""
    return Deadline()


@pytest.fixture
def connect(deadline: Deadline) -> Iterator[Callable[..., RegistryClient]]:
    """Make clients that are closed with the test: `connect(place)`, `connect(place, url=proxy.url, writes=True)`."""
    made: list[RegistryClient] = []

    def client(place: Place, *, url: str | None = None, **more: object) -> RegistryClient:
        settings: dict[str, object] = {"deadline": deadline, **more}
        options = ClientOptions(ca_bundle=settings.pop("ca_bundle", place.ca_bundle))  # type: ignore[arg-type]
        credentials = settings.pop("credentials", place.credentials)
        made.append(RegistryClient(url or place.url, credentials, options=options, **settings))  # type: ignore[arg-type]
        return made[-1]

    yield client
    for one in made:
        one.close()


@pytest.fixture
def proxied() -> Iterator[Callable[[Place], CountingProxy]]:
    """Put a counting proxy in front of a registry for the length of a test."""
    made: list[CountingProxy] = []

    def proxy(place: Place, *, latency: float = 0.0) -> CountingProxy:
        made.append(CountingProxy(place.url, latency=latency))
        return made[-1]

    yield proxy
    for one in made:
        one.close()


_numbers = count(1)


@pytest.fixture
def repository() -> str:
    """Return a repository name that no other test of this run has."""
    return f"team/app-{next(_numbers)}"
