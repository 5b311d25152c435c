"""Who may look, who may act: tokens, sessions, CSRF, rotation; and what every answer carries."""

from collections import Counter
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from typing import Any

import pytest
from functions.admin import app
from tests.functional.admin.parts import ACT, READ, Answer, Ask, Site
from tests.support.throttled import throttled

from geosync.admin.api import HEADERS
from geosync.admin.gate import CSRF_HEADER
from geosync.admin.rights import Tokens
from geosync.aws.errors import WAY_OUT

LOOK, PAUSE = "/api/v4/geo/backfill", "/api/v4/geo/pause"
OPEN = {("post", "/sign-in"), ("post", "/api/v4/geo/status")}
"""What takes no token of an operator's; a report has its own."""


def routes() -> Iterator[tuple[str, str]]:
    """Each operation of the API, with ids that name nothing."""
    for path, operations in app.api().openapi["paths"].items():
        for method in operations:
            yield method, path.replace("{number}", "99").replace("{letter_id}", "none")


def sign_in(ask: Ask, token: str) -> tuple[str, dict[str, str], Answer]:
    """The cookie, the headers of an action made with it, and the answer."""
    answer = ask("POST", "/sign-in", {"token": token}, token=None)
    assert answer.status == 200, answer.text
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    pair = f"{cookie.key}={cookie.value}"
    return pair, {"Cookie": pair, CSRF_HEADER: answer.json["csrf_token"]}, answer


def test_nothing_is_open_but_signing_in_and_reports(site: Site, ask: Ask) -> None:
    found = list(routes())
    assert len(found) > 20
    for method, path in found:
        if (method, path) in OPEN:
            continue
        for token in (None, "x" * 48, "é"):
            answer = ask(method.upper(), path, {} if method == "post" else None, token=token)
            assert answer.status == 401, (method, path, token)
            assert answer.message


def test_the_read_token_only_looks(site: Site, ask: Ask) -> None:
    for method, path in routes():
        if (method, path) in OPEN or path == "/sign-out":
            continue
        answer = ask(method.upper(), path, {} if method == "post" else None, token=READ)
        if method == "get":
            expected = (409,) if path.endswith("/primary_repositories") else (200, 404)  # this site is a secondary
            expected = (400,) if path.endswith("/arrival") else expected  # it wants to know of which image
            assert answer.status in expected, (path, answer.text)
        else:
            assert (answer.status, "use the act token" in answer.message) == (403, True), path
    assert not site.sync_registry.is_paused()
    assert site.messages("work") == []


def test_the_act_token_looks_and_acts(site: Site, ask: Ask) -> None:
    assert ask("GET", LOOK, token=ACT).status == 200
    assert ask.act(PAUSE, {"reason": "storage"}).status == 200
    assert site.sync_registry.is_paused()


@pytest.mark.parametrize("headers", [{"PRIVATE-TOKEN": READ}, {"authorization": f"bearer {READ}"}])
def test_a_token_comes_as_gitlab_s_header_or_as_bearer(site: Site, ask: Ask, headers: dict[str, str]) -> None:
    assert ask("GET", LOOK, token=None, headers=headers).status == 200


@pytest.mark.parametrize("given", [READ, f"Basic {READ}", "Bearer", f"Bearer {READ} {READ}"])
def test_anything_else_in_authorization_is_refused(site: Site, ask: Ask, given: str) -> None:
    assert ask("GET", LOOK, token=None, headers={"Authorization": given}).status == 401


def test_the_secrets_are_read_once_a_minute_also_under_a_flood(site: Site, ask: Ask) -> None:
    kept, reads = app.api()._gate._rights._kept, Counter[str]()
    read = kept._read

    def counted() -> Tokens:
        reads["both"] += 1
        return read()

    kept._read = counted
    for _ in range(20):
        assert ask("GET", LOOK, token="x" * 48).status == 401
        assert ask("GET", LOOK).status == 200
    assert reads["both"] == 1


def test_a_rotated_token_stays_valid_beside_the_new_one_and_a_third_one_ends_it(
    site: Site, ask: Ask, clock: Callable[[float], None]
) -> None:
    assert ask("GET", LOOK).status == 200
    site.secrets.put_secret_value(SecretId=site.read_secret, SecretString="n" * 48)
    clock(11)
    assert ask("GET", LOOK, token="n" * 48).status == 200
    assert ask("GET", LOOK, token=READ).status == 200
    site.secrets.put_secret_value(SecretId=site.read_secret, SecretString="m" * 48)
    clock(61)
    assert ask("GET", LOOK, token=READ).status == 401


# ── sessions ──


def test_a_session_s_cookie_can_be_read_by_no_page_and_sent_by_no_other(site: Site, ask: Ask) -> None:
    _, _, answer = sign_in(ask, READ)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-geosync-berlin=read.")
    attributes = {part.strip() for part in cookie.split(";")[1:]}
    (age,) = (one for one in attributes if one.startswith("Max-Age="))
    assert attributes == {"Path=/", age, "HttpOnly", "Secure", "SameSite=Strict"}
    assert 8 * 3600 - 600 < int(age.removeprefix("Max-Age=")) <= 8 * 3600, "what is left of the session's eight hours"
    assert READ not in answer.text + str(answer.headers)
    assert answer.json["right"] == "read"


def test_a_session_has_the_right_of_its_token(site: Site, ask: Ask) -> None:
    _, reader, _ = sign_in(ask, READ)
    assert ask("GET", LOOK, token=None, headers=reader).status == 200
    assert ask("POST", PAUSE, {}, token=None, headers=reader).status == 403
    _, actor, _ = sign_in(ask, ACT)
    assert ask("POST", PAUSE, {}, token=None, headers=actor).status == 200
    session = ask("GET", "/api/v4/session", token=None, headers=actor).json
    assert (session["site"], session["right"], session["csrf_token"]) == ("berlin", "act", actor[CSRF_HEADER])
    assert session["expires_at"].endswith("Z")


@pytest.mark.parametrize("csrf", [None, "", "0" * 64, "é"])
def test_an_action_in_a_session_needs_its_csrf_token(site: Site, ask: Ask, csrf: str | None) -> None:
    cookie, _, _ = sign_in(ask, ACT)
    headers = {"Cookie": cookie} | ({CSRF_HEADER: csrf} if csrf is not None else {})
    answer = ask("POST", PAUSE, {}, token=None, headers=headers)
    assert (answer.status, CSRF_HEADER in answer.message) == (403, True)
    assert not site.sync_registry.is_paused()


def test_the_csrf_token_of_another_session_does_not_fit(site: Site, ask: Ask) -> None:
    cookie, _, _ = sign_in(ask, ACT)
    _, other, _ = sign_in(ask, ACT)
    assert ask("POST", PAUSE, {}, token=None, headers=other | {"Cookie": cookie}).status == 403


def test_a_cookie_that_was_changed_or_made_up_opens_nothing(site: Site, ask: Ask) -> None:
    cookie, headers, _ = sign_in(ask, READ)
    name, _, text = cookie.partition("=")
    right, identifier, expires, signature = text.split(".")
    for forged in (
        f"act.{identifier}.{expires}.{signature}",
        f"{right}.{identifier}.{int(expires) + 1}.{signature}",
        f"{right}.{identifier[::-1]}.{expires}.{signature}",
        f"{right}.{identifier}.{expires}.{signature[:-1]}",
        f"{right}.{identifier}.{expires}.",
        f"{right}.{identifier}.{expires}",
        "read...",
        "",
        "x" * 4000,
    ):
        assert ask("GET", LOOK, token=None, headers=headers | {"Cookie": f"{name}={forged}"}).status == 401, forged


def test_a_session_ends_by_itself(site: Site, ask: Ask, clock: Callable[[float], None]) -> None:
    _, headers, _ = sign_in(ask, ACT)
    clock(3599)
    assert ask("GET", LOOK, token=None, headers=headers).status == 200
    clock(2)
    answer = ask("GET", LOOK, token=None, headers=headers)
    assert (answer.status, "sign in again" in answer.message) == (401, True)


def test_a_rotation_ends_the_sessions_of_its_right_and_no_other(
    site: Site, ask: Ask, clock: Callable[[float], None]
) -> None:
    _, reader, _ = sign_in(ask, READ)
    _, actor, _ = sign_in(ask, ACT)
    site.secrets.put_secret_value(SecretId=site.act_secret, SecretString="n" * 48)
    clock(61)
    assert ask("GET", LOOK, token=None, headers=actor).status == 401
    assert ask("GET", LOOK, token=None, headers=reader).status == 200


def test_signing_out_takes_the_cookie_away(site: Site, ask: Ask) -> None:
    _, headers, _ = sign_in(ask, READ)
    answer = ask("POST", "/sign-out", token=None, headers=headers)
    assert answer.status == 200
    assert "__Host-geosync-berlin=; Path=/; Max-Age=0" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    ("body", "status"), [({"token": "x" * 48}, 401), ({"token": ""}, 400), ({}, 400), ({"token": 5}, 400), ([], 400)]
)
def test_signing_in_takes_one_of_the_two_tokens(site: Site, ask: Ask, body: Any, status: int) -> None:
    answer = ask("POST", "/sign-in", body, token=None)
    assert (answer.status, "set-cookie" in answer.headers) == (status, False)


# ── every answer ──


def test_every_answer_has_the_headers_that_keep_browsers_out_of_trouble(site: Site, ask: Ask) -> None:
    for answer in (ask("GET", LOOK), ask("GET", LOOK, token=None), ask("GET", "/api/v4/no"), ask.act(PAUSE, {"x": 1})):
        assert {name: answer.headers[name.lower()] for name in HEADERS} == dict(HEADERS)
        assert answer.headers["content-type"] == "application/json"
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"raw": "{"}, 400),
        ({"raw": "[" * 30_000}, 400),
        ({"raw": '"text"'}, 400),
        ({"raw": "null"}, 400),
        ({"raw": "x" * 70_000}, 413),
        ({"raw": "a=b", "headers": {"Authorization": f"Bearer {ACT}", "Content-Type": "text/plain"}}, 415),
        ({"raw": "e30=", "isBase64Encoded": True}, 200),
        ({"raw": "%%%", "isBase64Encoded": True}, 400),
        ({"raw": "/////w==", "isBase64Encoded": True}, 400),
    ],
)
def test_a_body_is_small_and_json_or_named_as_the_fault(
    site: Site, ask: Ask, more: dict[str, Any], status: int
) -> None:
    headers = more.pop("headers", None) or {"Authorization": f"Bearer {ACT}", "Content-Type": "application/json"}
    answer = ask("POST", PAUSE, token=None, headers=headers, **more)
    assert answer.status == status, answer.text
    assert site.sync_registry.is_paused() is (status == 200)


def test_a_fault_of_ours_says_nothing_but_that_it_is_ours(
    site: Site, ask: Ask, log: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("inner workings")

    monkeypatch.setattr(type(site.sync_registry), "is_paused", lambda self: fail())
    answer = ask.act("/api/v4/geo/resume")
    assert answer.status == 500
    assert "inner workings" not in answer.text
    (line,) = [line for line in log() if line["message"] == "admin_failed"]
    assert "inner workings" in str(line)


def test_the_log_names_the_call_that_was_throttled(
    site: Site, ask: Ask, log: Callable[[], list[dict[str, Any]]]
) -> None:
    ask("GET", LOOK)
    with throttled("dynamodb"):
        assert ask("GET", LOOK).status == 503
    (line,) = [line for line in log() if line["message"] == "admin_failed"]
    assert f"AWS throttles DynamoDB GetItem; {WAY_OUT} [" in line["reason"]


def test_aws_that_does_not_answer_is_503(site: Site, ask: Ask) -> None:
    ask("GET", LOOK)
    site.dynamodb.delete_table(TableName="sync-registry")
    answer = ask("GET", LOOK)
    assert answer.status == 503
    assert "sync-registry" not in answer.text


def test_the_description_is_made_from_the_code_and_complete(site: Site, ask: Ask) -> None:
    document = ask("GET", "/api/v4/openapi.json").json
    assert document["openapi"].startswith("3.")
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], path
            assert operation["tags"], path
            assert {"401", "500", "503"} <= set(operation["responses"]), path
            assert "422" not in operation["responses"]
            if method == "post":
                assert {"200", "202"} & set(operation["responses"]), path
