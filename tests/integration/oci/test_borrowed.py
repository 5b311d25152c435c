"""Credentials that are lent for a time: asked for once, renewed in time, and replaced when refused."""

from __future__ import annotations

import base64
import time

import pytest
from tests.support.scripted import Reply, Request, ScriptedServer

from geosync.errors import Unauthorized
from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Borrowed, Loan
from geosync.oci.deadline import Deadline


class Lender:
    """Lends `password-1`, then `password-2`, …; each for `seconds`."""

    def __init__(self, seconds: float = 3600) -> None:
        self.lent = 0
        self.seconds = seconds

    def __call__(self) -> Loan:
        self.lent += 1
        return Loan(username="AWS", password=f"password-{self.lent}", renew_at_s=time.time() + self.seconds)


def letting_in(good: set[str], *, bearer: bool = False) -> ScriptedServer:
    """A server that lets the passwords `good` in, by Basic or through a token service."""

    def script(request: Request) -> Reply:
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        allowed = scheme == "Basic" and base64.b64decode(shown).decode().removeprefix("AWS:") in good
        if request.path == "/token":
            return Reply(body=b'{"token": "t", "expires_in": 300}') if allowed else Reply(status=401)
        if allowed or (bearer and shown == "t"):
            return Reply(body=b"{}")
        challenge = f'Bearer realm="http://{request.headers["host"]}/token"' if bearer else 'Basic realm="x"'
        return Reply(status=401, headers=[("WWW-Authenticate", challenge)])

    return ScriptedServer(script)


def client(server: ScriptedServer, lender: Lender) -> RegistryClient:
    return RegistryClient(server.url, Borrowed(borrow=lender), deadline=Deadline())


@pytest.mark.parametrize("bearer", [False, True])
def test_a_borrowed_token_is_asked_for_once_and_used_again(bearer: bool) -> None:
    lender = Lender()
    with letting_in({"password-1"}, bearer=bearer) as server:
        registry = client(server, lender)
        for _ in range(3):
            registry.ping()
        registry.close()
    assert lender.lent == 1


def test_a_borrowed_token_is_renewed_at_its_time() -> None:
    lender = Lender(seconds=-1)
    with letting_in({"password-1", "password-2", "password-3"}) as server:
        registry = client(server, lender)
        for _ in range(3):
            registry.ping()
        registry.close()
    assert lender.lent == 3


def test_a_refused_token_is_replaced_within_the_request() -> None:
    lender = Lender()
    good = {"password-1"}
    with letting_in(good) as server:
        registry = client(server, lender)
        registry.ping()
        good.clear()
        good.add("password-2")
        registry.ping()
        registry.close()
    assert lender.lent == 2


@pytest.mark.parametrize("bearer", [False, True])
def test_a_lender_whose_accounts_are_all_refused_is_not_asked_without_end(bearer: bool) -> None:
    lender = Lender()
    with letting_in(set(), bearer=bearer) as server:
        registry = client(server, lender)
        with pytest.raises(Unauthorized):
            registry.ping()
        registry.close()
    assert lender.lent <= 2
