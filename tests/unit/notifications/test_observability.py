"""Log lines hold nothing secret; metrics are CloudWatch's embedded metric format."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
from aws_lambda_powertools import Logger
from tests.support.clock import FakeClock
from tests.support.cpu import cpu_s

from geosync import observability
from geosync.observability import REDACTED, Metrics, redact

JWT = "eyJhbGciOiJSUzI1NiIsImtpZCI6IkFBQUEifQ.eyJpc3MiOiJnZW8iLCJhY2Nlc3MiOltdfQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
SIGNATURE = "f00dfeed0123456789abcdef0123456789abcdef0123456789abcdef01234567"
SECRET = "s3cret/Value+1"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"token {JWT} is not valid", JWT),
        (json.dumps(f"the answer:\n{JWT}\n"), JWT),
        (json.dumps("sent:\nBasic dXNlcjpwYXNzd29yZA=="), "dXNlcjpwYXNzd29yZA"),
        (f"Authorization: Bearer {JWT}", JWT.split(".")[2]),
        (f"GET https://bucket.example.com/a?X-Amz-Date=1&X-Amz-Signature={SIGNATURE}&x=1", SIGNATURE),
        (f"https://b.example.com/a?X-Amz-Security-Token={SECRET}", SECRET),
        (f"https://b.example.com/a?X-Goog-Signature={SIGNATURE}", SIGNATURE),
        (f"https://b.blob.example.net/a?se=1&sig={SECRET}&sp=r", SECRET),
        (f"Authorization: {SECRET}", SECRET),
        (f"authorization={SECRET}".replace("=", ": "), SECRET),
        (f"{{'Authorization': '{SECRET}', 'Accept': '*/*'}}", SECRET),
        (f"{{'Authorization': b'{SECRET}'}}", SECRET),
        (json.dumps({"headers": {"Authorization": [SECRET]}}), SECRET),
        (json.dumps(json.dumps({"Authorization": SECRET})), SECRET),
        (f"Authorization: Basic {SECRET}", SECRET),
        ("sent Basic dXNlcjpwYXNzd29yZA== to it", "dXNlcjpwYXNzd29yZA"),
        (f"https://user:{SECRET.replace('/', '')}@registry.example.com/v2/", SECRET.replace("/", "")),
        (json.dumps({"access_token": SECRET, "expires_in": 300}), SECRET),
        (json.dumps({"username": "u", "password": SECRET}), SECRET),
        (json.dumps("-----BEGIN RSA PRIVATE KEY-----\nMIIEabc\n-----END RSA PRIVATE KEY-----\n"), "MIIEabc"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEabc", "MIIEabc"),
    ],
)
def test_what_is_secret_is_replaced(text: str, secret: str) -> None:
    redacted = redact(text)
    assert secret not in redacted
    assert REDACTED in redacted


@pytest.mark.parametrize(
    "text",
    [
        "notification_accepted",
        "Basic authentication failed, Bearer challenge expected",
        'WWW-Authenticate: Bearer realm="https://auth.example.com/token",service="registry"',
        "GET /v2/group/app/manifests/sha256:" + "a" * 64,
        "https://registry.example.com:5000/v2/group/app/blobs/uploads/?mount=sha256:abc&from=group/app",
        'failed to verify token: token signed by untrusted key with ID: "AAAA:BBBB"',
        "the secret arn:aws:secretsmanager:eu-west-1:111122223333:secret:geo-AbCdEf holds no token",
        json.dumps({"reason": "wrong", "status": 401, "tokens": 2, "signature": False}),
    ],
)
def test_what_is_not_secret_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


def test_a_redacted_line_is_still_json() -> None:
    line = json.dumps({"a": f"Authorization: {SECRET}", "b": json.dumps({"Authorization": SECRET}), "c": JWT, "d": [1]})
    assert json.loads(redact(line))["d"] == [1]


@pytest.mark.parametrize(
    ("part", "number"), [("a_", 5_000), ("eyJ", 5_000), ("Basic ", 2_000), ('"', 10_000), ("https://", 2_000)]
)
def test_a_line_ten_times_as_long_takes_no_more_than_some_ten_times_as_long_to_redact(part: str, number: int) -> None:
    # Where it looked at each pair of places it would be 100 times.
    short, long = part * number, part * number * 10
    assert cpu_s(lambda: redact(long)) < 30 * cpu_s(lambda: redact(short))


def test_a_gauge_may_be_0_or_a_fraction_of_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    Metrics("dublin").gauge({"RecoveryPointAge": 0, "Other": 2.5}, "Seconds")
    document = json.loads(capsys.readouterr().out)
    assert (document["RecoveryPointAge"], document["Other"]) == ([0], [2.5])
    assert {metric["Unit"] for metric in document["_aws"]["CloudWatchMetrics"][0]["Metrics"]} == {"Seconds"}


def test_a_site_without_a_name_logs_without_error(capsys: pytest.CaptureFixture[str]) -> None:
    Metrics("").put({"NotificationsFailed": 1})
    assert json.loads(capsys.readouterr().out)["site"] == ""


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Logger, io.StringIO]]:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "redaction-test")
    stream = io.StringIO()
    logger = observability.logger()
    handler = logger.registered_handler
    assert hasattr(handler, "setStream")
    before = handler.setStream(stream)
    yield logger, stream
    handler.setStream(before)  # the logger of that name is the process's, and gets its handler but once


def test_message_keys_exception_and_stack_are_all_redacted(
    lines: tuple[Logger, io.StringIO],
) -> None:
    logger, stream = lines
    try:
        raise ValueError(f"Authorization: {SECRET} at https://b/?X-Amz-Signature={SIGNATURE}")
    except ValueError:
        logger.exception(
            f"it failed with {JWT}", extra={"reason": f"Basic {SECRET}", "event": {"Authorization": SECRET}}
        )
    line = json.loads(stream.getvalue())
    assert line["level"] == "ERROR"
    assert line["service"] == "redaction-test"
    assert line["exception_name"] == "ValueError"
    for secret in (SECRET, SIGNATURE, JWT):
        assert secret not in stream.getvalue()


def test_metrics_are_one_line_of_the_embedded_metric_format(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "geosync-notifications")  # which is no dimension
    Metrics("dublin", clock=FakeClock(1_795_499_108_100)).put(
        {"EventsAccepted": 3, "EventsDropped": 0, "EventsUnusable": 1}
    )
    (line,) = capsys.readouterr().out.splitlines()
    document = json.loads(line)
    head = document.pop("_aws")
    assert document == {"site": "dublin", "EventsAccepted": [3], "EventsUnusable": [1]}
    assert head["Timestamp"] == 1_795_499_108_100
    assert head["CloudWatchMetrics"] == [
        {
            "Namespace": "Geosync",
            "Dimensions": [["site"]],
            "Metrics": [{"Name": "EventsAccepted", "Unit": "Count"}, {"Name": "EventsUnusable", "Unit": "Count"}],
        }
    ]


def test_without_a_count_no_line_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    Metrics("dublin").put({"EventsAccepted": 0})
    assert capsys.readouterr().out == ""
