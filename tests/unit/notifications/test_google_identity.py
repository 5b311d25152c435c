"""Which tokens are Google's for this site, and how often its keys are asked for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.google import AUDIENCE, SENDER, Google, new_google, new_key

from geosync.errors import KeysUnavailable
from geosync.notifications.proof.google_identity import (
    LEEWAY_SECONDS,
    MAX_AGE_SECONDS,
    REFETCH_SECONDS,
    PushIdentity,
)


class Site:
    """The check as a site makes it, with the keys' fetches counted and the clock in hand."""

    def __init__(self, google: Google) -> None:
        self.google = google
        self.clock = FakeClock()
        self.fetches = 0
        self.fails: Exception | None = None
        self.content: bytes | None = None
        self.failures: list[Exception] = []
        self.check = PushIdentity(
            audience=AUDIENCE,
            sender=SENDER,
            on_failure=self.failures.append,
            fetch=self.fetch,
            clock=self.clock,
        ).check

    def fetch(self) -> bytes:
        self.fetches += 1
        if self.fails is not None:
            raise self.fails
        return json.dumps(self.google.key_set()).encode() if self.content is None else self.content


@pytest.fixture(scope="module")
def google() -> Google:
    return new_google()


@pytest.fixture(scope="module")
def stranger() -> Any:
    return new_key()


@pytest.fixture
def site(google: Google) -> Site:
    return Site(google)


class Ago:
    """A time that is so many seconds before the test, not before its collection."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


def at(claim: Any) -> Any:
    return int(time.time() - claim.seconds) if isinstance(claim, Ago) else claim


@pytest.mark.parametrize(
    ("claims", "verdict"),
    [
        ({}, "allowed"),
        ({"iss": "accounts.google.com"}, "allowed"),
        ({"aud": [AUDIENCE, "https://other.example.com"]}, "allowed"),
        ({"exp": Ago(LEEWAY_SECONDS - 10)}, "allowed"),
        ({"exp": Ago(LEEWAY_SECONDS + 10)}, "expired"),
        ({"exp": None}, "not_a_token"),
        ({"iat": None}, "not_a_token"),
        ({"iat": Ago(-3600)}, "not_a_token"),
        ({"iss": "https://accounts.google.com.evil.example.com"}, "wrong_issuer"),
        ({"iss": None}, "not_a_token"),
        ({"aud": AUDIENCE + "/"}, "wrong_audience"),
        ({"aud": None}, "not_a_token"),
        ({"email": "somebody@else.iam.gserviceaccount.com"}, "wrong_sender"),
        ({"email": None}, "wrong_sender"),
        ({"email_verified": False}, "wrong_sender"),
        ({"email_verified": "true"}, "wrong_sender"),
        ({"email_verified": None}, "wrong_sender"),
    ],
)
def test_a_token_is_judged_by_each_of_its_claims(site: Site, claims: dict[str, Any], verdict: str) -> None:
    given = {name: at(claim) for name, claim in claims.items()}
    assert site.check(site.google.token(**given)) == verdict


def test_a_token_that_google_has_not_signed_is_refused(site: Site, stranger: Any) -> None:
    assert site.check(site.google.token(key=stranger)) == "bad_signature"
    assert site.check(site.google.token(key=stranger, kid="another")) == "unknown_key"
    head, claims, _ = site.google.token().split(".")
    assert site.check(f"{head}.{claims}.") == "bad_signature"
    # A key set is public: nothing may be checked with a key of it as the secret of an HMAC, nor unsigned.
    for algorithm, key in (("HS256", "x" * 32), ("none", ""), ("RS512", None)):
        assert site.check(site.google.token(algorithm=algorithm, key=key)) == "not_a_token"
    for text in ("", ".", "a.b.c", "é", "\ud800", site.google.token() + "x" * 10_000, f" {head}"):
        assert site.check(text) == "not_a_token"


def test_keys_are_kept_and_an_unknown_one_has_them_fetched_once_a_minute(site: Site, stranger: Any) -> None:
    for _ in range(5):
        assert site.check(site.google.token()) == "allowed"
    assert site.fetches == 1
    for number in range(20):
        assert site.check(site.google.token(key=stranger, kid=f"k-{number}")) == "unknown_key"
    assert site.fetches == 1
    site.clock.pass_(REFETCH_SECONDS)
    for number in range(20):
        assert site.check(site.google.token(key=stranger, kid=f"k-{number}")) == "unknown_key"
    assert site.fetches == 2


def test_a_new_key_of_google_s_is_found_and_an_old_one_forgotten(stranger: Any) -> None:
    google = new_google()
    site = Site(google)
    old = google.token()
    assert site.check(old) == "allowed"
    google.keys = {"next": stranger}
    site.clock.pass_(REFETCH_SECONDS)
    assert site.check(google.token()) == "allowed"
    assert site.check(old) == "unknown_key"


def test_keys_are_fetched_anew_when_they_are_old(site: Site) -> None:
    assert site.check(site.google.token()) == "allowed"
    site.clock.pass_(MAX_AGE_SECONDS)
    assert site.check(site.google.token()) == "allowed"
    assert site.fetches == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda site: setattr(site, "fails", OSError("no route")),
        lambda site: setattr(site, "content", b"<html>"),
        lambda site: setattr(site, "content", b'{"keys": []}'),
        lambda site: setattr(site, "content", b'{"keys": [{"kty": "RSA", "kid": "a", "n": "!", "e": 5}]}'),
        lambda site: setattr(site, "content", b"[]"),
    ],
)
def test_without_keys_no_token_is_judged_and_old_keys_stay_in_use(site: Site, spoil: Callable[[Site], None]) -> None:
    spoil(site)
    with pytest.raises(KeysUnavailable, match=r"www\.googleapis\.com"):
        site.check(site.google.token())
    site.fails = site.content = None
    assert site.check(site.google.token()) == "allowed"
    site.clock.pass_(MAX_AGE_SECONDS)
    spoil(site)
    assert site.check(site.google.token()) == "allowed"
    assert len(site.failures) == 1
