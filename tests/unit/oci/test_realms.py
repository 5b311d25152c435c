"""Token services that may be asked, and those to which nothing of ours may go."""

from __future__ import annotations

from urllib.parse import urljoin

import pytest

from geosync.oci.credentials import Anonymous, Basic, Credentials
from geosync.oci.realms import is_plain_path, objection

REGISTRY = "https://registry.example.com:5000"
ALONE = Basic(username="geo", password="s3cret")
NAMED = Basic(username="geo", password="s3cret", realm_hosts=("auth.example.com:443", "OTHER.example.com"))


@pytest.mark.parametrize(
    ("realm", "credentials"),
    [
        ("https://registry.example.com/token", ALONE),
        ("https://registry.example.com:8443/token", ALONE),
        ("https://auth.example.com/token", NAMED),
        ("https://AUTH.example.com:443/token", NAMED),
        ("https://other.example.com:8443/token", NAMED),
        ("https://registry.example.com/token", Anonymous()),
        ("https://auth.example.com/token", Anonymous(realm_hosts=("auth.example.com",))),
    ],
)
def test_a_token_service_that_may_be_asked(realm: str, credentials: Credentials) -> None:
    assert objection(realm, REGISTRY, credentials) is None


@pytest.mark.parametrize(
    ("realm", "credentials", "reason"),
    [
        ("https://auth.example.com/token", ALONE, "auth.example.com: add it to realm_hosts"),
        ("https://auth.example.com:8443/token", NAMED, "auth.example.com: add it to realm_hosts"),
        ("https://anywhere.example.com/token", Anonymous(), "anywhere.example.com: add it to realm_hosts"),
        ("http://registry.example.com/token", ALONE, "never go from https to http"),
        ("http://anywhere.example.com/token", Anonymous(), "never go from https to http"),
        ("https://u:p@registry.example.com/token", ALONE, "not an http or https URL"),
        ("https://registry.example.com/to ken", ALONE, "not an http or https URL"),
        ("https://registry.example.com:port/token", ALONE, "not a URL"),
    ],
)
def test_a_token_service_that_must_not_be_asked(realm: str, credentials: Credentials, reason: str) -> None:
    assert reason in (objection(realm, REGISTRY, credentials) or "")


@pytest.mark.parametrize(
    "path",
    ["/v2/", "/v2/a/b/manifests/v1.2", "/v2/a/blobs/uploads/?mount=sha256:aa&from=b/../c", "/v2/_catalog?n=1&last=/"],
)
def test_a_plain_path_is_joined_as_it_is(path: str) -> None:
    assert is_plain_path(path)
    assert urljoin(REGISTRY, path) == REGISTRY + path


@pytest.mark.parametrize(
    "path", ["", "v2/", "//else.where/", "/v2//a", "/v2/../a", "/v2/.a", "/v2/a b", "/v2/a\n", "/v2/ä", "/v2/#a", "?a"]
)
def test_a_path_that_may_lead_elsewhere_is_not_plain(path: str) -> None:
    assert not is_plain_path(path)
