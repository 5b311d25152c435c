"""The S3 of the largest measurement: an object is the bytes that were put, and a part says their SHA-256."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from bench.disk_objects import LEAST_PART, Refused, Store, Stored

FIRST, LAST = b"a" * LEAST_PART, b"the rest"


def content(stored: Stored, first: int, last: int) -> bytes:
    return b"".join(
        piece.path.read_bytes()[offset : offset + length] for piece, offset, length in stored.ranges(first, last)
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    store.make("layers")
    return store


def test_an_object_of_parts_is_their_bytes_in_the_order_of_their_numbers(store: Store, tmp_path: Path) -> None:
    name = store.begin("layers", "key", "SHA256")
    for number, part in ((2, LAST), (1, FIRST)):
        store.upload(name).parts[number] = store.write(iter([part]), hashed=True)
    stored = store.complete(name, [1, 2])
    assert store.find("layers", "key") == stored
    assert content(stored, 0, stored.size - 1) == FIRST + LAST
    assert content(stored, LEAST_PART - 1, LEAST_PART + 2) == b"athe"
    assert stored.pieces[1].sha256 == base64.b64encode(hashlib.sha256(LAST).digest()).decode()
    with pytest.raises(Refused, match="NoSuchUpload"):
        store.upload(name)
    store.delete("layers", "key")
    assert [*tmp_path.iterdir()] == []


def test_an_upload_is_completed_by_parts_that_are_there_and_large_enough(store: Store) -> None:
    name = store.begin("layers", "key", "")
    for number in (1, 2):
        store.upload(name).parts[number] = store.write(iter([LAST]), hashed=False)
    with pytest.raises(Refused, match="EntityTooSmall"):
        store.complete(name, [1, 2])
    with pytest.raises(Refused, match="InvalidPart"):
        store.complete(name, [3])
    with pytest.raises(Refused, match="NoSuchKey"):
        store.find("layers", "key")
