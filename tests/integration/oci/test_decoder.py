"""What is read of a manifest is what Distribution reads of it: its decoder is Go's, and its refusal says what it read.

Manifests are made whose parts are nowhere. The registry names each part missing that it found in one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.integration.conftest import Place
from tests.support.images import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, ImageMaker

from geosync.oci.answers import parse_errors
from geosync.oci.manifests import Manifest
from geosync.oci.media_types import DOCKER_CONFIG, DOCKER_LAYER_GZIP, DOCKER_LIST, DOCKER_MANIFEST

Ask = Callable[[bytes, str], set[str] | None]
"""PUTs a manifest; returns what the registry names missing, None where it could not read it."""

DIGESTS = st.integers(0, 40).map(lambda number: f"sha256:{number:064x}")
SIZES = st.sampled_from([0, -1, 1, 2**62])
NESTED = ("[" * 300 + "]" * 300, '{"a":' * 50 + "{}" + "}" * 50)
ODD_VALUES = st.sampled_from(["null", "1e999", "9" * 400, *NESTED, '"\\ud800"', '"\xe9"', '""', "[]"])
OTHERS = st.sampled_from(["x", "con\ufb01g", "layerss", "manifests2"])
"""Keys of no field; one is written with a ligature."""


def case(key: str) -> st.SearchStrategy[str]:
    """A spelling of a key that Go takes for it; Go folds the long s and the Kelvin sign, too."""
    written = st.sampled_from([key] * 4 + [key.upper(), key.title(), key.swapcase()])
    return written | st.just(key.replace("s", "\u017f").replace("k", "\u212a"))


@st.composite
def objects(draw: st.DrawFn, fields: dict[str, st.SearchStrategy[str]], *, again: bool = False) -> str:
    """The text of an object with these fields (their values as text), others among them; `again`: some come twice."""
    pairs = [(key, draw(value)) for key, value in fields.items()]
    if again:
        pairs += [(key, draw(fields[key])) for key in draw(st.lists(st.sampled_from(sorted(fields)), max_size=2))]
    members = [f"{json.dumps(draw(case(key)), ensure_ascii=False)}:{value}" for key, value in pairs]
    others = draw(st.lists(st.tuples(OTHERS, ODD_VALUES), max_size=2))
    members += [f"{json.dumps(key, ensure_ascii=False)}:{value}" for key, value in others]
    return "{" + draw(st.sampled_from([",", " ,\n"])).join(draw(st.permutations(members))) + "}"


def texts(values: st.SearchStrategy[Any]) -> st.SearchStrategy[str]:
    return values.map(json.dumps)


def descriptors(*media_types: str) -> st.SearchStrategy[str]:
    return objects({"mediaType": texts(st.sampled_from(media_types)), "digest": texts(DIGESTS), "size": texts(SIZES)})


def lists(one: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(one, max_size=4).map(lambda members: f"[{','.join(members)}]") | st.just("null")


def documents(media_type: str, **fields: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, str]]:
    # What it is comes first, and once: the registry reads that apart from the rest, and refuses what it cannot tell.
    stated = f'{{"schemaVersion":2,"mediaType":"{media_type}",'
    return st.tuples(st.just(media_type), objects(fields, again=True).map(lambda text: stated + text[1:]))


OCI_IMAGES = documents(
    OCI_MANIFEST, config=descriptors(OCI_CONFIG, "", "a/b"), layers=lists(descriptors(OCI_LAYER, "a/b", ""))
)
DOCKER_IMAGES = documents(
    DOCKER_MANIFEST, config=descriptors(DOCKER_CONFIG, "a/b"), layers=lists(descriptors(DOCKER_LAYER_GZIP, "a/b"))
)
INDEXES = documents(OCI_INDEX, manifests=lists(descriptors(OCI_MANIFEST, OCI_INDEX, "a/b", "")))
DOCKER_LISTS = documents(DOCKER_LIST, manifests=lists(descriptors(DOCKER_MANIFEST, "a/b", "")))


@pytest.fixture(scope="module")
def ask(plain_registry: Place) -> Iterator[Ask]:
    with plain_registry.maker() as make:

        def put(content: bytes, media_type: str) -> set[str] | None:
            return asked(make, content, media_type)

        yield put


def asked(make: ImageMaker, content: bytes, media_type: str) -> set[str] | None:
    answer = make.send("PUT", "/v2/team/decoder/manifests/v1", "team/decoder", content, media_type)
    if answer.status_code == 201:
        return set()
    errors = parse_errors(answer.content)
    return set(errors.missing) if set(errors.codes) == {"MANIFEST_BLOB_UNKNOWN"} else None


def image(config: str, layers: str) -> tuple[str, str]:
    return OCI_MANIFEST, f'{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}",{config},{layers}}}'


A, B = (f'{{"mediaType":"a/b","digest":"sha256:{number:064x}","size":1}}' for number in (1, 2))


@example(image(f'"config":{A},"con\ufb01g":{B}', '"layers":[]'))
@example(image(f'"config":{A},"config":null', f'"layers":[{B}],"layers":null'))
@example(image(f'"config":{A},"Config":{{"size":3}}', f'"layers":[{B}],"LAYER\u017f":[]'))
@given(OCI_IMAGES | DOCKER_IMAGES | INDEXES | DOCKER_LISTS)
def test_a_manifest_is_read_as_the_registry_reads_it(ask: Ask, manifest: tuple[str, str]) -> None:
    media_type, text = manifest
    content = text.encode("utf-8", errors="surrogatepass").replace("\xe9".encode(), b"\xe9")
    named = ask(content, media_type)
    if named is None:
        return  # refused: nobody can have pushed it
    read = Manifest.read(content, media_type)
    entries = read.entries if read.is_index else read.blobs
    assert {one.digest for one in entries} == named
