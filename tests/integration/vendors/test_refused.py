"""A registry that refuses us: row and log name the registry, the request, its answer, and what to check."""

from __future__ import annotations

import logging
import re
from dataclasses import replace

import pytest
from local.certificates import KeyPair, signing_pair
from tests.integration.conftest import ISSUER, SERVICE, Place
from tests.integration.secondary import Secondary, pushed
from tests.integration.vendors.world import settle

from geosync.oci.credentials import Anonymous, Basic, Credentials, RegistryKey
from geosync.registries.registry import Registry

WRONG = Basic(username="geo", password="not-the-pw")
READER = Basic(username="reader", password="s3cret-reader")
MANIFEST = "GET /v2/{name}/manifests/v1"
TRUST = (
    r"401 UNAUTHORIZED invalid_token: does the registry trust the issuer {issuer}, the service {service} and the key "
)

#: The registry, what it is shown, and what is said (a request, an answer, and what to check) besides its name.
CASES: dict[str, tuple[str, Credentials | dict[str, str], str]] = {
    "no credentials": (
        "basic",
        Anonymous(),
        "authentication: 401 it asks for a user and a password, and the secret is of",
    ),
    "a wrong password": (
        "basic",
        WRONG,
        f"{MANIFEST}: 401 UNAUTHORIZED check the user and the password or token in the",
    ),
    "one that its token service refuses": (
        "token",
        WRONG,
        "GET token from 127.0.0.1: 401 UNAUTHORIZED incorrect username or password; check the user and the",
    ),
    "an untrusted certificate": (
        "tls",
        Anonymous(),
        f"{MANIFEST}: TLS: unable to get local issuer certificate: check its certificate, and ca_bundle in the",
    ),
    "an untrusted issuer": ("token", {"issuer": "somebody-else"}, f"{MANIFEST}: {TRUST}"),
    "another audience": ("token", {"service": "another"}, f"{MANIFEST}: {TRUST}"),
    "an untrusted key": ("token", {"private_key": ""}, f"{MANIFEST}: {TRUST}"),
}


def said(secondary: Secondary, repository: str, caplog: pytest.LogCaptureFixture) -> tuple[str, str]:
    """The failure of the owed reference, and the log's text."""
    (owed,) = secondary.owed(repository)
    reasons = [str(one.reason) for one in caplog.records if hasattr(one, "reason")]
    assert reasons, "nothing of it is in the log"
    return owed.failure or "", reasons[0]


@pytest.mark.parametrize("case", sorted(CASES))
def test_what_the_primary_s_registry_refuses(
    request: pytest.FixtureRequest,
    second_registry: Place,
    signing: KeyPair,
    repository: str,
    caplog: pytest.LogCaptureFixture,
    *,
    case: str,
) -> None:
    name, shown, expected = CASES[case]
    primary: Place = request.getfixturevalue(f"{name}_registry")
    key = {"private_key": signing.private_key, "issuer": ISSUER, "service": SERVICE}
    access = shown
    if isinstance(shown, dict):
        key |= shown
        private_key = key["private_key"] or signing_pair().private_key
        access = RegistryKey(private_key=private_key, issuer=key["issuer"], service=key["service"])
    assert not isinstance(access, dict)
    secondary = Secondary(second_registry, second_registry)
    secondary.registries.primary.close()
    # Past the proxy, which knows no TLS.
    reader = Registry(primary.url, access, deadline=secondary.deadline)
    secondary.registries = replace(secondary.registries, primary=reader)
    with primary.maker(seed=1) as make, caplog.at_level(logging.INFO, "secondary"):
        secondary.receive(pushed(make.image(repository, "v1", layers=1)))
        settle(secondary, repository)

    text = expected.format(name=repository, issuer=key["issuer"], service=key["service"])
    for one in said(secondary, repository, caplog):
        assert one.startswith(f"{primary.host}: {text}"), one
        assert not any(secret in one for secret in ("not-the-pw", "BEGIN", "eyJ"))
        if isinstance(shown, dict):
            assert re.search(r" (\w{4}:){11}\w{4}\?", one), "the whole of the key's id"
    secondary.close()


def test_an_account_that_may_not_write_is_told_apart_from_one_that_is_not_known(
    plain_registry: Place, token_registry: Place, repository: str, caplog: pytest.LogCaptureFixture
) -> None:
    secondary = Secondary(plain_registry, token_registry, accesses=(Anonymous(), READER))
    with plain_registry.maker(seed=1) as make, caplog.at_level(logging.INFO, "secondary"):
        secondary.receive(pushed(make.image(repository, "v1", layers=1)))
        settle(secondary, repository)
    text = (
        f"{secondary.registries.secondary.name}: POST /v2/{repository}/blobs/uploads/: 401 UNAUTHORIZED "
        f"insufficient_scope: check that the account may pull and push in repository {repository}"
    )
    for one in said(secondary, repository, caplog):
        assert one.startswith(text), one
    assert text in (secondary.row(repository).last_sync_failure or "")
    assert not secondary.sync_registry.holds(), "it is one repository that it may not write to, and not the registry"
    secondary.close()
