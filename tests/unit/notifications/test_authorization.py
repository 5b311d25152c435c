"""The Authorization check: which headers pass, when the secret is read, and that nothing shows a token."""

from __future__ import annotations

import gc
import hmac
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.clock import FakeClock

from geosync.errors import ConfigurationError
from geosync.notifications.proof.authorization import MAX_AGE_SECONDS, REREAD_SECONDS, Authorization, without_scheme

CURRENT, PREVIOUS = "current-token-1", "previous-token"
DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetSecretValue")


class Secret:
    """A secret that counts how often it is read, and can be rotated or fail."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = tokens
        self.reads = 0
        self.error: Exception | None = None

    def __call__(self) -> tuple[bytes, ...]:
        self.reads += 1
        if self.error:
            raise self.error
        return tuple(token.encode() for token in self.tokens)


@pytest.fixture
def secret() -> Secret:
    return Secret(CURRENT, PREVIOUS)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def failures() -> list[Exception]:
    return []


@pytest.fixture
def check(secret: Secret, clock: FakeClock, failures: list[Exception]) -> Callable[[str | None], str]:
    return Authorization(secret, on_failure=failures.append, clock=clock).check


@pytest.mark.parametrize(
    ("header", "verdict"),
    [
        (CURRENT, "allowed"),
        (PREVIOUS, "allowed"),
        (None, "missing"),
        ("", "blank"),
        ("   ", "blank"),
        ("\t", "blank"),
        ("current-token-é", "not_ascii"),
        ("current-token-\ud800", "not_ascii"),
        (CURRENT[:-1], "wrong"),
        (CURRENT + "1", "wrong"),
        (" " + CURRENT, "wrong"),
        (CURRENT.upper(), "wrong"),
        (f"Bearer {CURRENT}", "wrong"),
        (f"{CURRENT},{PREVIOUS}", "wrong"),
        ("x" * 100_000, "wrong"),
    ],
)
def test_header(check: Callable[[str | None], str], header: str | None, verdict: str) -> None:
    assert check(header) == verdict


@pytest.mark.parametrize("header", [None, "", " ", "é"])
def test_an_impossible_token_costs_no_read(
    check: Callable[[str | None], str], secret: Secret, header: str | None
) -> None:
    check(header)
    assert secret.reads == 0


def test_every_token_is_compared_whether_or_not_one_matches(
    check: Callable[[str | None], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    original = hmac.compare_digest

    def record(token: bytes, given: bytes) -> bool:
        compared.append((token, given))
        return original(token, given)

    monkeypatch.setattr(hmac, "compare_digest", record)
    for header in (CURRENT, PREVIOUS, "wrong"):
        compared.clear()
        check(header)
        assert compared == [(CURRENT.encode(), header.encode()), (PREVIOUS.encode(), header.encode())]


def test_a_rotated_token_is_taken_within_a_minute(
    check: Callable[[str | None], str], secret: Secret, clock: FakeClock
) -> None:
    check(CURRENT)
    secret.tokens = ("rotated", CURRENT)
    assert check("rotated") == "wrong"
    clock.pass_(REREAD_SECONDS)
    assert check("rotated") == "allowed"
    assert check(CURRENT) == "allowed"
    assert secret.reads == 2


def test_a_flood_of_wrong_tokens_costs_one_read_a_minute(
    check: Callable[[str | None], str], secret: Secret, clock: FakeClock
) -> None:
    for _ in range(REREAD_SECONDS):
        assert check("wrong") == "wrong"
        clock.pass_(1)
    assert secret.reads == 1
    check("wrong")
    check("wrong")
    assert secret.reads == 2


def test_a_token_rotated_out_twice_is_refused_after_a_while_even_if_nobody_sends_a_wrong_one(
    check: Callable[[str | None], str], secret: Secret, clock: FakeClock
) -> None:
    check(PREVIOUS)
    secret.tokens = ("newest", "newer")
    assert check(PREVIOUS) == "allowed"
    clock.pass_(MAX_AGE_SECONDS)
    assert check(PREVIOUS) == "wrong"


def test_a_secret_that_cannot_be_read_at_first_is_an_error_and_read_again_with_the_next_request(
    check: Callable[[str | None], str], secret: Secret
) -> None:
    secret.error = DENIED
    with pytest.raises(ClientError):
        check(CURRENT)
    secret.error = None
    assert check(CURRENT) == "allowed"


@pytest.mark.parametrize("error", [DENIED, ConfigurationError("the secret holds no token")])
def test_a_secret_that_cannot_be_read_later_leaves_the_tokens_as_they_are(
    check: Callable[[str | None], str], secret: Secret, clock: FakeClock, failures: list[Exception], error: Exception
) -> None:
    check(CURRENT)
    secret.error = error
    clock.pass_(MAX_AGE_SECONDS)
    assert check(CURRENT) == "allowed"
    assert failures == [error]
    for _ in range(5):
        check("wrong")
    assert secret.reads == 2


def test_nothing_shows_a_token(secret: Secret) -> None:
    before = errors()  # of other tests of this process
    one = Authorization(secret, on_failure=print)
    one.check(CURRENT)
    assert CURRENT not in repr(one)
    assert CURRENT not in str(one)
    assert not [error for error in errors() if not any(error is other for other in before) and CURRENT in repr(error)]


def errors() -> list[Exception]:
    """All that there are, whoever holds them."""
    return [thing for thing in gc.get_objects() if issubclass(type(thing), Exception)]


# ── Basic, Bearer, signatures ──


@pytest.mark.parametrize(
    ("header", "schemes", "token"),
    [
        (CURRENT, set(), CURRENT),
        (f"Bearer {CURRENT}", set(), f"Bearer {CURRENT}"),
        (f"Bearer {CURRENT}", {"bearer"}, CURRENT),
        (f"bearer  {CURRENT} ", {"bearer"}, CURRENT),
        (CURRENT, {"basic", "bearer"}, CURRENT),
        ("Basic Z2Vvc3luYzpjdXJyZW50LXRva2VuLTE=", {"basic"}, CURRENT),
        ("Basic Z2Vvc3luYzpjdXJyZW50LXRva2VuLTE=", {"bearer"}, "Basic Z2Vvc3luYzpjdXJyZW50LXRva2VuLTE="),
        ("Basic Y3VycmVudC10b2tlbi0x", {"basic"}, ""),  # a user's name and no password
        ("Basic !", {"basic"}, ""),
        ("Basic /w==", {"basic"}, ""),
        ("Basic", {"basic"}, ""),
        ("", {"basic"}, ""),
        (None, {"basic"}, None),
    ],
)
def test_a_scheme_is_taken_off_only_where_the_source_has_it(header: str | None, schemes: set[Any], token: str) -> None:
    assert without_scheme(header, frozenset(schemes)) == token


def test_a_signature_is_right_with_either_token_and_the_secret_is_read_again_after_a_wrong_one(
    secret: Secret, clock: FakeClock, failures: list[Exception]
) -> None:
    authorization = Authorization(secret, on_failure=failures.append, clock=clock)

    def signed(token: str) -> str:
        return "sha256=" + hmac.new(token.encode(), b"body", "sha256").hexdigest()

    assert authorization.check_signature(signed(CURRENT), b"body") == "allowed"
    assert authorization.check_signature(signed(PREVIOUS), b"body") == "allowed"
    assert authorization.check_signature(signed(CURRENT), b"body ") == "wrong"
    assert authorization.check_signature(None, b"body") == "missing"
    secret.tokens = ("rotated",)
    assert authorization.check_signature(signed("rotated"), b"body") == "wrong"
    clock.pass_(REREAD_SECONDS)
    assert authorization.check_signature(signed("rotated"), b"body") == "allowed"
    assert secret.reads == 2
