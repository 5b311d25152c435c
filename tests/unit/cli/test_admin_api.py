"""The admin API as a client reads it: an answer comes whole, or in pieces."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from geosync.cli import admin_api
from geosync.cli.admin_api import AdminClient
from geosync.errors import AdminApiRefused


class Pieces(requests.adapters.BaseAdapter):
    """Answers with pieces of a body, as a chunked answer comes; counts those that were taken."""

    def __init__(self, *pieces: bytes) -> None:
        super().__init__()
        self._pieces = pieces
        self.taken = 0

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        answer = requests.Response()
        answer.status_code, answer.raw = 200, self
        return answer

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        for piece in self._pieces:
            self.taken += 1
            yield piece

    def close(self) -> None:
        """Nothing is open."""


def client(pieces: Pieces) -> AdminClient:
    one = AdminClient("https://admin.example.com/geo", "t")
    one._session.mount("https://", pieces)
    return one


def test_an_answer_that_comes_in_pieces_is_read_whole() -> None:
    document = [{"name": "oregon", "primary": False}] * 100
    text = json.dumps(document).encode()
    pieces = Pieces(*(text[start : start + 97] for start in range(0, len(text), 97)))
    assert client(pieces).get("/api/v4/geo_sites") == document
    assert client(Pieces(text)).get("/api/v4/geo_sites") == document


def test_an_answer_without_an_end_is_cut() -> None:
    pieces = Pieces(*[b" " * 65_536] * 100)
    with pytest.raises(AdminApiRefused):
        client(pieces).get("/api/v4/geo_sites")
    assert pieces.taken == admin_api.MOST_BYTES // 65_536
