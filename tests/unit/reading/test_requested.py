"""A client's request: what is a read, what is none, and what of it reaches the site's registry."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from geosync.reading.own_registry import _own_link
from geosync.reading.refusals import ReadRefusal
from geosync.reading.requested import MOST_AUTHORIZATION, MOST_QUERY, read_request

DIGEST = f"sha256:{'a' * 64}"


def event(method: str, path: str, query: dict[str, str] | None = None, **headers: str) -> dict[str, Any]:
    return {"httpMethod": method, "path": path, "queryStringParameters": query, "headers": headers}


@pytest.mark.parametrize(
    ("path", "kind", "repository", "reference"),
    [
        ("/v2", "ping", "", ""),
        ("/v2/", "ping", "", ""),
        ("/v2/group/app/manifests/v1", "manifest", "group/app", "v1"),
        (f"/v2/app/manifests/{DIGEST}", "manifest", "app", DIGEST),
        (f"/v2/a/manifests/b/blobs/{DIGEST}", "blob", "a/manifests/b", DIGEST),
        ("/v2/group/app/tags/list", "tags", "group/app", ""),
        (f"/v2/group/app/referrers/{DIGEST}", "referrers", "group/app", DIGEST),
    ],
)
def test_each_read_of_the_specification_is_known(path: str, kind: str, repository: str, reference: str) -> None:
    asked = read_request(event("GET", path))
    assert (asked.kind, asked.repository, asked.reference) == (kind, repository, reference)
    assert asked.target == (path if kind != "ping" else "/v2/")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("PUT", "/v2/group/app/manifests/v1", 405, "UNSUPPORTED"),
        ("POST", "/v2/group/app/blobs/uploads/", 405, "UNSUPPORTED"),
        ("DELETE", "/v2/group/app/manifests/v1", 405, "UNSUPPORTED"),
        ("GET", f"/v2/{'a' * 300}/manifests/v1", 400, "NAME_INVALID"),
        ("GET", f"/v2/{'a/' * 1000}manifests/v1", 400, "NAME_INVALID"),
        ("GET", "/v2/Group/app/manifests/v1", 400, "NAME_INVALID"),
        ("GET", "/v2/group/../app/manifests/v1", 400, "NAME_INVALID"),
        ("GET", "/v2/group%2fapp/manifests/v1", 400, "NAME_INVALID"),
        ("GET", "/v2/group/app\r\nX: y/manifests/v1", 404, "UNSUPPORTED"),
        ("GET", "/v2/group/app/manifests/-v1", 400, "TAG_INVALID"),
        ("GET", "/v2/group/app/manifests/v1?x", 400, "TAG_INVALID"),
        ("GET", "/v2/group/app/blobs/v1", 400, "DIGEST_INVALID"),
        ("GET", "/v2/group/app/referrers/sha256:aa", 400, "DIGEST_INVALID"),
        ("GET", "/v2/_catalog", 404, "UNSUPPORTED"),
        ("GET", "/", 404, "UNSUPPORTED"),
        ("GET", "//169.254.169.254/latest", 404, "UNSUPPORTED"),
    ],
)
def test_everything_else_is_refused_in_the_registry_s_form(method: str, path: str, status: int, code: str) -> None:
    with pytest.raises(ReadRefusal) as refused:
        read_request(event(method, path))
    assert (refused.value.status, refused.value.code) == (status, code)
    assert f'"code": "{code}"' in refused.value.body


def test_a_manifest_is_not_served_in_ranges_and_a_blob_may_be() -> None:
    with pytest.raises(ReadRefusal) as refused:
        read_request(event("GET", "/v2/app/manifests/v1", Range="bytes=0-1"))
    assert refused.value.status == 416
    assert read_request(event("GET", f"/v2/app/blobs/{DIGEST}", Range="bytes=0-1")).kind == "blob"


def test_the_query_of_a_listing_reaches_the_registry_encoded_anew() -> None:
    given = {"n": "10", "last": "a b&c=d#e\u00e9"}
    target = read_request(event("GET", "/v2/app/tags/list", given)).target
    assert target == "/v2/app/tags/list?n=10&last=a+b%26c%3Dd%23e%C3%A9"
    referrers = read_request(event("GET", f"/v2/app/referrers/{DIGEST}", {"artifactType": "a/b"})).target
    assert referrers == f"/v2/app/referrers/{DIGEST}?artifactType=a%2Fb"
    for path in ("/v2/app/manifests/v1", f"/v2/app/blobs/{DIGEST}", "/v2/"):
        assert read_request(event("GET", path, given)).target == path
    with pytest.raises(ReadRefusal) as refused:
        read_request(event("GET", "/v2/app/tags/list", {"last": "a" * MOST_QUERY}))
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "page",
    [
        "last=v1&n=100",  # Distribution, Harbor, zot
        "n=100&last=eyJuZXh0Ijoi%2BL3YxIn0%3D",  # a token in the place of a tag, as Amazon ECR has it
        "next_page=gAAAAABl-_4%3D&n=50",  # Quay
        f"n=50&last={'t' * 700}",
        "n=1000000000",
    ],
)
def test_a_client_that_follows_the_registry_s_link_gets_the_page_that_it_names(page: str) -> None:
    """Else it would be given the first page again, and follow its link without an end."""
    link = f'<https://registry:5000/v2/app/tags/list?{page}>; rel="next"'
    given = _own_link(link, "https://registry:5000/v2/app/tags/list")
    assert given is not None
    parts = urlsplit(given.partition(">")[0].removeprefix("<"))
    asked = event("GET", parts.path, dict(parse_qsl(parts.query)))  # API Gateway decodes it
    assert parse_qsl(urlsplit(read_request(asked).target).query) == parse_qsl(page)


def test_the_authorization_header_is_found_in_any_case() -> None:
    assert read_request(event("GET", "/v2/", authorization="Bearer x")).authorization == "Bearer x"
    assert read_request(event("GET", "/v2/")).authorization is None


@pytest.mark.parametrize("text", ["Bearer x\r\nHost: other", "Bearer \x00", "x" * (MOST_AUTHORIZATION + 1), "Bäsic"])
def test_an_authorization_that_is_no_header_is_refused(text: str) -> None:
    with pytest.raises(ReadRefusal) as refused:
        read_request(event("GET", "/v2/", Authorization=text))
    assert refused.value.code == "UNAUTHORIZED"
    assert text not in refused.value.body


def test_a_request_does_not_show_its_authorization() -> None:
    assert "secret" not in repr(read_request(event("GET", "/v2/", Authorization="Bearer secret")))
