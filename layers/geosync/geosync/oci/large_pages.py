"""Pages of listings that are too large to be parsed whole: a parsed page takes up to forty times its bytes.

A listing is read entry by entry. Of each entry only the fields that somebody reads are kept, and all are counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from geosync.errors import TooLarge
from geosync.oci.documents import Document, field

MAX_ENTRIES = 512 * 1024
"""Names on one page. A registry without pages lists so many tags of 13 characters in the 8 MiB of a page."""
MAX_READ_BYTES = 40 * 1024 * 1024
"""Memory of a page once it is read: 64 bytes for a short name, and eight for its place in the list."""
MAX_NAME = 255
"""Characters of a text that is kept: the longest name of a repository."""
_OBJECT_ENTRIES = 16
"""An object in a listing takes as much memory as so many names."""
_LISTS = ("tags", "repositories", "manifests", "items")
_MAP = "manifest"
"""A map by digest, not a list (gar.py)."""
_FIELDS = ("name", "digest", "tags", "tag", "mediaType", "size", "urls")
"""The fields of an entry that somebody reads."""


def read_large(body: bytes, *, arrays: bool) -> dict[str, Any]:
    """Read a large page: what is listed, with the fields that are read; with `arrays`, a bare array is its `items`.

    Raises MalformedManifest, TooLarge.
    """
    if arrays and body.lstrip(b" \t\r\n").startswith(b"["):
        body = b"".join((b'{"items":', body, b"}"))
    document = Document(body, (*_LISTS, _MAP))
    reader = _EntryReader()
    found: dict[str, Any] = {}
    for name in filter(document.is_list, _LISTS):
        listed = document.items(name, _FIELDS)
        if listed is not None:
            found[name] = reader.entries(listed)
    about = {digest: reader.entry(one) for digest, one in document.pairs(_MAP, _FIELDS) if len(digest) <= MAX_NAME}
    return {**found, _MAP: about} if about else found


class _EntryReader:
    """Reduces the entries of a page to what somebody reads of them, and counts them."""

    def __init__(self) -> None:
        self._left = MAX_ENTRIES

    def entry(self, value: Any) -> Any:
        """Return a name, or the fields of an object; None for anything else. Raises TooLarge."""
        if isinstance(value, dict):
            self._count(_OBJECT_ENTRIES)
            fields = ((name, field(value, name)) for name in _FIELDS)
            return {name: self._field(one) for name, one in fields if one is not None}
        return self._name(value)

    def entries(self, values: Iterable[Any]) -> list[Any]:
        """Return the entry of each value, without those that are None. Raises TooLarge."""
        return [one for one in map(self.entry, values) if one is not None]

    def _field(self, value: Any) -> Any:
        if isinstance(value, list):
            return [one for one in map(self._name, value) if one is not None]
        return value if isinstance(value, int | float) else self._name(value)

    def _name(self, value: Any) -> str | None:
        self._count(1)
        return value if isinstance(value, str) and len(value) <= MAX_NAME else None

    def _count(self, entries: int) -> None:
        self._left -= entries
        if self._left < 0:
            raise TooLarge(f"a page of a listing with more than {MAX_ENTRIES} names")
