"""The endpoint from request to queue: what it answers, what it writes, what it logs."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from functions.notifications import app
from tests.functional.notifications.parts import ROOT, Post, Site, sample

from geosync.messages import event_log
from geosync.notifications.formats import heartbeat

Log = Callable[[], list[dict[str, Any]]]
TAG, DIGEST, PULL = "distribution-push-tag.json", "distribution-push-digest.json", "distribution-pull.json"
V1 = "application/vnd.docker.distribution.events.v1+json"


@pytest.fixture
def calls(aws: Site) -> list[str]:
    """The AWS calls of the endpoint's clients from here on, by a hook in botocore."""
    site, made = app.endpoint(), list[str]()
    for client in (site.publisher._event_log._dynamodb, site.publisher._topic._sns):
        client.meta.events.register("before-call", lambda model, **_: made.append(model.name))
    assert boto3.DEFAULT_SESSION is not None
    boto3.DEFAULT_SESSION.events.register("before-call", lambda model, **_: made.append(model.name))
    return made


def test_a_push_is_in_the_event_log_and_on_the_topic(aws: Site, post: Post, log: Log) -> None:
    event = sample(TAG)
    assert post() == (200, {"message": "accepted", "accepted": 1, "dropped": 0, "unusable": 0})
    (message,) = aws.messages()
    (item,) = aws.items()
    assert message["repository"] == "group/app"
    assert message["tag"] == "docker"
    assert message["id"] == event["id"]
    assert {name: item[name] for name in message} == message
    assert item["outcome"] == "accepted"
    assert item["expire_at"] == message["received_at"] // 1000 + 30 * 86_400
    recent = aws.table.query(
        IndexName="recent",
        KeyConditionExpression="#hour = :hour",
        ExpressionAttributeNames={"#hour": "hour"},
        ExpressionAttributeValues={":hour": item["hour"]},
        ScanIndexForward=False,
    )
    assert [found["id"] for found in recent["Items"]] == [event["id"]]
    (line,) = log()
    assert line["message"] == "notification_accepted"
    assert line["correlation_ids"] == [event["request"]["id"]]
    assert line["request_id"] == post.request["requestContext"]["requestId"]


@pytest.mark.parametrize(
    ("token", "reason"),
    [(None, "missing"), ("", "blank"), (" ", "blank"), ("tökén", "not_ascii"), ("stub-tokem", "wrong")],
)
def test_without_the_token_nothing_is_read_or_written(
    aws: Site, post: Post, log: Log, token: str | None, reason: str
) -> None:
    status, answer = post(sample(TAG), token=token)
    assert status == 401
    assert answer["message"]
    assert post("not even an envelope", token=token, body="{" * 2_000_000)[0] == 401
    assert (aws.items(), aws.messages()) == ([], [])
    assert {(line["message"], line["reason"]) for line in log()} == {("notification_refused", reason)}
    assert not token or not token.strip() or token not in json.dumps(log(), ensure_ascii=False)


def test_after_a_rotation_both_tokens_are_taken_without_a_new_environment(
    aws: Site, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert post(sample(TAG))[0] == 200
    aws.secrets.put_secret_value(SecretId=aws.secret_arn, SecretString=json.dumps({"token": "rotated-token"}))
    assert post(sample(TAG), token="rotated-token")[0] == 401
    kept = app.endpoint().authorization._kept
    assert kept._read_at_s is not None
    monkeypatch.setattr(kept, "_read_at_s", kept._read_at_s - 60)
    assert post(sample(TAG), token="rotated-token")[0] == 200
    assert post(sample(TAG))[0] == 200


def test_a_secret_that_is_gone_is_503_and_says_so(aws: Site, post: Post, log: Log) -> None:
    aws.secrets.delete_secret(SecretId=aws.secret_arn, ForceDeleteWithoutRecovery=True)
    assert post(sample(TAG))[0] == 503
    (line,) = log()
    assert (line["message"], line["level"]) == ("notification_failed", "ERROR")
    assert "ResourceNotFoundException" in line["reason"]


@pytest.mark.parametrize(
    "media_type",
    [
        V1,
        V1.replace("v1", "v2"),
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;Charset=UTF-8",
        V1.upper() + " ; charset=utf-8",
        None,
    ],
)
def test_media_types_of_envelopes(aws: Site, post: Post, media_type: str | None) -> None:
    assert post(sample(TAG), headers={"Content-Type": media_type})[0] == 200
    assert len(aws.messages()) == 1


@pytest.mark.parametrize("media_type", ["text/plain", "application/vnd.docker.distribution.events.v3+json", "json"])
def test_other_media_types_are_415(aws: Site, post: Post, media_type: str) -> None:
    status, answer = post(sample(TAG), headers={"Content-Type": media_type})
    assert status == 415
    assert V1 in answer["message"]
    assert aws.items() == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_base64_bodies_in_the_encodings_of_json(aws: Site, post: Post, encoding: str) -> None:
    body = base64.b64encode(json.dumps({"events": [sample(TAG)]}).encode(encoding)).decode()
    assert post(body=body, isBase64Encoded=True)[0] == 200
    assert len(aws.messages()) == 1


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (None, "empty"),
        ("", "empty"),
        ("{", "not JSON"),
        ("events=1", "not JSON"),
        ("1" * 10_000, "not JSON"),
        ("\ud800", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "not an envelope"),
        ("null", "not an envelope"),
        ("{}", "not an envelope"),
        ('{"events": {}}', "not an envelope"),
        (json.dumps({"events": [0] * 2001}), "more than 2000 events"),
    ],
)
def test_a_malformed_envelope_is_400_and_the_answer_says_why(
    aws: Site, post: Post, log: Log, body: str | None, what: str
) -> None:
    status, answer = post(body=body)
    assert (status, what in answer["message"]) == (400, True)
    (line,) = log()
    assert (line["message"], what in line["problem"]) == ("notification_malformed", True)


def test_a_body_that_is_falsely_called_base64_is_400(aws: Site, post: Post) -> None:
    assert post(body="{}", isBase64Encoded=True) == (
        400,
        {"message": "the body is not the base64 that it is said to be"},
    )


@pytest.mark.parametrize("is_base64", [False, True])
def test_a_body_of_1_mib_is_taken_and_one_byte_more_is_413(aws: Site, post: Post, is_base64: bool) -> None:
    envelope = json.dumps({"events": [sample(TAG)]})

    def send(size: int) -> int:
        body = envelope.ljust(size)
        return post(body=base64.b64encode(body.encode()).decode() if is_base64 else body, isBase64Encoded=is_base64)[0]

    assert send(1024 * 1024) == 200
    assert send(1024 * 1024 + 1) == 413
    assert send(2 * 1024 * 1024) == 413


def test_the_size_of_text_is_counted_in_bytes(aws: Site, post: Post) -> None:
    assert post(body=json.dumps({"events": [], "x": "é" * 600_000}, ensure_ascii=False))[0] == 413


def test_an_envelope_of_pulls_mounts_and_blobs_makes_no_call(aws: Site, post: Post, log: Log, calls: list[str]) -> None:
    dropped = [sample(PULL), sample("distribution-mount.json"), sample("distribution-push-blob.json")]
    assert post(*dropped)[1] == {"message": "accepted", "accepted": 0, "dropped": 3, "unusable": 0}
    assert calls == ["GetSecretValue", "GetSecretValue"]  # the first request of an environment
    assert post(*dropped)[0] == 200
    assert calls == ["GetSecretValue", "GetSecretValue"]
    assert post(sample(TAG))[0] == 200
    assert sorted(calls[2:]) == ["BatchWriteItem", "PublishBatch"]
    assert log()[0]["dropped"] == {"pull": 1, "mount": 1, "blob": 1}


def test_an_empty_envelope_is_taken(aws: Site, post: Post) -> None:
    assert post(body='{"events": []}')[0] == 200


def test_an_event_that_cannot_be_used_is_in_the_log_and_does_not_spoil_those_beside_it(
    aws: Site, post: Post, log: Log
) -> None:
    bad_path = sample(DIGEST) | {"id": "bad-path"}
    bad_path["target"] = bad_path["target"] | {"repository": "Group/App"}
    bodies = [sample(PULL), bad_path, None, sample(TAG), {"id": "odd", "action": "explode", "target": {}}]
    assert post(*bodies)[1] == {"message": "accepted", "accepted": 1, "dropped": 1, "unusable": 3}
    assert [message["tag"] for message in aws.messages()] == ["docker"]
    items = {item["id"]: item for item in aws.items()}
    assert len(items) == 4
    assert items["bad-path"]["reason"] == "bad_repository"
    assert items["bad-path"]["claims"]["repository"] == "Group/App"
    assert items["odd"]["reason"] == "unknown_action"
    assert log()[-1]["unusable"] == {"bad_repository": 1, "not_an_object": 1, "unknown_action": 1}


def test_a_rename_is_published_and_in_the_log(aws: Site, post: Post) -> None:
    assert post(sample("gitlab-rename.json"))[1]["accepted"] == 1
    (item,) = aws.items()
    assert (item["repository"], item["renamed_from"]) == ("group/service", "group/app")
    (message,) = aws.messages()
    assert (message["version"], message["renamed_from"]) == ("2", "group/app")


def test_what_a_registry_sends_again_is_one_event_in_the_log(aws: Site, post: Post) -> None:
    for _ in range(3):
        assert post(sample(TAG), sample(DIGEST))[0] == 200
    assert len(aws.items()) == 2
    assert len({message["id"] for message in aws.messages()}) == 2


def test_an_envelope_of_many_batches_arrives_whole_and_once(aws: Site, post: Post) -> None:
    ids = [f"event-{number:02}" for number in range(61)]  # 25 + 25 + 11 items, 6 x 10 + 1 messages
    assert post(*[sample(TAG) | {"id": one} for one in ids])[1]["accepted"] == 61
    assert sorted(message["id"] for message in aws.messages()) == ids
    assert [item["id"] for item in aws.items()] == ids


def test_a_heartbeat_goes_to_the_topic_and_not_into_the_event_log(aws: Site, post: Post) -> None:
    assert (
        post(body=heartbeat.envelope(1_795_498_980_000).decode(), headers={"Content-Type": heartbeat.MEDIA_TYPE})[0]
        == 200
    )
    (message,) = aws.messages()
    assert (message["kind"], message["site"], message["sent_at"]) == ("heartbeat", "dublin", 1_795_498_980_000)
    assert aws.items() == []


def test_a_secondary_checks_the_token_and_drops(
    aws: Site, environment: pytest.MonkeyPatch, post: Post, log: Log
) -> None:
    environment.setenv("SITE_ROLE", "secondary")
    assert post(sample(TAG), token="wrong")[0] == 401
    assert post(sample(TAG)) == (200, {"message": "dropped: this site is a secondary"})
    assert post(body="{")[0] == 200
    assert (aws.items(), aws.messages()) == ([], [])
    assert log()[1]["message"] == "notification_dropped"
    app.endpoint().prepare()
    assert "publisher" not in vars(app.endpoint())


def test_a_table_that_is_gone_is_503(aws: Site, post: Post, log: Log) -> None:
    aws.table.delete()
    status, answer = post(sample(TAG))
    assert (status, answer) == (503, {"message": "not everything is written; send it again"})
    assert "ResourceNotFoundException" in log()[-1]["reason"]


def test_an_unexpected_error_is_503_and_logged_with_its_place(
    aws: Site, post: Post, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "judge", lambda *_, **__: 1 / 0)
    assert post(sample(TAG))[0] == 503
    assert log()[-1]["exception_name"] == "ZeroDivisionError"


def test_a_missing_setting_is_503_and_names_every_key(environment: pytest.MonkeyPatch, post: Post, log: Log) -> None:
    environment.delenv("TOPIC_ARN")
    environment.setenv("EVENT_RETENTION_DAYS", "many")
    assert post(sample(TAG))[0] == 503
    assert "TOPIC_ARN" in log()[-1]["reason"]
    assert "EVENT_RETENTION_DAYS" in log()[-1]["reason"]


def test_the_proxy_event_of_an_http_api_is_understood_too(aws: Site, post: Post) -> None:
    body = base64.b64encode(json.dumps({"events": [sample(TAG)]}).encode()).decode()
    headers = {name.lower(): value for name, value in post.request["headers"].items()} | {"authorization": "stub-token"}
    event = {"version": "2.0", "headers": headers, "body": body, "isBase64Encoded": True, "requestContext": {}}
    answer = app.handler(event, type("Context", (), {"aws_request_id": "from-the-context"})())
    assert answer["statusCode"] == 200


def test_counts_are_metrics_of_the_site(aws: Site, post: Post, capsys: pytest.CaptureFixture[str]) -> None:
    post(sample(TAG), sample(PULL), None)
    post(token="wrong")
    post(body="{")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    for line in lines:
        del line["_aws"]
    assert lines == [
        {"site": "dublin", "EventsAccepted": [1], "EventsDropped": [1], "EventsUnusable": [1]},
        {"site": "dublin", "NotificationsRefused": [1]},
        {"site": "dublin", "NotificationsMalformed": [1]},
    ]


def test_neither_header_nor_token_nor_body_is_logged(
    aws: Site, post: Post, log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    secret_body = sample(TAG)
    secret_body["target"]["url"] = "https://registry.example.com/very-private"
    post(secret_body)
    post(secret_body, token="another-secret")
    post(body='{"very-private": ')
    written = json.dumps(log()) + capsys.readouterr().out
    for secret in ("stub-token", "another-secret", "very-private"):
        assert secret not in written


def test_the_sample_request_carries_the_sample_envelope() -> None:
    request = json.loads((ROOT / "events" / "functions" / "notifications-push.json").read_text())
    assert json.loads(request["body"]) == json.loads((ROOT / "events" / "registry" / TAG).read_text())


def test_the_newest_event_of_the_log_is_found_by_the_hour(aws: Site, post: Post) -> None:
    now = int(time.time() * 1000)
    dynamodb = boto3.client("dynamodb")
    assert event_log.last(dynamodb, "events", now_ms=now) is None
    for number, name in enumerate(("older", "newer")):
        post(sample(TAG) | {"id": name})
        time.sleep(0.002 * (1 - number))
    post(sample(TAG) | {"id": "odd", "action": "strange"})
    found = event_log.last(dynamodb, "events", now_ms=now + 3_600_000)
    assert found is not None
    assert found.id == "newer"
