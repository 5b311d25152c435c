"""Answers as API Gateway carries them."""

from __future__ import annotations

import json

from geosync.reading.answering import MOST_BODY, passed_on, point_headers
from geosync.reading.own_registry import Answered

URL = "https://registry.example.com/v2/app/manifests/v1"
LAMBDA_BYTES = 6_291_556
"""What Lambda hands over at most (AWS, "Lambda quotas")."""


def test_an_answer_names_its_moment_or_none_and_never_0() -> None:
    assert point_headers(1_800_000_000_123, 1_800_000_087_000) == {
        "X-Geosync-Recovery-Point": "2027-01-15T08:00:00.123Z",
        "X-Geosync-Lag": "86",
    }
    assert point_headers(None, 1_800_000_087_000) == {
        "X-Geosync-Recovery-Point": "not known",
        "X-Geosync-Lag": "not known",
    }


def test_bytes_pass_as_they_are() -> None:
    body = '{"a": "ü", "b":\n1}\r\n'.encode()
    answer = passed_on(Answered(status=200, body=body), URL, {})
    assert answer["body"].encode() == body
    assert answer["isBase64Encoded"] is False


def test_an_answer_too_large_for_api_gateway_is_a_redirect_to_the_registry() -> None:
    for body in (b"\xff\xfe", b'"' * (MOST_BODY // 2)):
        answer = passed_on(Answered(status=200, body=body), URL, {})
        assert (answer["statusCode"], answer["headers"]["Location"]) == (307, URL)


def test_the_largest_answer_is_what_lambda_hands_over() -> None:
    largest = passed_on(Answered(status=200, body=b"x" * (MOST_BODY - 2)), URL, {})
    assert largest["statusCode"] == 200
    assert len(json.dumps(largest)) < LAMBDA_BYTES
