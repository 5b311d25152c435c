"""A registry leads nobody to this machine, to its neighbours on the link or to its metadata service.

The name is judged by what it resolves to, at the moment of connecting; the address that was judged is connected to.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.support.scripted import Reply, Request, ScriptedServer

from geosync.clock import SYSTEM_CLOCK
from geosync.errors import GeosyncError, RegistryError, RegistryUnavailable, Unauthorized
from geosync.oci import addresses
from geosync.oci.addresses import Egress
from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.oci.manifests import Descriptor, Manifest
from geosync.oci.media_types import OCI_MANIFEST
from geosync.oci.options import ClientOptions
from geosync.oci.uploads import Upload

DIGEST = "sha256:" + "1" * 64
BLOB = Descriptor(media_type="application/octet-stream", digest=DIGEST, size=3)
MANIFEST = Manifest.read(
    b'{"schemaVersion":2,"config":{"mediaType":"x","digest":"%s","size":1},"layers":[]}' % DIGEST.encode(), OCI_MANIFEST
)
FORBIDDEN = [
    *("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "0.0.0.0", "::"),
    *("169.254.169.254", "169.254.170.2", "::ffff:169.254.169.254", "fe80::1%lo", "fd00:ec2::254"),
    *("168.63.129.16", "100.100.100.200", "224.0.0.1"),
]


class Names:
    """A resolver of names; it lists what was connected to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str]]) -> None:
        self.names = names
        self.asked: list[str] = []
        self.connected: list[str] = []
        monkeypatch.setattr(socket, "getaddrinfo", self._resolve)
        monkeypatch.setattr(socket.socket, "connect", self._connect)

    def _resolve(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        families = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(families[":" in one], socket.SOCK_STREAM, 6, "", (one, port)) for one in self.names[host]]

    def _connect(self, address: tuple[str, int]) -> None:
        self.connected.append(address[0])


def connect(host: str, home: str | None) -> None:
    addresses.connect(host, 443, egress=Egress(home=home), clock=SYSTEM_CLOCK, seconds=5, left=lambda: 60).close()


@pytest.mark.parametrize("address", FORBIDDEN)
def test_a_name_that_stands_for_a_forbidden_address_is_not_connected_to(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = Names(monkeypatch, {"evil.example": [address], "registry.example": ["10.0.0.1"]})
    with pytest.raises(addresses.ForbiddenAddress):
        connect("evil.example", home="registry.example")
    assert names.connected == []


def test_the_judged_address_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that stands for something else when it is asked again is not asked again."""
    names = Names(monkeypatch, {"cdn.example": ["127.0.0.1", "198.51.100.7"], "registry.example": ["10.0.0.1"]})
    connect("cdn.example", home="registry.example")
    assert names.connected == ["198.51.100.7"]
    assert names.asked.count("cdn.example") == 1


@pytest.mark.parametrize("home", ["registry.example", None])
def test_an_operator_may_name_any_host(home: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(monkeypatch, {"registry.example": ["127.0.0.1"], "sts.example": ["127.0.0.1"]})
    connect("registry.example", home=home)
    connect("sts.example", home=home)  # where the registry itself is
    assert names.connected == ["127.0.0.1", "127.0.0.1"]


@pytest.fixture
def elsewhere() -> Iterator[ScriptedServer]:
    """A forbidden target: another address of this machine than the registry's."""
    with ScriptedServer(lambda _: Reply(body=b'{"token": "x"}'), address="127.0.0.2") as server:
        yield server


@pytest.fixture
def lead(elsewhere: ScriptedServer) -> Iterator[Callable[[Callable[[Request], Reply]], RegistryClient]]:
    """Make the client of a registry with this answer; it may ask token services on `realm_hosts` and go to `hosts`."""
    made: list[Any] = []

    def begin(
        script: Callable[[Request], Reply], *, realm_hosts: tuple[str, ...] = (), hosts: tuple[str, ...] = ()
    ) -> RegistryClient:
        server = ScriptedServer(script)
        options = ClientOptions(allowed_hosts=hosts)
        client = RegistryClient(
            server.url, Anonymous(realm_hosts=realm_hosts), deadline=Deadline(), writes=True, options=options
        )
        made.extend([client, server])
        return client

    yield begin
    for one in made:
        one.close()


WAYS: dict[str, Callable[[RegistryClient, str], object]] = {
    "redirect": lambda client, _: client.open_blob("a/b", BLOB),
    "link": lambda client, _: list(client.tags("a/b")),
    "location": lambda client, url: client.put_blob(Upload(repository="a/b", location=f"{url}/up"), DIGEST, Three()),
    "realm": lambda client, _: client.head_manifest("a/b", "realm"),
}


class Three:
    """Three bytes to upload."""

    def __init__(self) -> None:
        self._left = b"abc"

    def __len__(self) -> int:
        return 3

    def read(self, _size: int, /) -> bytes:
        data, self._left = self._left, b""
        return data


@pytest.mark.parametrize("way", WAYS)
def test_a_registry_leads_nobody_to_another_loopback_address(
    way: str, elsewhere: ScriptedServer, lead: Callable[..., RegistryClient]
) -> None:
    with pytest.raises(RegistryUnavailable, match=r"loopback, link-local or metadata|at another host"):
        WAYS[way](lead(leading(elsewhere.url), realm_hosts=("127.0.0.2",)), elsewhere.url)
    assert elsewhere.requests == []


def leading(url: str) -> Callable[[Request], Reply]:
    """The answers by which a registry can send a client to `url`."""

    def script(request: Request) -> Reply:
        if request.target.endswith("/realm"):
            return Reply(status=401, headers=[("WWW-Authenticate", f'Bearer realm="{url}/token"')])
        if "/tags/list" in request.target:
            return Reply(body=b'{"tags": []}', headers=[("Link", f'<{url}/v2/a/b/tags/list>; rel="next"')])
        return Reply(status=307, headers=[("Location", f"{url}/blob")])

    return script


@dataclass
class Beside:
    """Another host at the registry's address, which is therefore not forbidden; `asked`: the resolved names."""

    url: str
    requests: list[Request]
    asked: list[str]


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> Iterator[Beside]:
    resolve = socket.getaddrinfo
    asked: list[str] = []

    def listing(host: str, port: int, **more: Any) -> list[Any]:
        asked.append(host)
        return resolve("127.0.0.1", port, **more)

    monkeypatch.setattr(socket, "getaddrinfo", listing)
    with ScriptedServer(lambda _: Reply(body=b'{"token": "x"}')) as server:
        yield Beside(server.url.replace("127.0.0.1", "storage.example.com"), server.requests, asked)


def test_an_anonymous_client_asks_no_token_service_that_nobody_named(
    beside: Beside, lead: Callable[..., RegistryClient]
) -> None:
    with pytest.raises(Unauthorized, match=r"its token service is at storage\.example\.com: add it to realm_hosts"):
        WAYS["realm"](lead(leading(beside.url)), beside.url)
    assert beside.requests == []
    with pytest.raises(Unauthorized):  # the registry refuses the token, too
        WAYS["realm"](lead(leading(beside.url), realm_hosts=("storage.example.com",)), beside.url)
    assert beside.requests[0].target.startswith("/token")


@pytest.mark.parametrize("way", ["redirect", "realm"])
def test_a_registry_leads_nowhere_but_to_the_allowed_hosts(
    way: str, beside: Beside, lead: Callable[..., RegistryClient]
) -> None:
    named = {"realm_hosts": ("storage.example.com",)}
    with pytest.raises(RegistryUnavailable, match="a host that AllowedHosts does not name"):
        WAYS[way](lead(leading(beside.url), hosts=("cdn.example.com", "*.storage.example.com"), **named), beside.url)
    assert beside.requests == []
    assert "storage.example.com" not in beside.asked
    with contextlib.suppress(GeosyncError):
        WAYS[way](lead(leading(beside.url), hosts=("*.example.com",), **named), beside.url)
    assert beside.requests != []


def test_an_allowed_host_is_a_name_a_name_with_a_port_or_all_names_of_a_domain() -> None:
    egress = Egress(home="registry.example.com", hosts=("a.example.com", "b.example.com:8443", "*.s3.example.com"))
    for host, port in [("registry.example.com", 443), ("a.example.com", 80), ("b.example.com", 8443)]:
        assert egress.permits(host, port)
    assert egress.permits("x.y.s3.example.com", 443)
    for host in ("b.example.com", "s3.example.com", "evils3.example.com", "a.example.com.evil.example"):
        assert not egress.permits(host, 443)


def test_a_body_is_not_sent_on_to_another_host(lead: Callable[..., RegistryClient]) -> None:
    with ScriptedServer(lambda _: Reply(status=201)) as other:
        client = lead(lambda _: Reply(status=307, headers=[("Location", f"{other.url}/v2/a/b/manifests/v1")]))
        with pytest.raises(RegistryUnavailable, match="another host"):
            client.put_manifest("a/b", "v1", MANIFEST)
        assert other.requests == []


@pytest.mark.parametrize("location", ["http://[::1", "http://a b/", "https://[x]/", "//", "http://a:99999/"])
def test_a_location_that_is_no_address_is_an_error_of_ours(location: str, lead: Callable[..., RegistryClient]) -> None:
    client = lead(lambda _: Reply(status=307, headers=[("Location", location)]))
    with pytest.raises(RegistryError):
        client.open_blob("a/b", BLOB)


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "1e3", "0x10", "18446744073709551616"])
def test_a_length_that_is_no_length_is_an_error_of_ours(length: str, lead: Callable[..., RegistryClient]) -> None:
    client = lead(lambda _: Reply(headers=[("Content-Length", length)], length=-1, close=True))
    with pytest.raises(RegistryUnavailable):
        client.head_blob("a/b", DIGEST)
