"""What answers mean: the table of errors, error bodies, Retry-After, and that no secret gets into a text."""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Mapping
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geosync.errors import (
    BlobsUnknown,
    Denied,
    NotFound,
    OutcomeUnknown,
    Refused,
    RegistryError,
    RegistryUnavailable,
    Unauthorized,
)
from geosync.oci.answers import (
    MAX_DETAIL,
    MAX_RETRY_AFTER_S,
    Errors,
    broken,
    classify,
    parse_errors,
    read_errors,
    redact,
    retry_after,
)
from geosync.oci.deadline import Deadline
from geosync.oci.transport import Broken, HttpAnswer

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64


def body(*errors: Mapping[str, object]) -> bytes:
    return json.dumps({"errors": list(errors)}).encode()


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "MANIFEST_INVALID", Refused),
        (400, "TAG_INVALID", Refused),
        (400, "UNSUPPORTED", Refused),
        (400, "", Refused),
        (405, "UNSUPPORTED", Refused),
        (413, "", Refused),
        (307, "", Refused),
        (501, "UNSUPPORTED", Refused),
        (401, "UNAUTHORIZED", Unauthorized),
        (403, "DENIED", Denied),
        (403, "", Denied),
        (404, "NAME_UNKNOWN", NotFound),
        (404, "", NotFound),
        (404, "BLOB_UPLOAD_UNKNOWN", RegistryUnavailable),
        (400, "BLOB_UPLOAD_INVALID", RegistryUnavailable),
        (400, "TOOMANYREQUESTS", RegistryUnavailable),
        (429, "", RegistryUnavailable),
        (408, "", RegistryUnavailable),
        (500, "UNKNOWN", RegistryUnavailable),
        (503, "", RegistryUnavailable),
        (599, "", RegistryUnavailable),
    ],
)
def test_each_status_and_code_has_its_class_of_error(status: int, code: str, kind: type[RegistryError]) -> None:
    errors = parse_errors(body({"code": code, "message": "m"}) if code else b"")
    error = classify("host:1", "PUT /v2/x", status, errors)
    assert type(error) is kind
    assert error.status == status
    assert error.registry == "host:1"


@pytest.mark.parametrize(
    "detail",
    [
        DIGEST,
        {"digest": DIGEST},
        {"Digest": DIGEST, "size": 3},
        [DIGEST],
        [{"digest": DIGEST}],
        {"blobs": DIGEST},
        f"layer not found: {DIGEST}",  # olareg
    ],
)
def test_missing_blobs_are_named_in_whatever_form_the_detail_has(detail: object) -> None:
    errors = parse_errors(body({"code": "MANIFEST_BLOB_UNKNOWN", "detail": detail}))
    error = classify("host", "PUT", 400, errors)
    assert isinstance(error, BlobsUnknown)
    assert error.missing == (DIGEST,)


def test_a_missing_blob_is_read_from_the_message_where_the_detail_names_none() -> None:
    entry = {"code": "MANIFEST_BLOB_UNKNOWN", "message": f"layer not found: {DIGEST}", "detail": None}
    assert parse_errors(body(entry)).missing == (DIGEST,)
    assert parse_errors(body({**entry, "message": f"not found: {DIGEST}0 or {OTHER[:-1]}"})).missing == ()


def test_every_missing_blob_is_named_once_in_order() -> None:
    entries = [{"code": "MANIFEST_BLOB_UNKNOWN", "detail": one} for one in (OTHER, DIGEST, OTHER)]
    assert parse_errors(body(*entries)).missing == (OTHER, DIGEST)


def test_a_digest_in_another_error_is_not_a_missing_blob() -> None:
    errors = parse_errors(body({"code": "MANIFEST_INVALID", "detail": DIGEST}))
    assert errors.missing == ()
    assert type(classify("host", "PUT", 400, errors)) is Refused


def test_missing_blobs_without_a_digest_are_a_refusal() -> None:
    errors = parse_errors(body({"code": "MANIFEST_BLOB_UNKNOWN", "detail": "something"}))
    assert type(classify("host", "PUT", 400, errors)) is Refused


def test_retry_after_reaches_the_error() -> None:
    error = classify("host", "GET", 429, Errors(), 7.0)
    assert isinstance(error, RegistryUnavailable)
    assert error.retry_after == 7.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0", 0.0), ("120", 120.0), ("  5 ", 5.0), (str(10**30), MAX_RETRY_AFTER_S)],
)
def test_retry_after_in_seconds(text: str, seconds: float) -> None:
    assert retry_after(text) == seconds


def test_retry_after_as_a_date() -> None:
    before = time.time()
    soon = retry_after(email.utils.formatdate(before + 60, usegmt=True))
    assert soon is not None
    assert before + 59 - time.time() <= soon <= 61
    assert retry_after(email.utils.formatdate(time.time() - 60, usegmt=True)) == 0.0
    assert retry_after("Fri, 31 Dec 9999 23:59:59 GMT") == MAX_RETRY_AFTER_S


@pytest.mark.parametrize("text", [None, "", "soon", "-5", "1.5", "Fri, 99 Xyz 2026 00:00:00 GMT", "١٢"])
def test_a_retry_after_that_makes_no_sense_is_none(text: str | None) -> None:
    assert retry_after(text) is None


@given(st.text(max_size=60))
def test_retry_after_takes_any_text(text: str) -> None:
    seconds = retry_after(text)
    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER_S


@given(st.binary(max_size=200))
def test_any_bytes_are_an_error_body(content: bytes) -> None:
    parsed = parse_errors(content)
    assert len(parsed.detail) <= MAX_DETAIL


@pytest.mark.parametrize("content", [b"<html>", b"[]", b'{"errors":{}}', b'{"errors":["x"]}', b"[" * 100_000, b"null"])
def test_a_body_that_is_no_oci_error_is_not_well_formed(content: bytes) -> None:
    parsed = parse_errors(content)
    assert not parsed.well_formed
    assert not parsed.empty
    assert parsed.codes == ()


def test_an_empty_body_is_told_from_a_foreign_one() -> None:
    assert parse_errors(b"").empty
    assert parse_errors(b" \n").empty


JWT = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJnZW8ifQ.c2lnbmF0dXJl"
SECRETS = [
    JWT,
    "Bearer abcdef0123",
    "Basic Z2VvOnB3",
    "https://bucket.s3.amazonaws.com/x?X-Amz-Signature=deadbeef&X-Amz-Credential=AKIA%2F1",
    "/v2/x/blobs/uploads/1?_state=abc",
    "password=hunter2",
    '{"token":"t0k3n"}',
    "secret: hunter2",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_no_secret_survives_redaction(secret: str) -> None:
    cleaned = redact(f"it failed for {secret} and more")
    for part in ("abcdef0123", "Z2VvOnB3", "deadbeef", "AKIA", "_state=abc", "hunter2", "t0k3n", JWT, "c2lnbmF0dXJl"):
        assert part not in cleaned
    assert cleaned.startswith("it failed for ")


@given(
    before=st.text(alphabet="abc \n\t,;(", max_size=30),
    after=st.text(alphabet="abc \n\t,;)", max_size=30),
    token=st.text(alphabet="ABCDEFGHabcdefgh0123456789_-", min_size=12, max_size=40),
)
def test_a_token_is_redacted_wherever_it_stands(before: str, after: str, token: str) -> None:
    text = redact(f"{before} Bearer {token} {after} https://h/p?sig={token} eyJ{token}.{token}.{token}")
    assert token not in text


@given(st.text(max_size=500))
def test_redacted_text_is_short_and_on_one_line(text: str) -> None:
    cleaned = redact(text)
    assert len(cleaned) <= MAX_DETAIL
    assert cleaned == " ".join(cleaned.split())
    assert cleaned.isprintable()


def test_a_write_that_was_sent_and_not_answered_has_an_unknown_outcome() -> None:
    assert type(broken("h", "PUT", Broken("x", sent=True), write=True)) is OutcomeUnknown
    assert type(broken("h", "PUT", Broken("x", sent=False), write=True)) is RegistryUnavailable
    assert type(broken("h", "GET", Broken("x", sent=True), write=False)) is RegistryUnavailable


class CutAnswer:
    """An answer whose body breaks off."""

    length = 170

    def read(self, size: int) -> bytes:
        raise Broken("the connection was closed in the middle of the body", sent=True)

    def close(self) -> None:
        pass


def test_a_400_with_a_truncated_body_is_sent_again_as_it_may_name_missing_blobs() -> None:
    errors = read_errors(cast(HttpAnswer, CutAnswer()), Deadline())
    error = classify("host", "PUT", 400, errors)
    assert type(error) is RegistryUnavailable
    assert error.retryable
