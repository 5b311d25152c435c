"""A registry's secret, read or refused in one error that names the keys and no value."""

from __future__ import annotations

import json
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geosync.errors import ConfigurationError
from geosync.oci.credentials import Anonymous, Basic, RegistryKey
from geosync.registries.secrets import RegistrySecret

PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"

KEY = {"type": "registry_key", "private_key": "k", "issuer": "i", "service": "s"}


def parse(document: object) -> RegistrySecret:
    return RegistrySecret.parse(json.dumps(document))


def test_each_type_is_read() -> None:
    assert parse({"type": "anonymous"}).credentials == Anonymous()
    asking = parse({"type": "anonymous", "realm_hosts": ["auth.example.com"]}).credentials
    assert asking == Anonymous(realm_hosts=("auth.example.com",))
    assert parse(
        {"type": "basic", "username": "u", "password": "p", "realm_hosts": ["auth.example.com"]}
    ).credentials == Basic(username="u", password="p", realm_hosts=("auth.example.com",))
    assert parse(
        {"type": "registry_key", "private_key": "k", "issuer": "i", "service": "s", "lifetime": 60, "certificate": PEM}
    ).credentials == RegistryKey(private_key="k", issuer="i", service="s", lifetime_s=60.0, certificate=PEM)


def test_the_type_may_be_told_by_the_keys() -> None:
    assert isinstance(parse({"username": "u", "password": "p"}).credentials, Basic)
    assert isinstance(parse({"private_key": "k", "issuer": "i", "service": "s"}).credentials, RegistryKey)


def test_an_optional_key_has_a_default() -> None:
    read = parse({"type": "registry_key", "private_key": "k", "issuer": "i", "service": "s"})
    assert isinstance(read.credentials, RegistryKey)
    assert read.credentials.lifetime_s == 300.0
    assert read.credentials.certificate is None
    assert read.ca_bundle is None


def test_any_type_may_bring_certificates_to_trust() -> None:
    assert parse({"type": "anonymous", "ca_bundle": PEM}).ca_bundle == PEM


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({}, ["type"]),
        ({"type": "ecr"}, ["type", "basic"]),
        ({"type": "basic"}, ["username", "password"]),
        ({"type": "basic", "username": "", "password": " "}, ["username", "password"]),
        ({"type": "basic", "username": "a:b", "password": "p"}, ["username"]),
        ({"type": "basic", "username": "u", "password": "p", "realm_hosts": "h"}, ["realm_hosts"]),
        ({"type": "basic", "username": "u", "password": "p", "realm_hosts": ["https://h/"]}, ["realm_hosts"]),
        ({"type": "basic", "username": "u", "password": "p", "realm": "h"}, ["'realm'"]),
        ({"type": "registry_key"}, ["private_key", "issuer", "service"]),
        ({"type": "registry_key", "private_key": "k", "issuer": "i", "service": "s", "lifetime": 0}, ["lifetime"]),
        (
            {"type": "registry_key", "private_key": "k", "issuer": "i", "service": "s", "certificate": "x"},
            ["certificate"],
        ),
        ({"type": "anonymous", "ca_bundle": "/etc/ssl/x"}, ["ca_bundle"]),
        ({"type": "anonymous", "password": "p"}, ["password"]),
    ],
)
def test_one_error_names_every_key_that_is_missing_or_wrong(document: object, named: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(document)
    for key in named:
        assert key in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        'hunter2"',
        '["hunter2"]',
        '{"type": "hunter2"}',
        '{"type": "basic", "username": "hunter2"}',
        '{"type": "basic", "hunter2 pasted wrong": 1, "username": "u", "password": "hunter2"}',
        '{"type": "registry_key", "private_key": "hunter2", "lifetime": "hunter2"}',
        '{"type": "anonymous", "ca_bundle": "hunter2"}',
    ],
)
def test_no_value_of_a_secret_is_in_the_error_or_its_trace(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RegistrySecret.parse(text)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value)).replace(text, "")
    assert caught.value.__cause__ is None


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        RegistrySecret.parse(text)
    except ConfigurationError:
        return
    assert isinstance(json.loads(text), dict)


def test_no_text_of_a_secret_holds_its_values() -> None:
    read = parse({"type": "basic", "username": "u", "password": "hunter2", "ca_bundle": PEM})
    assert "hunter2" not in repr(read)
    assert "AAAA" not in repr(read)
