"""A hostile pusher: any manifest and any large page give parts or an error of ours, and cost their size."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from hypothesis import strategies as st
from tests.hostile.fuzzing import SEEDS, Bounds, attack, fuzz
from tests.hostile.odd_json import DIGEST, texts, to_bytes

from geosync.copying.graph import Graph
from geosync.copying.kinds import Kinds
from geosync.copying.parts import CopyRun
from geosync.copying.referrers import _entry
from geosync.oci import media_types
from geosync.oci.answers import parse_errors
from geosync.oci.documents import SMALL_BYTES
from geosync.oci.large_pages import MAX_ENTRIES, read_large
from geosync.oci.manifests import Manifest

OTHER = "sha256:" + "2" * 64
_CONFIG = {"mediaType": media_types.OCI_CONFIG, "digest": DIGEST, "size": 2}
_LAYER = {"mediaType": media_types.OCI_LAYER_GZIP, "digest": OTHER, "size": 3, "urls": ["https://x/"]}
_PROTECTED = "eyJmb3JtYXRMZW5ndGgiOjEsImZvcm1hdFRhaWwiOiJmUSJ9"
MANIFESTS: list[Any] = [
    {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "artifactType": "a/b",
        "config": _CONFIG,
        "layers": [_LAYER, _CONFIG],
        "subject": {"mediaType": media_types.OCI_MANIFEST, "digest": OTHER, "size": 1},
        "annotations": {"a": "b"},
    },
    {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_INDEX,
        "manifests": [{"mediaType": media_types.OCI_MANIFEST, "digest": OTHER, "size": 1, "platform": {"os": "x"}}],
    },
    {
        "schemaVersion": 1,
        "name": "a/b",
        "fsLayers": [{"blobSum": DIGEST}],
        "history": [{"v1Compatibility": "{}"}],
        "signatures": [{"protected": _PROTECTED, "signature": "x"}],
    },
    {"mediaType": media_types.OCI_ARTIFACT_MANIFEST, "blobs": [_CONFIG], "subject": _CONFIG},
]
CONTENT_TYPES = [*sorted(media_types.MANIFESTS), "", "text/html", f"{media_types.OCI_INDEX}; a=b", None]
BOUNDS = Bounds(steps=20_000, steps_per_byte=40.0, held=4 * 1024 * 1024, held_per_byte=60.0)
"""Seven looks at a document of which each reads it anew."""


def look(content: bytes, content_type: str | None) -> object:
    """Look at a manifest in every way that a copy does."""
    manifest = Manifest.read(content, content_type)
    kinds = Kinds(None)  # type: ignore[arg-type]
    parts = kinds.parts(manifest)
    _ = (manifest.subject, manifest.children, manifest.blobs, _entry(manifest))
    graph = Graph()
    root = graph.root(CopyRun(threading.Event()), manifest, "v1")
    if root is not None:
        graph.need(root, parts.manifests, parts.all_blobs)
    return manifest


def check_manifest(given: tuple[str, str | None]) -> None:
    content = to_bytes(given[0])
    attack(lambda: look(content, given[1]), len(content), bounds=BOUNDS)


_PADDING = " " * SMALL_BYTES


@pytest.mark.parametrize("seeds", SEEDS)
def test_any_manifest_has_parts_or_an_error_of_ours(seeds: str) -> None:
    given = st.tuples(texts(st.sampled_from(MANIFESTS)), st.sampled_from(CONTENT_TYPES))
    fuzz(given, check_manifest, seeds, examples=200, kept=KEPT)


@pytest.mark.parametrize("seeds", SEEDS)
def test_any_large_manifest_has_parts_or_an_error_of_ours(seeds: str) -> None:
    """The same documents, with so much space before them that they are not parsed whole."""
    given = st.tuples(texts(st.sampled_from(MANIFESTS)).map(_PADDING.__add__), st.sampled_from(CONTENT_TYPES))
    fuzz(given, check_manifest, seeds, examples=80, kept=[(_PADDING + one, kind) for one, kind in KEPT])


_DEEP = '{"a":' * 800 + "1" + "}" * 800
KEPT: list[tuple[str, str | None]] = [
    ('{"config":{"digest":%s},"layers":[]}' % ("[" * 900 + "]" * 900), media_types.OCI_MANIFEST),
    ('{"mediaType":%s}' % ("[" * 900 + "]" * 900), None),
    ('{"mediaType":"\\u001b[2J\\u009b"}', None),
    (f'{{"config":{_DEEP},"Config":{_DEEP},"layers":[]}}', media_types.OCI_MANIFEST),
    (f'{{"signatures":[{{"protected":"{"x" * 40_000}"}}],"schemaVersion":1}}', media_types.DOCKER_SCHEMA1_SIGNED),
]


@pytest.mark.parametrize("seeds", SEEDS)
def test_any_error_body_is_read(seeds: str) -> None:
    bodies: list[Any] = [
        {"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "message": "m", "detail": {"digest": DIGEST}}]},
        {"errors": [{"code": "DENIED", "detail": [DIGEST, [DIGEST]]}, {"code": "X", "message": f"layer {DIGEST}"}]},
    ]

    def check(text: str) -> None:
        for padding in ("", _PADDING):
            body = to_bytes(padding + text)
            found: Any = attack(lambda body=body: parse_errors(body), len(body), bounds=BOUNDS)  # type: ignore[misc]
            assert all(code.isprintable() for code in found.codes)
            assert found.detail.isprintable()

    fuzz(texts(st.sampled_from(bodies)), check, seeds, examples=60)


PAGES: list[Any] = [
    {"name": "a/b", "tags": ["v1", "v2"]},
    {"repositories": ["a/b", "c"]},
    {"manifests": [{"digest": DIGEST, "size": 3, "mediaType": "x/y", "tags": [], "urls": ["u"]}]},
    {"items": [{"name": "v1", "digest": DIGEST}]},
    {"tags": ["v1"], "manifest": {DIGEST: {"tag": ["v1"], "mediaType": "x/y"}, OTHER: {"tag": []}}},
]


@pytest.mark.parametrize("seeds", SEEDS)
def test_a_large_page_has_what_a_small_one_has(seeds: str) -> None:
    """What is read of a page does not depend on its size, where both are read."""

    def check(text: str) -> None:
        body = to_bytes(text)
        large = _PADDING.encode() + body
        found = attack(lambda: read_large(large, arrays=True), len(large))
        assert isinstance(found, dict | Exception)
        try:
            small = json.loads(body)
        except (ValueError, RecursionError):
            return
        if isinstance(found, dict) and isinstance(small, dict):
            for name in ("tags", "repositories"):
                texts_of = [one for one in small.get(name) or [] if isinstance(one, str)] if _plain(small, name) else []
                assert texts_of == [] or found.get(name) == [one for one in texts_of if len(one) <= 255]

    fuzz(texts(st.sampled_from(PAGES), most=1), check, seeds, examples=60)


def _plain(document: dict[str, Any], name: str) -> bool:
    """Whether a document has a field once, in whatever case, as a list of texts that are UTF-8."""
    listed = document.get(name)
    same = [key for key in document if key.lower() == name]
    return (
        len(same) == 1
        and isinstance(listed, list)
        and all(isinstance(one, str) and one.isascii() for one in listed)
        and len(listed) < MAX_ENTRIES
    )
