"""The dashboard's files as functions/admin serves them: policy, caching, what is served at all."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from functions.admin import app
from tests.functional.admin.parts import ACT, READ, ROOT, Ask

from geosync.admin.pages import MEDIA_TYPES

PAGES = ROOT / "functions" / "admin" / "pages"
AXE = ROOT / "tests" / "support" / "axe"

pytestmark = pytest.mark.usefixtures("site")


def _files() -> Iterator[Path]:
    yield from (path for path in sorted(PAGES.rglob("*")) if path.suffix in MEDIA_TYPES)


@pytest.mark.parametrize("path", [f"/{file.relative_to(PAGES)}" for file in _files() if file.name != "index.html"])
def test_a_file_is_served_to_everybody_under_a_strict_policy(ask: Ask, path: str) -> None:
    answer = ask("GET", path, token=None)

    assert answer.status == 200
    assert answer.text == (PAGES / path[1:]).read_text()
    assert answer.headers["content-type"] == MEDIA_TYPES[Path(path).suffix]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    for kind in ("script-src", "style-src", "img-src", "connect-src"):
        assert policy[kind] == "'self'"


def test_the_page_is_at_the_root_and_the_same_for_everybody(ask: Ask) -> None:
    context = {**ask.request["requestContext"], "path": "/geo/"}
    with_token, without = (ask("GET", "/", token=token, requestContext=context) for token in (READ, None))

    assert with_token == without
    assert without.text == (PAGES / "index.html").read_text()


def test_an_unchanged_file_is_not_sent_again(ask: Ask) -> None:
    first = ask("GET", "/app.js", token=None)

    assert first.headers["cache-control"] == "no-cache"
    for condition in (first.headers["etag"], f'"other", W/{first.headers["etag"]}', "*"):
        again = ask("GET", "/app.js", token=None, headers={"If-None-Match": condition})
        assert (again.status, again.text, again.headers["etag"]) == (304, "", first.headers["etag"])
    assert ask("GET", "/app.js", token=None, headers={"If-None-Match": '"other"'}).status == 200
    assert ask("GET", "/api.js", token=None).headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize(
    "path", ["/vendor/README.md", "/../app.py", "/app.py", "/vendor", "/index", "/%2e%2e/app.py", "//"]
)
def test_nothing_else_is_served(ask: Ask, path: str) -> None:
    assert ask("GET", path, token=None).status == 404


def test_the_path_of_somebody_unknown_is_matched_with_no_route(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A router's patterns take a path's length squared."""
    monkeypatch.setattr(app.api()._app, "resolve", lambda *_: pytest.fail("the routes were asked"))

    assert ask("GET", "/" + "-/" * 200, token=None).status == 404
    long = "/" + "-/" * 300
    for method, token in (("GET", None), ("GET", READ), ("POST", ACT)):
        assert ask(method, long, {} if method == "POST" else None, token=token).status == 414


def test_no_page_answers_where_the_api_is_and_no_page_takes_a_post(ask: Ask) -> None:
    assert ask("GET", "/api/v4/geo_sites", token=None).status == 401
    assert ask("POST", "/app.js", {}, token=None).status == 401


def test_without_its_last_slash_a_stage_leads_to_where_relative_addresses_fit(ask: Ask) -> None:
    context = {**ask.request["requestContext"], "path": "/some/geo"}

    answer = ask("GET", "/", token=None, requestContext=context)

    assert (answer.status, answer.headers["location"]) == (308, "./geo/?dashboard")
    assert ask("GET", "/", token=None, requestContext={**context, "path": "/some/geo/"}).status == 200
    assert ask("GET", "/", token=None, requestContext=context, query={"dashboard": ""}).status == 200


def test_all_of_it_weighs_no_more_than_250_kilobytes() -> None:
    assert sum(file.stat().st_size for file in _files()) <= 250_000


def test_every_address_in_the_files_is_relative_and_is_there() -> None:
    for file in _files():
        text = file.read_text()
        if file.suffix == ".js" and file.parent == PAGES:
            named = re.findall(r'(?:from|import) "([^"]+)"', text)
            assert all(name.startswith("./") and (PAGES / name).is_file() for name in named), file
            assert not re.search(r'"/api|"/sign|innerHTML|dangerouslySetInnerHTML|eval\(|new Function|style=', text), (
                file
            )
        if file.name == "index.html":
            named = re.findall(r'(?:href|src)="([^"]+)"', text)
            assert named
            assert all((PAGES / name).is_file() for name in named)
            assert not re.search(r"<style|<script(?![^>]* src=)|\son\w+=|style=", text)


def test_every_module_is_asked_for_with_the_first() -> None:
    """A module that is found in another one comes a round later."""
    page = (PAGES / "index.html").read_text()
    ahead = re.findall(r'<link rel="modulepreload" href="([^"]+)">', page)
    first = re.findall(r'<script type="module" src="([^"]+)">', page)
    named = {
        name for file in PAGES.glob("*.js") for name in re.findall(r'(?:from|import) "\./([^"]+)"', file.read_text())
    }
    assert sorted(ahead + first) == sorted(named | {"app.js"})


def test_texts_have_the_sizes_of_one_scale_and_colours_are_named_once() -> None:
    """A size or a colour that the style sheet does not name at its top is a second scale."""
    named, _, rules = (PAGES / "style.css").read_text().partition("* { box-sizing")
    scale = set(re.findall(r"(--(?:fine|small|text-size|large|title|figure)): [\d.]+rem", named))
    assert len(scale) == 6
    sizes = set(re.findall(r"font(?:-size)?: ([^;/]+)", rules))
    assert sizes - {f"var({size})" for size in scale} == {"inherit", "0.9em"}, "code is a little smaller than its text"
    assert re.findall(r"#[0-9a-f]{3,8}\b", rules) == []


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        *((PAGES / "vendor", name) for name in ("preact-htm.js", "uPlot.iife.min.js", "uPlot.min.css")),
        (AXE, "axe.min.js"),
    ],
)
def test_a_vendored_file_is_unchanged(folder: Path, name: str) -> None:
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()

    assert f"`{digest}`" in (folder / "README.md").read_text()
    assert list(folder.glob("*LICENSE*"))
