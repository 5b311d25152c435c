"""Listings page by page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pytest
from tests.support.scripted import Reply, Request, Script, ScriptedServer

from geosync.errors import (
    ContentError,
    NotFound,
    RegistryUnavailable,
    TooLarge,
)
from geosync.oci import listings, media_types
from geosync.oci.client import RegistryClient

DATA = b"layer" * 1000
DIGEST = "sha256:" + hashlib.sha256(DATA).hexdigest()


Servers = Callable[[Script], ScriptedServer]
Clients = Callable[..., RegistryClient]


def pages(*documents: tuple[object, str | None]) -> Script:
    def script(request: Request) -> Reply:
        number = int(request.target.partition("page=")[2] or "0")
        document, link = documents[number]
        headers = [("Link", link)] if link else []
        return Reply(body=json.dumps(document).encode(), headers=headers)

    return script


def test_pages_are_followed_as_their_links_say(server: Servers, client: Clients) -> None:
    registry = server(
        pages(
            ({"tags": ["v1", None, "v2", "-bad", "../x", 7]}, '</v2/a/b/tags/list?x=%2f&page=1>; rel="next"'),
            ({"tags": None}, "<list?page=2>; rel=next"),
            ({"tags": ["v3"]}, None),
        )
    )
    assert list(client(registry.url).tags("a/b")) == [["v1", "v2"], [], ["v3"]]
    assert [request.target for request in registry.requests] == [
        "/v2/a/b/tags/list?n=1000",
        "/v2/a/b/tags/list?x=%2f&page=1",
        "/v2/a/b/tags/list?page=2",
    ]


def test_a_link_to_another_host_is_not_followed(server: Servers, client: Clients) -> None:
    other = server(lambda _: Reply(body=b'{"tags":[]}'))
    registry = server(pages(({"tags": ["v1"]}, f'<{other.url}/v2/a/b/tags/list?page=1>; rel="next"')))
    listing = client(registry.url).tags("a/b")
    assert next(listing) == ["v1"]
    with pytest.raises(RegistryUnavailable, match="another host"):
        next(listing)
    assert other.requests == []


def test_pages_that_go_round_end(server: Servers, client: Clients) -> None:
    registry = server(
        lambda _: Reply(body=b'{"tags":["v1"]}', headers=[("Link", '</v2/a/b/tags/list?n=1000>; rel="next"')])
    )
    with pytest.raises(ContentError, match="circle"):
        list(client(registry.url).tags("a/b"))
    assert len(registry.requests) == 1


@pytest.mark.parametrize("kind", ["tags", "referrers"])
def test_pages_without_an_entry_end(server: Servers, client: Clients, kind: str) -> None:
    registry = server(lambda request: Reply(body=b"{}", headers=[("Link", f"<{request.target}1>; rel=next")]))
    one = client(registry.url)
    with pytest.raises(ContentError, match="100 pages in a row have no entry"):
        list(one.tags("a/b") if kind == "tags" else one.referrers("a/b", DIGEST) or ())
    assert len(registry.requests) == listings.MAX_EMPTY_PAGES


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(status=404, body=b'{"errors":[{"code":"NAME_UNKNOWN"}]}'), NotFound),
        (Reply(body=b"<html>"), RegistryUnavailable),
        (Reply(body=b"[]"), RegistryUnavailable),
        (Reply(body=b" " * (8 * 1024 * 1024 + 1)), TooLarge),
    ],
)
def test_a_malformed_listing_is_refused(server: Servers, client: Clients, reply: Reply, error: type[Exception]) -> None:
    with pytest.raises(error):
        list(client(server(lambda _: reply).url).tags("a/b"))


def test_the_catalogue_keeps_only_names(server: Servers, client: Clients) -> None:
    registry = server(pages(({"repositories": ["a/b", "../x", None, "UPPER"]}, None)))
    assert list(client(registry.url).repositories()) == [["a/b"]]
    assert registry.requests[0].target == "/v2/_catalog?n=1000"


def test_referrers_page_by_page(server: Servers, client: Clients) -> None:
    one = {"mediaType": media_types.OCI_MANIFEST, "digest": DIGEST, "size": 3, "artifactType": "application/x"}
    registry = server(
        pages(({"manifests": [one]}, f"</v2/a/b/referrers/{DIGEST}?page=1>; rel=next"), ({"manifests": []}, None))
    )
    found = client(registry.url).referrers("a/b", DIGEST)
    assert found is not None
    assert [(item.digest, item.size) for item in found] == [(DIGEST, 3)]


def test_a_registry_without_the_referrers_api_is_asked_once(server: Servers, client: Clients) -> None:
    registry = server(lambda _: Reply(status=404, body=b"404 page not found\n"))
    one = client(registry.url)
    assert one.referrers("a/b", DIGEST) is None
    assert one.referrers("a/b", DIGEST) is None
    assert len(registry.requests) == 1


def test_a_registry_that_does_not_know_the_name_is_asked_again(server: Servers, client: Clients) -> None:
    registry = server(lambda _: Reply(status=404, body=b'{"errors":[{"code":"NAME_UNKNOWN"}]}'))
    one = client(registry.url)
    assert one.referrers("a/b", DIGEST) is None
    assert one.referrers("a/b", DIGEST) is None
    assert len(registry.requests) == 2


def test_the_share_of_a_large_page_is_for_its_reading_and_an_attempts_own_until_that_ends(
    server: Servers, client: Clients
) -> None:
    tags = [f"v{number}" for number in range(20_000)]
    registry = client(server(lambda _: Reply(body=json.dumps({"tags": tags}).encode())).url)
    memory = registry.memory
    for page in registry.tags("a/b"):
        assert len(page) == len(tags)
        assert memory.steps.held == 0, "who has the page may wait for a share"
    assert memory.steps.most_held > 0
    with memory.attempt(registry.deadline):
        for _ in registry.tags("a/b"):
            assert memory.attempts.held > 0
        assert memory.attempts.held > 0, "what the attempt reads next needs no more"
    assert memory.attempts.held == 0
