"""A hostile client and registry: a request is a read of checked names or refused, an answer can be passed on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import strategies as st
from tests.hostile.answers import HOST, Answers
from tests.hostile.fuzzing import SECRET, SEEDS, Bounds, attack, fuzz
from tests.hostile.odd_json import DIGEST
from tests.hostile.test_fuzz_client import answers
from tests.support.clock import FakeClock

from geosync.oci import addresses
from geosync.oci.deadline import Deadline
from geosync.reading.answering import passed_on, refused
from geosync.reading.own_registry import MOST_HEADER, OwnRegistry
from geosync.reading.refusals import ReadRefusal
from geosync.reading.requested import Requested, read_request

_odd = st.one_of(
    st.text(st.characters(), max_size=10),
    st.sampled_from(
        [
            *(
                "",
                "..",
                ".",
                "/",
                "//",
                "a",
                "group/app",
                "v1",
                DIGEST,
                "tags/list",
                "manifests",
                "blobs",
                "\ud800",
                "é",
            ),
            *("%2e%2e", "%2F", "\x00", "\x9b", "\r\nHost: evil", "?", "#", "@", "a" * 700, "A", "a/../b", " ", "\\"),
        ]
    ),
)
_paths = st.one_of(
    st.lists(_odd, max_size=6).map(lambda parts: "/v2/" + "/".join(parts)),
    st.tuples(_odd, st.sampled_from(["manifests", "blobs", "referrers", "tags"]), _odd).map(
        lambda one: f"/v2/group/{one[0]}/{one[1]}/{one[2]}"
    ),
    _odd,
)


@pytest.mark.parametrize("seeds", SEEDS)
def test_any_request_is_a_read_of_checked_names_or_refused(seeds: str) -> None:
    def check(given: tuple[str, str, dict[str, str], dict[str, str] | None]) -> None:
        method, path, headers, query = given
        event = {"httpMethod": method, "path": path, "headers": headers, "queryStringParameters": query}
        size = len(path) + sum(map(len, headers.values())) + sum(map(len, (query or {}).values()))
        found: Any = attack(lambda: read_request(event), size, errors=(ReadRefusal,))
        if isinstance(found, ReadRefusal):
            answer = refused(found, {})
            json.loads(answer["body"])
            assert 400 <= answer["statusCode"] < 500
            return
        assert isinstance(found, Requested)
        assert found.target.startswith("/v2/")
        assert found.target.isascii()
        assert found.target.isprintable()
        assert " " not in found.target
        assert ".." not in found.target.partition("?")[0].split("/")

    names = st.sampled_from(["Authorization", "authorization", "Accept", "Range", "Host"])
    headers = st.dictionaries(names, _odd | st.sampled_from([f"Basic {SECRET}", "Bearer x", "bytes=0-1"]), max_size=2)
    query = st.none() | st.dictionaries(
        st.sampled_from(["n", "last", "artifactType", "x", "service"]), _odd, max_size=3
    )
    methods = st.sampled_from(["GET", "GET", "GET", "HEAD", "POST", "", "\x9b"])
    fuzz(st.tuples(methods, _paths, headers, query), check, seeds, examples=200)


@pytest.mark.parametrize("seeds", SEEDS)
def test_any_answer_of_the_registry_can_be_passed_on(seeds: str) -> None:
    """API Gateway takes headers of printable ASCII, and text; what else a registry says does not reach a client."""

    def check(given: tuple[str, list[bytes]]) -> None:
        method, script = given
        clock = FakeClock()
        stand_in, deadline = Answers(script, clock), Deadline(clock)
        deadline.set(20)
        registry = OwnRegistry(f"http://{HOST}", deadline)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(addresses, "connect", stand_in.connect)
            size = 8 * sum(map(len, script))
            found: Any = attack(
                lambda: registry.ask(method, "/v2/a/b/tags/list", "Basic x"),
                size,
                bounds=Bounds(steps=20_000, held=2 * 1024 * 1024),
                errors=(ReadRefusal,),
            )
        registry.close()
        stand_in.close()
        if isinstance(found, ReadRefusal):
            return
        answer = passed_on(found, f"http://{HOST}/v2/", {})
        json.dumps(answer)
        for value in answer["headers"].values():
            assert value.isascii(), value
            assert value.isprintable(), value
            assert len(value) <= MOST_HEADER
        if found.location is not None:
            assert found.location.isascii()
            assert found.location.isprintable()

    given = st.tuples(st.sampled_from(["GET", "HEAD"]), st.lists(answers(), min_size=1, max_size=2))
    fuzz(given, check, seeds, examples=120, kept=KEPT)


KEPT: list[tuple[str, list[bytes]]] = [
    ("GET", [b'HTTP/1.1 401 X\r\nWWW-Authenticate: Basic realm="\x9b2J\xff"\r\nContent-Length: 0\r\n\r\n']),
    ("GET", [b"HTTP/1.1 200 X\r\nETag: a\r\n folded\r\nContent-Length: 0\r\n\r\n"]),
    ("GET", [b'HTTP/1.1 200 X\r\nLink: </v2/a?\xe9>; rel="next"\r\nContent-Length: 0\r\n\r\n']),
]
