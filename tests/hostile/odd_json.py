"""JSON that no honest sender writes: documents of a known form with a few places that are not what they should be.

A document is rendered by hand, so that it may have a key twice, a number of 5,000 digits, or bytes that are no UTF-8.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from tests.hostile.fuzzing import SECRET

DIGEST = "sha256:" + "1" * 64


class Raw(str):
    """A text that is put into the JSON unchanged."""


class Pairs(list[tuple[str, Any]]):
    """An object that may have a key more than once."""


_SCALARS: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, -(2**63), 10**400, 0.5, -0.0),
    *("", "a", DIGEST, "sha512:" + "f" * 128, "latest", "a/b", "v1", "*", "../..", "\u2028", "\N{SNOWMAN}", " "),
    *("\ud800", "\x1b[2J", "\x9b2J", "\x00", "\x7f", "a\r\nb", "<script>", "%00", "\u0130", "\u017f"),
    *(f"https://h/?sig={SECRET}", "http://[::1", "https://a:99999/", "//", "2026-01-01T00:00:00Z", "9" * 30),
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-11-29T22:00:00.123456789Z"),
]
_RAW = [
    *(
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "-1e400",
        "1" * 4000,
        "9" * 5000,
        "-" + "9" * 5000,
        "1.0000000000000001",
    ),
    *("[" * 60 + "]" * 60, "[" * 700 + "]" * 700, "[" * 9000 + "]" * 9000, "[" * 12_000 + "]" * 12_000),
    *('{"a":' * 400 + "1" + "}" * 400, '{"a":' * 9000 + "1" + "}" * 9000, "[" * 3000),
    *('"' + "a" * 20_000 + '"', '"' + "\\u001b" * 3000 + '"', '"' + "\\ud800" * 300 + '"', '"' + "é" * 3000 + '"'),
    *("[" + "0," * 5000 + "0]", "[" + "{}," * 3000 + "{}]", "[" + "[]," * 3000 + "[]]", '["' + '","' * 3000 + '"]'),
    *("{" + ",".join(f'"{one}":0' for one in range(2000)) + "}", "{" + '"a":{},' * 2000 + '"a":{}}'),
    *("", "}", "'a'", "\\", "/*", "01", "+1", ".5", "tru", '"\\x"', '"\n"', '"\\ud8', "\udcff"),
]

_BETWEEN = ["", "\ufeff", "\x00", '"', "{", "}", ",", "\udcff", "\ud800", "[" * 50]

values: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(_SCALARS),
    st.sampled_from(_RAW).map(Raw),
    st.text(st.characters(), max_size=12),
    st.integers(),
    st.recursive(
        st.sampled_from(_SCALARS),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.lists(st.tuples(st.sampled_from(["a", "digest", "size", "Digest", "urls", ""]), inner), max_size=3).map(
                Pairs
            ),
        ),
        max_leaves=6,
    ),
)


def render(value: Any) -> str:
    """Write a value as JSON, or as what it stands for."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(key)}:{render(one)}" for key, one in value) + "}"
    if isinstance(value, Mapping):
        return render(Pairs(value.items()))
    if isinstance(value, list):
        return "[" + ",".join(map(render, value)) + "]"
    return json.dumps(value)


def to_bytes(text: str) -> bytes:
    """Return a document's bytes; what stands for a byte that is no UTF-8 becomes that byte."""
    return text.encode("utf-8", "surrogateescape" if _is_escaped(text) else "surrogatepass")


def _is_escaped(text: str) -> bool:
    return all(not "\ud800" <= one <= "\udfff" or "\udc80" <= one <= "\udcff" for one in text)


@st.composite
def mutated(draw: st.DrawFn, documents: st.SearchStrategy[Any], *, most: int = 3) -> Any:
    """Draw a document, and change up to `most` of its places."""
    document = copy.deepcopy(draw(documents))
    for _ in range(draw(st.integers(0, most))):
        document = _change(draw, document)
    return document


def _change(draw: st.DrawFn, document: Any) -> Any:
    places: list[tuple[Any, Any]] = []
    _collect(document, places)
    if not places:
        return draw(values)
    parent, key = draw(st.sampled_from(places))
    how = draw(st.sampled_from(["replace", "replace", "replace", "drop", "again", "case", "wrap", "swap"]))
    if how == "replace":
        parent[key] = draw(values)
    elif how == "drop":
        del parent[key]
    elif how == "wrap":
        parent[key] = draw(st.sampled_from([[parent[key]], {"a": parent[key]}, [parent[key]] * 3]))
    elif how == "swap":
        parent[key] = copy.deepcopy(document)
    elif isinstance(parent, dict) and key in parent:
        name = key.swapcase() if how == "case" else key + draw(st.sampled_from(["", "s", "\u0000"]))
        parent[name] = draw(values) if how == "again" else parent.pop(key)
    return document


def _collect(value: Any, places: list[tuple[Any, Any]], depth: int = 0) -> None:
    if depth > 8 or isinstance(value, Pairs):
        return
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        places.append((value, key))
        _collect(one, places, depth + 1)


@st.composite
def texts(draw: st.DrawFn, documents: st.SearchStrategy[Any], *, most: int = 3) -> str:
    """Draw the text of a changed document, sometimes with a part cut off or inserted."""
    text = render(draw(mutated(documents, most=most)))
    if draw(st.integers(0, 7)) == 0:
        at = draw(st.integers(0, min(len(text), 400)))
        text = text[:at] + draw(st.sampled_from(_BETWEEN)) + text[at:]
    if draw(st.integers(0, 15)) == 0:
        text = text[: draw(st.integers(0, max(len(text) - 1, 0)))]
    return text
