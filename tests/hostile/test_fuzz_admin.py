"""Any request to the admin API, with or without a token, gets an answer whose message can be shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from functions.admin import app
from hypothesis import strategies as st
from moto import mock_aws
from tests.functional.admin.parts import ACT, CONTEXT, ENVIRONMENT, READ, Ask, Site
from tests.hostile.fuzzing import SEEDS, Bounds, attack, check_text, fuzz
from tests.hostile.odd_json import DIGEST, render, values
from tests.support.clock import FakeClock

from geosync.operating import dead_letters

FINE = frozenset({200, 201, 202, 204, 304, 308, 400, 401, 403, 404, 405, 409, 413, 414, 415, 422, 503})
"""503 is AWS's (moto knows no S3 of ours, no event source mapping); 500 is a fault of ours."""
BOUNDS = Bounds(steps=20_000, held=2 * 1024 * 1024)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A secondary with a repository; every example asks the same one."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.setattr(dead_letters, "WAIT_SECONDS", 0)
        patch.delenv("AWS_ENDPOINT_URL", raising=False)
        app.api.cache_clear()
        one = Site()
        for name, value in one.environment().items():
            patch.setenv(name, value)
        one.synced("group/app", v1=DIGEST)
        # A wrong token has the secrets read again once a minute: here, never in the middle of a count of steps.
        patch.setattr(app.api()._gate._rights._kept, "_clock", FakeClock())
        app.api()._gate._rights._kept.current()
        yield one
        app.api.cache_clear()


_odd = st.one_of(
    st.text(st.characters(), max_size=12),
    st.sampled_from(
        [
            *("", "0", "-1", "9" * 400, "NaN", "1e9", "\ud800", "\x00", "\x9b2J", "%00", "../..", "a/b", "group/app"),
            *("%2e%2e%2f", "a" * 3000, "é", "{}", "[]", "null", "true", "*", "tag#v1", "2026-01-01", "W10", "eyJ9"),
            *("x'; DROP TABLE", "<script>", "a,b,c", " ", "\r\nX: y", DIGEST, "failed", "synced", "berlin"),
        ]
    ),
)


def _routes() -> list[tuple[str, str, list[str], list[str]]]:
    """Each route: its method, path, the names of its query, and those of its body."""
    document = app.api().openapi
    schemas = document["components"]["schemas"]
    found = []
    for path, operations in document["paths"].items():
        for method, one in operations.items():
            query = [given["name"] for given in one.get("parameters", []) if given["in"] == "query"]
            content = one.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            schema = schemas.get(content.get("$ref", "").rpartition("/")[2], {})
            found.append((method.upper(), path, query, sorted(schema.get("properties", {}))))
    return sorted(found)


def _body(draw: st.DrawFn, names: list[str]) -> str | None:
    kind = draw(st.sampled_from(["none", "known", "known", "any"]))
    if kind == "none" or (kind == "known" and not names):
        return draw(st.sampled_from([None, "{}", "", "\ufeff{}", "[]", "nul"]))
    if kind == "any":
        return render(draw(values))
    return render(draw(st.dictionaries(st.sampled_from(names), values | _odd, max_size=3)))


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    method, path, query, names = draw(st.sampled_from(_routes()))
    while "{" in path:
        before, _, rest = path.partition("{")
        path = before + draw(_odd | st.sampled_from(["1", "v1", "group%2Fapp"])) + rest.partition("}")[2]
    if draw(st.integers(0, 9)) == 0:
        path += draw(_odd)
    given: dict[str, Any] = {
        "method": draw(st.sampled_from([method] * 6 + ["HEAD", "PATCH", "OPTIONS", ""])),
        "path": path,
        "query": draw(st.dictionaries(st.sampled_from([*query, "x"]), _odd, max_size=3)),
        "headers": draw(
            st.dictionaries(st.sampled_from(["Cookie", "X-CSRF-Token", "If-None-Match"]), _odd, max_size=1)
        ),
        "token": draw(st.sampled_from([ACT, ACT, READ])),
    }
    body = _body(draw, names)
    if body is not None and given["method"] != "GET":
        given["raw"] = body
        given["headers"] = {**given["headers"], "Content-Type": "application/json"}
    return given


def check_answer(answer: Any) -> None:
    assert answer.status in FINE, (answer.status, answer.text[:300])
    for name, value in answer.headers.items():
        assert value.isprintable(), (name, value)
    if answer.status >= 400:
        check_text(answer.message)
    assert ACT not in answer.text
    assert READ not in answer.text


@pytest.mark.parametrize("seeds", SEEDS)
def test_any_request_with_a_token_is_answered_and_none_is_a_fault(seeds: str, site: Site) -> None:
    def check(given: dict[str, Any]) -> None:
        parts = dict(given)
        check_answer(Ask()(parts.pop("method"), parts.pop("path"), **parts))

    fuzz(requests(), check, seeds, examples=60, kept=KEPT)


KEPT: list[dict[str, Any]] = []


def _stranger(event: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    return lambda: app.handler(event, CONTEXT)


@pytest.mark.parametrize("seeds", SEEDS)
def test_a_stranger_s_request_is_refused_at_the_cost_of_its_size(seeds: str, site: Site) -> None:
    request = Ask().request
    headers = st.dictionaries(
        st.sampled_from(["Authorization", "Private-Token", "Cookie", "content-type", "If-None-Match", "X-CSRF-Token"]),
        _odd | _odd.map("Bearer {}".format) | _odd.map("__Host-geosync-berlin=read.0.99999999999.{}".format),
        max_size=3,
    )

    def check(given: tuple[str, str, dict[str, str]]) -> None:
        path, query, sent = given
        event = {**request, "httpMethod": "GET", "path": path, "headers": sent, "body": None}
        event["requestContext"] = {**request["requestContext"], "path": f"/geo{path}"}
        event["queryStringParameters"] = {"x": query}
        found: Any = attack(_stranger(event), len(path) + sum(map(len, sent.values())), bounds=BOUNDS)
        assert found["statusCode"] in {200, 304, 308, 400, 401, 404, 414}, found
        json.dumps(found, ensure_ascii=False).encode("utf-8", "surrogatepass")
        for name, several in found["multiValueHeaders"].items():
            assert all(value.isprintable() for value in several), (name, several)

    paths = st.one_of(
        st.sampled_from(["/", "", "/api/v4/geo/status", "/api/v4/geo_sites", "/metrics", "/api/" + "a/" * 200, "//x"]),
        _odd.map("/{}".format),
        _odd.map("/api/v4/geo_sites/{}".format),
    )
    fuzz(st.tuples(paths, _odd, headers), check, seeds, examples=80)


def test_the_routes_of_the_description_are_all_asked(site: Site) -> None:
    assert len(_routes()) > 30
    assert Path(app.__file__).name == "app.py"
