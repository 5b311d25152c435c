"""Absent manifests, names that must not get into a URL, and pings."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from tests.support.scripted import Reply, Script, ScriptedServer

from geosync.errors import ConfigurationError, NotFound, RegistryUnavailable
from geosync.oci import media_types
from geosync.oci.client import RegistryClient
from geosync.oci.manifests import Descriptor

DATA = b"layer" * 1000
DIGEST = "sha256:" + hashlib.sha256(DATA).hexdigest()


API = ("Docker-Distribution-Api-Version", "registry/2.0")
BEFORE = {
    "nginx": Reply(status=404, headers=[("Content-Type", "text/html")], body=b"<html>no such site</html>"),
    "Traefik": Reply(status=404, headers=[("Content-Type", "text/plain; charset=utf-8")], body=b"404 page not found\n"),
    "Kong": Reply(
        status=404,
        headers=[("Content-Type", "application/json"), ("Server", "kong")],
        body=b'{"message":"no Route matched with those values"}',
    ),
    "a wrong prefix": Reply(
        status=404, headers=[API, ("Content-Type", "text/plain; charset=utf-8")], body=b"404 page not found\n"
    ),
    "Istio": Reply(status=404, headers=[("Server", "istio-envoy")]),
}
"""404s of what stands before a registry that is away, by whose they are."""

Servers = Callable[[Script], ScriptedServer]
Clients = Callable[..., RegistryClient]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=404),
        Reply(status=404, headers=[API]),
        Reply(status=404, body=b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}'),
        Reply(status=404, body=b'{"errors":[{"code":"NAME_UNKNOWN"}]}'),
        Reply(status=404, body=b'{"errors":[{"code":"NOT_FOUND"}]}'),
    ],
)
def test_a_registrys_own_404_is_an_absence(server: Servers, client: Clients, reply: Reply) -> None:
    one = client(server(lambda request: Reply() if request.target == "/v2/" else reply).url)
    assert one.get_manifest("a/b", "v1") is None
    assert one.head_manifest("a/b", "v1") is None
    one.delete_manifest("a/b", "v1")
    with pytest.raises(NotFound):
        list(one.tags("a/b"))


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
def test_a_404_of_something_before_the_registry_is_not_an_absence(
    server: Servers, client: Clients, before: Reply
) -> None:
    one = client(server(lambda request: Reply(headers=[API]) if request.target == "/v2/" else before).url)
    for ask in (one.get_manifest, one.head_manifest, lambda name, _: list(one.tags(name))):
        with pytest.raises(RegistryUnavailable, match=r"not a registry's|not be the registry's"):
            ask("a/b", "v1")
    if before.body:
        with pytest.raises(RegistryUnavailable):
            one.delete_manifest("a/b", "v1")


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=404),
        Reply(status=404, headers=[API]),
        Reply(status=404, body=b'{"errors":[{"code":"BLOB_UNKNOWN"}]}'),
        Reply(status=404, body=b'{"errors":[{"code":"NAME_UNKNOWN"}]}'),
        Reply(status=404, body=b'{"errors":[{"code":"NOT_FOUND"}]}'),
    ],
)
def test_a_registry_says_itself_that_it_lacks_a_blob(server: Servers, client: Clients, reply: Reply) -> None:
    one = client(server(lambda request: Reply() if request.target == "/v2/" else reply).url)
    assert one.lacks_blob("a/b", DIGEST)


@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
def test_something_before_the_registry_does_not_say_that_it_lacks_a_blob(
    server: Servers, client: Clients, before: Reply
) -> None:
    one = client(server(lambda request: Reply(headers=[API]) if request.target == "/v2/" else before).url)
    with pytest.raises(RegistryUnavailable, match=r"not a registry's|not be the registry's"):
        one.lacks_blob("a/b", DIGEST)


def test_a_blob_that_a_stray_404_denied_is_there(server: Servers, client: Clients) -> None:
    registry = server(lambda request: Reply(body=DATA) if request.method == "GET" else BEFORE["nginx"])
    assert not client(registry.url).lacks_blob("a/b", DIGEST)


def test_of_a_registry_that_never_names_its_api_a_404_costs_a_look_at_the_manifest(
    server: Servers, client: Clients
) -> None:
    registry = server(lambda _: Reply(status=404, body=b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}'))
    assert client(registry.url).head_manifest("a/b", "v1") is None
    assert [one.method for one in registry.requests] == ["HEAD", "GET"]


def test_a_head_without_a_digest_is_made_good_by_a_get(server: Servers, client: Clients) -> None:
    content = b'{"manifests":[]}'
    reply = Reply(body=content, headers=[("Content-Type", media_types.OCI_INDEX)])
    head = client(server(lambda _: reply).url).head_manifest("a/b", "v1")
    assert head == Descriptor(
        media_type=media_types.OCI_INDEX,
        digest="sha256:" + hashlib.sha256(content).hexdigest(),
        size=len(content),
    )


@pytest.mark.parametrize("name", ["", "../x", "a/../b", "A/b", "a b", "a?x=1", "a/b\r\n", "a//b", "/a", "a" * 256])
def test_no_other_name_gets_into_a_url(server: Servers, client: Clients, name: str) -> None:
    registry = server(lambda _: Reply())
    one = client(registry.url)
    for ask in (
        lambda: one.head_manifest(name, "v1"),
        lambda: one.head_blob(name, DIGEST),
        lambda: one.begin_upload(name),
        lambda: one.begin_upload("a/b", mount=DIGEST, mount_from=name),
        lambda: list(one.tags(name)),
        lambda: one.referrers(name, DIGEST),
    ):
        with pytest.raises(ValueError, match="not a repository name"):
            ask()
    assert registry.requests == []


@pytest.mark.parametrize("reference", ["", "..", "v1/../../x", "v1?x", "sha256:zz", "a" * 129, "-x"])
def test_no_other_reference_gets_into_a_url(server: Servers, client: Clients, reference: str) -> None:
    registry = server(lambda _: Reply())
    with pytest.raises(ValueError, match="tag"):
        client(registry.url).get_manifest("a/b", reference)
    assert registry.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "registry:5000",
        "ftp://h",
        "http://",
        "https://u:hunter2@h",
        "https://h/path",
        "https://h?x",
        "https://h:port",
        "http://h#f",
    ],
)
def test_a_registrys_url_is_a_scheme_and_a_host(client: Clients, url: str) -> None:
    with pytest.raises(ConfigurationError, match="URL") as caught:
        client(url)
    assert "hunter2" not in str(caught.value)


def test_a_ping_says_what_is_wrong(server: Servers, client: Clients) -> None:
    with pytest.raises(RegistryUnavailable, match="no registry API"):
        client(server(lambda _: Reply(status=404)).url).ping()
    with pytest.raises(RegistryUnavailable, match="503"):
        client(server(lambda _: Reply(status=503)).url).ping()
