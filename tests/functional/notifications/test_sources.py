"""Each source of notifications at the endpoint: its bodies become events, and other senders are refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from functions.notifications import app
from tests.functional.notifications.parts import Post, Site, sample
from tests.functional.notifications.stub_aws import TOKEN
from tests.support.google import AUDIENCE, SENDER, Google, serve_google
from tests.support.webhooks import FOLDER, PUSHES, WEBHOOKS, Webhook, proof, signature, wrong_proof

from geosync.messages.geo_event import parse_message
from geosync.notifications.formats import heartbeat
from geosync.notifications.proof.google_identity import MAX_KEYS_BYTES

SOURCES = sorted(PUSHES)
DISTRIBUTION = json.dumps({"events": [sample("distribution-push-tag.json")]}).encode()


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Google]:
    with serve_google(tmp_path_factory.mktemp("google")) as google:
        yield google


class Endpoint:
    """A site's endpoint that takes the notifications of one source; `log` returns the lines logged so far."""

    def __init__(
        self, aws: Site, google: Google, log: Callable[[], list[dict[str, Any]]], environment: pytest.MonkeyPatch
    ) -> None:
        self.aws = aws
        self.google = google
        self.log = log
        self._environment = environment
        self.post = Post()

    def take(self, source: str, **environment: str) -> None:
        """Configure the site for the notifications of `source`."""
        given = {"NOTIFICATION_SOURCE": source, "NOTIFICATION_AUDIENCE": AUDIENCE, "NOTIFICATION_SENDER": SENDER}
        for name, value in (given | self.google.environment | environment).items():
            self._environment.setenv(name, value)
        app.endpoint.cache_clear()

    def send(self, webhook: Webhook, headers: dict[str, str], **request: Any) -> tuple[int, dict[str, Any]]:
        """Post a body with the headers that its sender gives it, and these."""
        given = {"Content-Type": "application/json"} | webhook.headers | headers
        request.setdefault("body", webhook.body.decode())
        return self.post(token=None, headers=given, **request)

    def right(self, webhook: Webhook, body: bytes | None = None) -> dict[str, str]:
        """The headers that prove a body's sender."""
        return proof(webhook.source, TOKEN, webhook.body if body is None else body, self.google)

    def written(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """What is in the event log and what was on the topic; both are empty afterwards."""
        items = self.aws.items()
        for item in items:
            self.aws.table.delete_item(Key={"id": item["id"]})
        return items, self.aws.messages()


@pytest.fixture
def endpoint(
    aws: Site, google: Google, log: Callable[[], list[dict[str, Any]]], environment: pytest.MonkeyPatch
) -> Endpoint:
    return Endpoint(aws, google, log, environment)


def test_each_file_is_in_the_table() -> None:
    assert {path.name for path in FOLDER.glob("*.json")} == {webhook.file for webhook in WEBHOOKS}


@pytest.mark.parametrize("source", SOURCES)
def test_what_a_body_becomes(endpoint: Endpoint, source: str) -> None:
    endpoint.take(source)
    for webhook in (one for one in WEBHOOKS if one.source == source):
        status, answer = endpoint.send(webhook, endpoint.right(webhook))
        assert status == 200, (webhook.file, answer)
        items, messages = endpoint.written()
        if isinstance(webhook.becomes, str):
            assert (messages, items) == ([], [])
            assert endpoint.log()[-1]["dropped"] == {webhook.becomes: 1}
            continue
        became = [(one["event_name"], one["repository"], one.get("tag"), one.get("digest")) for one in messages]
        assert sorted(became, key=str) == sorted(webhook.becomes, key=str), webhook.file
        assert {one["source"] for one in messages} == {source}
        assert {item["outcome"] for item in items} == {"accepted"}
        for message in messages:
            parse_message(json.dumps(message))


def test_a_body_that_names_one_digest_twice_is_taken_and_written_twice(endpoint: Endpoint) -> None:
    """DynamoDB refuses a batch that holds a key twice, each time that the registry sends it."""
    endpoint.take("harbor")
    push = PUSHES["harbor"]
    document = json.loads(push.body)
    document["event_data"]["resources"] *= 2
    body = json.dumps(document)
    assert endpoint.send(push, endpoint.right(push, body.encode()), body=body)[0] == 200
    items, messages = endpoint.written()
    assert len({item["id"] for item in items}) == len(items) == len(messages) == 2
    assert len({item["digest"] for item in items}) == 1


@pytest.mark.parametrize("source", SOURCES)
def test_without_its_proof_or_with_a_wrong_one_nothing_is_written(endpoint: Endpoint, source: str) -> None:
    endpoint.take(source)
    push = PUSHES[source]
    assert endpoint.send(push, {})[0] == 401
    wrong = wrong_proof(source, push.body, endpoint.google)
    assert endpoint.send(push, wrong)[0] == 401
    assert {line["source"] for line in endpoint.log()} == {source}
    lines = json.dumps(endpoint.log())
    assert TOKEN not in lines
    assert not any(value.split()[-1] in lines for value in wrong.values())
    if source in ("ghcr", "gar"):
        # The very same secret, shown in another way, proves nothing here.
        for other in sorted({*SOURCES, "distribution"} - {source}):
            assert endpoint.send(push, proof(other, TOKEN, push.body, endpoint.google))[0] in (400, 401), other
    assert endpoint.written() == ([], [])


@pytest.mark.parametrize("source", [*SOURCES, "distribution"])
def test_a_body_of_another_vendor_is_never_believed(endpoint: Endpoint, source: str) -> None:
    endpoint.take(source)
    bodies = {one.file: one.body for one in WEBHOOKS if one.source != source}
    if source != "distribution":
        bodies["distribution"] = DISTRIBUTION
    own = PUSHES[source].headers if source in PUSHES else {}
    for name, body in bodies.items():
        headers = {"Content-Type": "application/json"} | own | proof(source, TOKEN, body, endpoint.google)
        status, answer = endpoint.post(token=None, headers=headers, body=body.decode())
        assert status == 400 or (status, answer["accepted"]) == (200, 0), name
    assert endpoint.aws.messages() == []


@pytest.mark.parametrize("source", SOURCES)
def test_a_delivery_that_is_sent_again_is_one_event(endpoint: Endpoint, source: str) -> None:
    endpoint.take(source)
    push = PUSHES[source]
    for _ in range(2):
        assert endpoint.send(push, endpoint.right(push))[0] == 200
    items, messages = endpoint.written()
    ids = {message["id"] for message in messages}
    assert {item["id"] for item in items} == ids
    # Quay's has no id and no time: two pushes of a tag look like one that is sent again, and neither may be left out.
    assert len(ids) == (4 if source == "quay" else 1)


@pytest.mark.parametrize("source", SOURCES)
def test_a_secondary_asks_for_the_same_proof_and_drops_what_has_it(endpoint: Endpoint, source: str) -> None:
    endpoint.take(source, SITE_ROLE="secondary")
    push = PUSHES[source]
    assert endpoint.send(push, wrong_proof(source, push.body, endpoint.google))[0] == 401
    status, answer = endpoint.send(push, endpoint.right(push))
    assert (status, answer["message"]) == (200, "dropped: this site is a secondary")
    assert endpoint.written() == ([], [])


@pytest.mark.parametrize("source", SOURCES)
def test_the_site_s_own_heartbeat_is_taken_with_the_token_whatever_the_source(endpoint: Endpoint, source: str) -> None:
    endpoint.take(source)
    beat = heartbeat.envelope(1_795_499_108_000)
    assert endpoint.post(body=beat.decode())[0] == 200
    (message,) = endpoint.aws.messages()
    assert message["kind"] == "heartbeat"
    assert endpoint.post(body='{"events": []}')[0] == 200
    # A push beside it is no heartbeat, and is not taken along.
    push = sample("distribution-push-tag.json")
    status, answer = endpoint.post(*json.loads(beat)["events"], push)
    assert status == 400 or answer["accepted"] == 0
    if source in ("ghcr", "gar"):
        signed = proof(source, TOKEN, beat, endpoint.google) | {"X-GitHub-Event": "registry_package"}
        endpoint.post(token=None, body=beat.decode(), headers=signed)
    assert endpoint.aws.messages() == []


@pytest.mark.parametrize("source", SOURCES)
def test_bodies_that_the_gateway_hands_over_as_base64(endpoint: Endpoint, source: str) -> None:
    endpoint.take(source)
    push = PUSHES[source]
    body = base64.b64encode(push.body).decode()
    assert endpoint.send(push, endpoint.right(push), body=body, isBase64Encoded=True)[0] == 200
    assert len(endpoint.aws.messages()) == len(push.becomes)


# ── GitHub's signature ──


def test_a_signature_of_another_form_is_wrong(endpoint: Endpoint) -> None:
    endpoint.take("ghcr")
    push = PUSHES["ghcr"]
    right = signature(TOKEN, push.body).removeprefix("sha256=")
    forms = ["", "sha256=", "sha1=" + "0" * 40, "sha256=" + "0" * 64, "sha256=" + "é" * 64, f"SHA256={right}"]
    forms += [f"sha256={right} ", right, f"sha256={right.upper()}"]
    for form in forms:
        assert endpoint.send(push, {"X-Hub-Signature-256": form})[0] == 401, form
    assert endpoint.written() == ([], [])


def test_the_signature_is_over_the_raw_bytes(endpoint: Endpoint) -> None:
    endpoint.take("ghcr")
    push = PUSHES["ghcr"]
    assert not push.body.isascii()
    same = json.dumps(json.loads(push.body)).encode()
    assert endpoint.send(push, endpoint.right(push), body=same.decode())[0] == 401
    assert endpoint.send(push, endpoint.right(push, same), body=same.decode())[0] == 200
    assert len(endpoint.aws.messages()) == 1


def test_after_a_rotation_both_secrets_sign(endpoint: Endpoint) -> None:
    rotated = json.dumps({"token": "rotated-token"})
    endpoint.aws.secrets.put_secret_value(SecretId=endpoint.aws.secret_arn, SecretString=rotated)
    endpoint.take("ghcr")
    push = PUSHES["ghcr"]
    for token, status in ((TOKEN, 200), ("rotated-token", 200), ("neither", 401)):
        assert endpoint.send(push, {"X-Hub-Signature-256": signature(token, push.body)})[0] == status


def test_a_body_that_is_too_large_to_be_signed_is_413_and_one_in_form_encoding_415(endpoint: Endpoint) -> None:
    endpoint.take("ghcr")
    push = PUSHES["ghcr"]
    large = " " * (1024 * 1024 + 1)
    assert endpoint.send(push, endpoint.right(push, large.encode()), body=large)[0] == 413
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    status, answer = endpoint.send(push, form | endpoint.right(push))
    assert (status, "application/json" in answer["message"]) == (415, True)


# ── Google's token ──


def test_google_s_keys_are_fetched_once(endpoint: Endpoint) -> None:
    endpoint.take("gar")
    push = PUSHES["gar"]
    before = len(endpoint.google.requests)
    for _ in range(5):
        assert endpoint.send(push, endpoint.right(push))[0] == 200
    assert len(endpoint.google.requests) - before == 1


def test_while_the_keys_cannot_be_had_the_push_is_to_come_again(endpoint: Endpoint) -> None:
    endpoint.take("gar")
    google, push = endpoint.google, PUSHES["gar"]
    for google.status, google.location in ((500, None), (302, "https://keys.example.com/")):
        assert endpoint.send(push, endpoint.right(push))[0] == 503
        assert "Google's keys" in endpoint.log()[-1]["reason"]
    google.status, google.location = 200, None
    assert endpoint.send(push, endpoint.right(push))[0] == 200


def test_keys_are_read_to_a_bound_and_whole_also_where_no_length_is_said(endpoint: Endpoint) -> None:
    endpoint.take("gar")
    google, push = endpoint.google, PUSHES["gar"]
    for google.in_chunks in (True, False):
        google.padding = MAX_KEYS_BYTES
        assert endpoint.send(push, endpoint.right(push))[0] == 503
        assert "too large" in endpoint.log()[-1]["reason"]
        google.padding = 0
        assert endpoint.send(push, endpoint.right(push))[0] == 200
        app.endpoint.cache_clear()


def test_no_credentials_of_a_netrc_go_to_where_the_keys_are(
    endpoint: Endpoint, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("default login somebody password a-password\n")
    environment.setenv("NETRC", str(tmp_path / "netrc"))
    endpoint.take("gar")
    assert endpoint.send(PUSHES["gar"], endpoint.right(PUSHES["gar"]))[0] == 200
    assert endpoint.google.violations == []


def test_a_site_for_google_without_audience_and_sender_says_what_is_missing(endpoint: Endpoint) -> None:
    endpoint.take("gar", NOTIFICATION_AUDIENCE="", NOTIFICATION_SENDER="")
    assert endpoint.send(PUSHES["gar"], endpoint.right(PUSHES["gar"]))[0] == 503
    assert "NotificationAudience" in endpoint.log()[-1]["reason"]


def test_a_name_of_another_registry_is_acknowledged_and_never_asked_for(endpoint: Endpoint) -> None:
    endpoint.take("gar")
    push = PUSHES["gar"]
    for name in ("tag", "digest"):
        for host in ("evil.example.com", "europe-docker.pkg.dev.evil", "europe-docker.pkg.dev:8443"):
            body = json.loads(push.body)
            data = json.loads(base64.b64decode(body["message"]["data"]))
            data[name] = data[name].replace("europe-docker.pkg.dev", host)
            body["message"]["data"] = base64.b64encode(json.dumps(data).encode()).decode()
            assert endpoint.send(push, endpoint.right(push), body=json.dumps(body))[0] == 200
            (item,), messages = endpoint.written()
            assert (item["outcome"], item["reason"], messages) == ("unusable", "other_registry", [])


def test_a_message_without_usable_data_is_acknowledged_and_in_the_event_log(endpoint: Endpoint) -> None:
    endpoint.take("gar")
    push = PUSHES["gar"]
    for data in (None, "", "x", "e30", "W10=", base64.b64encode(b"not json").decode(), 5):
        body = json.loads(push.body)
        body["message"]["data"] = data
        assert endpoint.send(push, endpoint.right(push), body=json.dumps(body))[0] == 200
        (item,), messages = endpoint.written()
        assert (item["outcome"], item["reason"], messages) == ("unusable", "bad_data", [])
