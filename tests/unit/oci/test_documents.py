"""JSON as Go's decoder takes it: a manifest's references are read whatever its other fields hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.cpu import cpu_s

from geosync.errors import MalformedManifest
from geosync.oci import media_types
from geosync.oci.documents import READ_DEPTH, SMALL_BYTES, Document, field, has_field, read_object, with_item
from geosync.oci.manifests import Manifest
from geosync.oci.spans import MOST_NESTED

DIGEST = "sha256:" + "a" * 64
LAYER = {"mediaType": media_types.OCI_LAYER_GZIP, "digest": DIGEST, "size": 5}


def nested(depth: int, bracket: str = "[") -> str:
    if bracket == "[":
        return "[" * depth + "]" * depth
    return '{"a":' * depth + "1" + "}" * depth


ODD: list[bytes] = [
    b'"caf\xe9"',
    b'"\xff\xfe\x00"'.replace(b"\x00", b""),
    b"9" * 5000,
    b"-" + b"9" * 5000,
    b"1e99999",
    nested(5000).encode(),
    nested(5000, "{").encode(),
    b"[" + b",".join([nested(900).encode(), b'"]}[{"', nested(2000, "{").encode()]) + b"]",
    rb'"\ud800 \" ] } \\"',
]
"""Values that Go's decoder skips where no field wants them."""


PADS = {"small": b"", "large": b" " * (SMALL_BYTES + 1)}
"""A small document is parsed whole; in a large one the fields are found where they lie."""
either = pytest.mark.parametrize("pad", PADS.values(), ids=PADS)


@either
@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value[:12]))
def test_an_unread_field_may_hold_anything(value: bytes, pad: bytes) -> None:
    layers = json.dumps([LAYER]).encode()
    content = b'{"before":' + value + b',"config":' + json.dumps(LAYER).encode() + b',"layers":' + layers
    read = Manifest.read(content + b',"after":' + value + b"}" + pad, media_types.OCI_MANIFEST)
    assert [one.digest for one in read.blobs] == [DIGEST]


@either
def test_a_key_names_its_field_in_any_case_and_the_last_one_counts(pad: bytes) -> None:
    other = {"Digest": "sha256:" + "b" * 64, "SIZE": 7, "MEDIATYPE": media_types.OCI_CONFIG}
    content = json.dumps({"config": LAYER, "Layers": [LAYER], "LAYERS": [], "Config": other}).encode() + pad
    read = Manifest.read(content, media_types.OCI_MANIFEST)
    assert [(one.digest, one.size, one.media_type) for one in read.blobs] == [
        (other["Digest"], 7, media_types.OCI_CONFIG)
    ]


def test_an_object_that_comes_again_adds_to_the_one_before_and_null_clears_a_list_only() -> None:
    """Distribution 2.8 reads it so (tests/integration/oci/test_decoder.py)."""
    read = read_object(b'{"a":{"x":1,"y":2},"a":{"y":3},"b":{"x":1},"B":{"X":2},"c":[1],"c":null,"d":"e","d":null}')
    assert read["a"] == {"x": 1, "y": 3}
    assert field(field(read, "b"), "x") == 2
    assert read["b"] == {"x": 1}, "what was read stays as it is"
    assert read["c"] is None
    assert read["d"] == "e"


def test_a_key_of_another_length_names_no_field() -> None:
    assert field(read_object('{"con\ufb01g":1}'.encode()), "config") is None
    assert not has_field(read_object('{"con\ufb01g":1}'.encode()), "config")


def test_many_objects_of_one_key_cost_what_they_are_long() -> None:
    """Each was copied into the next once: that took the square of them."""

    def took(count: int) -> float:
        text = b"{" + b",".join(b'"a":{"k%d":1}' % number for number in range(count)) + b"}"
        assert len(read_object(text)["a"]) == count
        return cpu_s(lambda: read_object(text))

    assert took(40_000) < 40 * took(4_000)


def test_a_key_that_comes_again_is_the_last_one() -> None:
    assert field(read_object(b'{"layers":1,"Layers":2,"layers":3}'), "layers") == 3
    assert field(read_object(b'{"layers":1,"layers":3,"Layers":2}'), "layers") == 2
    assert field(read_object(b'{"layers":[1],"Layers":null}'), "layers") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"1", b"\xef\xbb\xbf{}", b'{"a":1}x', b"{'a':1}", b'{"a":01}'])
def test_a_document_that_no_decoder_takes_is_malformed(content: bytes) -> None:
    with pytest.raises(MalformedManifest):
        read_object(content)


@either
@pytest.mark.parametrize("bracket", ["[", "{"])
def test_nesting_without_end_is_malformed(bracket: str, pad: bytes) -> None:
    assert Document(b'{"a":' + nested(MOST_NESTED - 2, bracket).encode() + b"}" + pad, ("a",)).has("a")
    for value in (nested(MOST_NESTED + 1, bracket), bracket * 100_000):
        with pytest.raises(MalformedManifest):
            Document(b'{"a":' + value.encode() + b"}" + pad, ("a",)).value("a")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"1", b'{"a":1}x', b"{'a':1}", b'{"a" 1}', b'{"a":1 "b":2}'])
def test_a_large_document_that_no_decoder_takes_is_malformed(content: bytes) -> None:
    with pytest.raises(MalformedManifest):
        Document(PADS["large"] + content, ("a",))


def test_an_item_is_added_to_a_list_and_every_other_byte_stays() -> None:
    assert with_item(b'{"a" : [ 1 ], "b":2}', "a", b"3") == b'{"a" : [ 1 ,3], "b":2}'
    assert with_item(b'{"a":[]}', "a", b"3") == b'{"a":[3]}'
    for content in (b'{"b":[]}', b'{"a":{}}', b"[]", b'{"a":null}'):
        with pytest.raises(MalformedManifest):
            with_item(content, "a", b"3")


_NUMBER = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
_LEAF = st.none() | st.booleans() | _NUMBER | st.text(max_size=8)
_KEY = st.text(max_size=5).filter(lambda key: key.casefold() not in ("config", "layers", "mediatype"))
_ANY = st.recursive(
    _LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEY, inner, max_size=3),
    max_leaves=8,
)


@either
@given(fields=st.dictionaries(_KEY, _ANY, max_size=4), wrap=st.sampled_from([0, 1, READ_DEPTH, 3000]), last=st.data())
def test_other_fields_do_not_change_what_a_manifest_refers_to(
    fields: dict[str, Any], wrap: int, last: st.DataObject, pad: bytes
) -> None:
    names = last.draw(st.permutations([*fields, "config", "layers"]))
    values = {**fields, "config": LAYER, "layers": [{**LAYER, "annotations": fields}]}
    texts = []
    for name in names:
        text = json.dumps(values[name], ensure_ascii=last.draw(st.booleans()))
        texts.append(json.dumps(name) + ":" + ("[" * wrap + text + "]" * wrap if name in fields else text))
    content = ("{" + ",".join(texts) + "}").encode("utf-8", errors="surrogatepass")
    read = Manifest.read(content + pad, media_types.OCI_MANIFEST)
    assert [one.digest for one in read.blobs] == [DIGEST]
