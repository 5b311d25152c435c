"""Nothing that the run printed holds a credential, and no function was denied anything.

These come last on each stack, as they read what the others caused.
"""

import json
import re
from pathlib import Path

import pytest
from tests.e2e.conftest import HALVES
from tests.e2e.parts import Site, printed

# A JSON web token, and the signature of a presigned URL (SigV4, SigV2).
PATTERNS = {
    "JWT": re.compile(r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
    "presigned URL": re.compile(r"X-Amz-Signature=[0-9a-f]{16,}|[?&]Signature=[\w%+/=]{16,}", re.IGNORECASE),
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "Basic credentials": re.compile(r"Basic [A-Za-z0-9+/]{12,}={0,2}"),
}

each_stack = pytest.mark.parametrize("half", HALVES)
"""Once for the stack of each worker; twice for the only one where there are no workers."""


def secrets_of(site: Site) -> dict[str, str]:
    """The secret values of a site, each with its description."""
    words = {f"{site.name}: notification token": site.token()}
    client = site.client("secretsmanager")
    for listed in client.list_secrets()["SecretList"]:
        text = client.get_secret_value(SecretId=listed["ARN"])["SecretString"]
        document = json.loads(text) if text.startswith("{") else {}
        if "password" in document:
            words[f"{listed['Name']}: password"] = document["password"]
        if "private_key" in document:
            # One line of it, as a log would show it on a line of its own or with its line breaks spelt out.
            words[f"{listed['Name']}: key"] = document["private_key"].splitlines()[1]
    return words


@each_stack
def test_no_log_holds_a_token_a_password_a_key_or_a_signature(state: Path, sites: list[Site], half: str) -> None:
    words = {name: word for site in sites for name, word in secrets_of(site).items()}
    assert len(words) == 3 + 2 + 1  # tokens, the pusher's and the reader's passwords, the signing key
    patterns = PATTERNS | {name: re.compile(re.escape(word)) for name, word in words.items()}
    looked_at = 0
    for place, text in printed(state, sites):
        looked_at += len(text)
        found = [name for name, pattern in patterns.items() if pattern.search(text)]
        assert not found, f"{place} holds {', '.join(found)}"
    # Otherwise the search itself would be what is missing.
    assert looked_at > 10_000


@each_stack
def test_no_function_was_denied_anything(sites: list[Site], half: str) -> None:
    for site in sites:
        for function in ("notifications", "sync", "reconcile", "admin"):
            denied = [line for line in site.log(function) if "AccessDenied" in json.dumps(line)]
            assert not denied
