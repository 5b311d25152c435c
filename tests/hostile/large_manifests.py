"""Manifests of the largest size that take the most memory to whoever parses or keeps more of them than is needed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from geosync.oci import media_types
from geosync.oci.manifests import MAX_MANIFEST_BYTES, MAX_REFERRED

_PART = 512 * 1024
"""Where there are many steps of Python, and the tests count memory at each of them."""
CONFIG = {"mediaType": media_types.OCI_CONFIG, "digest": f"sha256:{hashlib.sha256(b'{}').hexdigest()}", "size": 2}


def filled(item: Callable[[int], bytes], *, before: bytes, after: bytes, size: int = MAX_MANIFEST_BYTES) -> bytes:
    """Make bytes of about `size`: `before`, one item after another with commas between them, `after`."""
    items: list[bytes] = []
    left = size - len(before) - len(after)
    while left > len(one := item(len(items))) + 1:
        items.append(one)
        left -= len(one) + 1
    return before + b",".join(items) + after


def repeating(item: bytes, *, before: bytes, after: bytes, size: int = MAX_MANIFEST_BYTES) -> bytes:
    """Make the same bytes as `filled` where all items are the same, of which there may be a million."""
    items = (item + b",") * ((size - len(before) - len(after) - 1) // (len(item) + 1))
    return before + items[:-1] + after


def image(field: bytes) -> bytes:
    """An image whose only blob is its config, and one more field."""
    return b'{"schemaVersion":2,"config":%s,"layers":[],%s}' % (json.dumps(CONFIG).encode(), field)


def unknown(item: bytes, size: int = MAX_MANIFEST_BYTES) -> bytes:
    """An image with a list of `item` in a field that nothing reads."""
    before, after = image(b'"x":[|]').split(b"|")
    return repeating(item, before=before, after=after, size=size)


def largest(name: bytes, item: bytes = b"[]") -> bytes:
    """An image of the largest size: its config, and an unread list of `item`. Each name gives another image."""
    before, after = image(b'"name":"%s","x":[|]' % name).split(b"|")
    return repeating(item, before=before, after=after)


def repeated(name: bytes) -> bytes:
    """An image of the largest size whose layers are all its config. Each name gives another image."""
    config = json.dumps(CONFIG).encode()
    before = b'{"schemaVersion":2,"name":"%s","config":%s,"layers":[' % (name, config)
    return repeating(b'{"digest":"%s"}' % str(CONFIG["digest"]).encode(), before=before, after=b"]}")


def layers(item: Callable[[int], bytes]) -> bytes:
    """An image of many layers."""
    before = b'{"schemaVersion":2,"config":%s,"layers":[' % json.dumps(CONFIG).encode()
    return filled(item, before=before, after=b"]}")


def _layer(number: int) -> bytes:
    return b'{"digest":"sha256:%064x"}' % (number % (MAX_REFERRED - 1))


def _key(number: int) -> bytes:
    return b'"%x":0' % number


def _within(field: bytes, item: bytes) -> bytes:
    before, after = (
        b'{"schemaVersion":2,"layers":[],"config":{"digest":"%s","%s":|}}'
        % (
            CONFIG["digest"].encode(),  # type: ignore[attr-defined]
            field,
        )
    ).split(b"|")
    opened, closed = (b"{", b"}") if item.startswith(b'"k') else (b"[", b"]")
    return repeating(item, before=before + opened, after=closed + after)


SHAPES: dict[str, Callable[[], bytes]] = {
    "lists": lambda: unknown(b"[]"),
    "objects": lambda: unknown(b'{"":0}'),
    "nested": lambda: unknown(b'{"":{"":{"":{"":{"":{"":0}}}}}}', _PART),
    "strings": lambda: unknown('"\N{SNOWMAN}"'.encode()),
    "no UTF-8": lambda: unknown(b'"\xff"'),
    "other keys": lambda: filled(_key, before=image(b"|").split(b"|")[0], after=b"}", size=_PART),
    "layers": lambda: layers(_layer),
    "annotations of a descriptor": lambda: _within(b"annotations", b'"k":"v"'),
    "URLs of a descriptor": lambda: _within(b"urls", b'"u"'),
    "data of a descriptor": lambda: _within(b"data", b"[]"),
}
