"""Secrets of Azure's and Google's own forms, and where what they hold may be sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.vendors.tokens import jwt_of

from geosync.errors import ConfigurationError
from geosync.oci.signing import expires_at
from geosync.registries.exchange import checked_url, lifetime_s, renewal_s
from geosync.registries.secrets import RegistrySecret
from geosync.registries.vendors import find

KEY_FILE = {
    "type": "service_account",
    "project_id": "p",
    "private_key_id": "k",
    "private_key": "-----BEGIN PRIVATE KEY-----",
    "client_email": "geosync@p.iam.gserviceaccount.com",
    "client_id": "1",
    "auth_uri": "https://accounts.google.com/o/oauth2/auth",
    "token_uri": "https://oauth2.googleapis.com/token",
    "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
    "client_x509_cert_url": "https://www.googleapis.com/robot/v1/metadata/x509/x",
    "universe_domain": "googleapis.com",
}
FEDERATION = {
    "type": "external_account",
    "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b",
    "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
    "token_url": "https://sts.googleapis.com/v1/token",
    "credential_source": {"environment_id": "aws1", "regional_cred_verification_url": "https://sts.{region}.x"},
}
GITHUB = {"type": "github", "username": "octocat", "token": "s3cret-value", "owners": ["My-Org", "some_user"]}
PRINCIPAL = {"type": "service_principal", "tenant": "t", "client_id": "c", "client_secret": "s3cret-value"}


@pytest.mark.parametrize(
    ("vendor", "document"), [("gar", KEY_FILE), ("gar", FEDERATION), ("acr", PRINCIPAL), ("ghcr", GITHUB)]
)
def test_a_vendors_own_credentials_file_is_a_valid_secret(vendor: str, document: dict[str, Any]) -> None:
    access = RegistrySecret.parse(json.dumps(document), find("", vendor).SECRETS).credentials
    assert "s3cret-value" not in repr(access)
    assert "PRIVATE KEY" not in repr(access)


@pytest.mark.parametrize(
    ("vendor", "document", "problem"),
    [
        ("gar", {**KEY_FILE, "private_key": None}, "private_key is missing"),
        ("gar", {**KEY_FILE, "extra": "x"}, "'extra' is not a key of the type service_account"),
        ("gar", {**FEDERATION, "subject_token_type": "urn:other"}, "subject_token_type must be urn:ietf"),
        ("gar", {**FEDERATION, "credential_source": {"a": 1}}, "credential_source must be an object of texts"),
        ("acr", {**PRINCIPAL, "tenant": " "}, "tenant must be a text that is not empty"),
        ("acr", KEY_FILE, "type must be one of anonymous, basic, registry_key, service_principal"),
        ("ghcr", PRINCIPAL, "type must be one of anonymous, basic, registry_key, github"),
        ("ghcr", {**GITHUB, "owners": []}, "owners must be a list of names"),
        ("ghcr", {**GITHUB, "owners": "my-org"}, "owners must be a list of names"),
        ("ghcr", {**GITHUB, "owners": ["../user"]}, "username and owners must be names of accounts on GitHub"),
        ("ghcr", {**GITHUB, "token": None}, "token is missing"),
    ],
)
def test_a_secret_that_is_wrong_names_its_key(vendor: str, document: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        RegistrySecret.parse(json.dumps(document), find("", vendor).SECRETS)


@pytest.mark.parametrize(
    ("url", "registry", "allowed"),
    [
        ("https://sts.googleapis.com/v1/token", "https://europe-docker.pkg.dev", True),
        ("http://sts.googleapis.com/v1/token", "https://europe-docker.pkg.dev", False),
        ("http://127.0.0.1:1/token", "http://127.0.0.1:2", True),
        ("https://u:p@sts.googleapis.com/", "https://europe-docker.pkg.dev", False),
        ("file:///etc/passwd", "http://127.0.0.1:2", False),
        ("https:///token", "https://europe-docker.pkg.dev", False),
    ],
)
def test_a_secret_is_sent_over_tls_only(url: str, registry: str, allowed: bool) -> None:
    if allowed:
        assert checked_url(url, "token_url", registry) == url
        return
    with pytest.raises(ConfigurationError, match="token_url must be an https URL"):
        checked_url(url, "token_url", registry)


@pytest.mark.parametrize(
    ("claims", "ends"),
    [
        ({"exp": 1_795_499_108}, 1_795_499_108.0),
        ({"exp": 1.5}, 1.5),
        ({"exp": True}, None),
        ({"exp": "soon"}, None),
        ({}, None),
    ],
)
def test_a_token_says_when_it_ends(claims: dict[str, Any], ends: float | None) -> None:
    assert expires_at(jwt_of(claims)) == ends


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "a.W10.c", ""])
def test_the_end_of_an_unreadable_token_is_not_known(token: str) -> None:
    assert expires_at(token) is None


def test_a_borrowed_token_is_renewed_five_minutes_before_its_end_or_at_half_its_life() -> None:
    assert renewal_s(1000.0, 4600.0) == 4300.0
    assert renewal_s(1000.0, 1060.0) == 1030.0
    assert lifetime_s({"expires_in": 3599}, 60.0) == 3599.0
    assert [lifetime_s({"expires_in": odd}, 60.0) for odd in (None, True, 0, -1, "3599")] == [60.0] * 5
