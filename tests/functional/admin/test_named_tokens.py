"""Named tokens: each with a right, an end, its name in the audit log; and sessions that are ended for good."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

import pytest
from functions.admin import app
from tests.functional.admin.parts import ACT, EVENTS_TABLE, READ, SYNC_TABLE, Ask, Site
from tests.functional.admin.test_access import LOOK, PAUSE, sign_in

from geosync.clock import DAY_MS, SYSTEM_CLOCK
from geosync.operating.admin_tokens import new_token, token_key
from geosync.sync_registry.site.admin_access import NamedToken, Right

RESUME = "/api/v4/geo/resume"
Give = Callable[..., str]


@pytest.fixture
def give(site: Site) -> Give:
    """Make a named token; return its text."""

    def give(name: str, right: Right = "read", *, days: float | None = None) -> str:
        now_ms, text = SYSTEM_CLOCK.now_ms(), new_token()
        ends_at = now_ms + int(days * DAY_MS) if days is not None else None
        token = NamedToken(name=name, right=right, created_at=now_ms, ends_at=ends_at, key=token_key(text.encode()))
        site.sync_registry.admin_access.add(token)
        return text

    return give


def audited(site: Site) -> list[tuple[str, str, str]]:
    items = site.dynamodb.scan(TableName=EVENTS_TABLE)["Items"]
    return sorted((one["action"]["S"], one["outcome"]["S"], one["who"]["S"]) for one in items)


def test_a_named_token_has_its_own_right(site: Site, ask: Ask, give: Give) -> None:
    reader, actor = give("ana", "read"), give("ci", "act")
    assert ask("GET", LOOK, token=reader).status == 200
    assert ask("POST", PAUSE, {}, token=reader).status == 403
    assert not site.sync_registry.is_paused()
    assert ask("POST", PAUSE, {}, token=actor).status == 200
    assert site.sync_registry.is_paused()
    session = ask("GET", "/api/v4/session", token=reader).json
    assert (session["right"], session["token_name"]) == ("read", "ana")
    assert ask("GET", "/api/v4/session", token=READ).json["token_name"] is None


def test_the_audit_log_says_whose_token_it_was(site: Site, ask: Ask, give: Give) -> None:
    reader, actor = give("ana", "read"), give("ci", "act")
    ask("POST", PAUSE, {}, token=actor)
    ask("POST", PAUSE, {}, token=reader)
    _, headers, _ = sign_in(ask, actor)
    ask("POST", RESUME, {}, token=None, headers=headers)
    session = headers["Cookie"].split(".")[1]
    assert audited(site) == [
        (f"POST {PAUSE}", "done", "token ci"),
        (f"POST {PAUSE}", "refused", "token ana"),
        (f"POST {RESUME}", "done", f"token ci session {session}"),
        ("sign in", "done", f"token ci session {session}"),
    ]


def test_only_the_digest_of_a_token_is_kept_and_it_opens_nothing(site: Site, ask: Ask, give: Give) -> None:
    text = give("ana")
    kept = str(site.dynamodb.scan(TableName=SYNC_TABLE)["Items"])
    assert text not in kept
    assert token_key(text.encode()) in kept
    assert ask("GET", LOOK, token=token_key(text.encode())).status == 401


def test_every_digest_is_compared_in_constant_time(
    site: Site, ask: Ask, give: Give, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever token matches, as many are compared."""
    texts = [give(name) for name in ("ana", "bob", "cy")]
    ask("GET", LOOK, token=READ)
    made: list[Any] = []
    compare = hmac.compare_digest

    def counted(*two: Any) -> bool:
        made.append(two)
        return compare(*two)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    counts = []
    for text in [*texts, READ, ACT]:
        made.clear()
        assert ask("GET", LOOK, token=text).status == 200
        counts.append(len(made))
    assert len(set(counts)) == 1
    assert counts[0] == 2 + len(texts)


def test_a_token_ends_by_itself_with_its_sessions(
    site: Site, ask: Ask, give: Give, clock: Callable[[float], None]
) -> None:
    text = give("guest", days=1 / 24)  # an hour; a session to look has eight
    _, headers, answer = sign_in(ask, text)
    assert int(answer.headers["set-cookie"].split("Max-Age=")[1].split(";")[0]) <= 3600
    assert ask("GET", LOOK, token=None, headers=headers).status == 200
    clock(3601)
    assert ask("GET", LOOK, token=text).status == 401
    assert ask("GET", LOOK, token=None, headers=headers).status == 401
    assert ask("POST", "/sign-in", {"token": text}, token=None).status == 401


def test_a_revoked_token_is_refused_within_a_minute_with_its_sessions(
    site: Site, ask: Ask, give: Give, clock: Callable[[float], None]
) -> None:
    text, other = give("ana"), give("bob")
    _, headers, _ = sign_in(ask, text)
    _, others, _ = sign_in(ask, other)
    assert ask("GET", LOOK, token=None, headers=headers).status == 200
    site.sync_registry.admin_access.revoke("ana")
    again = give("ana")  # another token of that name does not bring the sessions back
    clock(61)
    assert ask("GET", LOOK, token=text).status == 401
    assert ask("GET", LOOK, token=None, headers=headers).status == 401
    assert ask("GET", LOOK, token=again).status == 200
    assert ask("GET", LOOK, token=None, headers=others).status == 200


def test_a_session_of_one_token_cannot_be_made_into_another_s(site: Site, ask: Ask, give: Give) -> None:
    give("ci", "act")
    cookie, _, _ = sign_in(ask, give("ana"))
    name, _, text = cookie.partition("=")
    holder, _, rest = text.partition(".")
    ci = site.sync_registry.admin_access.find("ci")
    assert ci is not None
    for forged in (f"act:ci:{ci.key[:16]}", "act", "read", holder.replace("read", "act"), holder.replace("ana", "ci")):
        assert ask("GET", LOOK, token=None, headers={"Cookie": f"{name}={forged}.{rest}"}).status == 401


# ── signing out ──


@pytest.mark.parametrize("named", [False, True])
def test_signing_out_ends_the_session_at_the_server(site: Site, ask: Ask, give: Give, named: bool) -> None:
    """Whoever copied the cookie has nothing of it; other sessions go on."""
    token = give("ana") if named else READ
    _, headers, _ = sign_in(ask, token)
    _, others, _ = sign_in(ask, token)
    assert ask("POST", "/sign-out", {}, token=None, headers=headers).status == 200
    answer = ask("GET", LOOK, token=None, headers=headers)
    assert (answer.status, "sign in again" in answer.message) == (401, True)
    assert ask("GET", LOOK, token=None, headers=others).status == 200
    assert ask("GET", LOOK, token=token).status == 200


def test_an_ended_session_is_remembered_until_its_regular_end(site: Site, ask: Ask) -> None:
    cookie, headers, _ = sign_in(ask, READ)
    _, identifier, expires, _ = cookie.partition("=")[2].split(".")
    ask("POST", "/sign-out", {}, token=None, headers=headers)
    item = site.dynamodb.get_item(
        TableName=SYNC_TABLE, Key={"repository": {"S": "#site"}, "item": {"S": f"ended#{identifier}"}}
    )["Item"]
    assert item["expire_at"]["N"] == expires


def test_a_stranger_s_cookie_costs_no_read_of_the_table(site: Site, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    access = app.api()._gate._rights._access
    asked: list[str] = []
    monkeypatch.setattr(access, "was_ended", asked.append)  # None: it was not
    cookie, headers, _ = sign_in(ask, READ)
    name = cookie.partition("=")[0]
    forged = {"Cookie": f"{name}=read.{'0' * 16}.9999999999.{'0' * 64}"}
    assert ask("GET", LOOK, token=None, headers=forged).status == 401
    assert asked == []
    assert ask("GET", LOOK, token=None, headers=headers).status == 200
    assert len(asked) == 1
