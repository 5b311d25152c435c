"""Notifications of every source at the deployed endpoint, whose NotificationSource is changed from test to test."""

from __future__ import annotations

import itertools
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from tests.e2e.parts import PATIENCE_S, Site, envelope, eventually, push_event
from tests.support.google import AUDIENCE, SENDER, Google, serve_google
from tests.support.webhooks import PUSHES, WEBHOOKS, Webhook, proof, wrong_proof

SOURCES = ("gar", "ghcr", "harbor", "quay", "zot")
"""One for each way to prove a sender; tests/functional/notifications/test_sources.py has every source."""
Take = Callable[[str], None]


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Google]:
    with serve_google(tmp_path_factory.mktemp("google")) as google:
        yield google


@pytest.fixture(scope="module")
def take(primary: Site, google: Google) -> Iterator[Take]:
    """Deploy the primary's endpoint with another source; what it was is deployed again at the end.

    Google's host stands in the code: the function reaches the double in its place as any proxy in between.
    """
    client, name = primary.client("lambda"), primary.about["functions"]["notifications"]
    before: dict[str, str] = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]

    def deploy(variables: dict[str, str]) -> None:
        client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
        eventually(
            lambda: client.get_function_configuration(FunctionName=name)["LastUpdateStatus"] == "Successful",
            what="the endpoint with another configuration",
        )

    def take(source: str) -> None:
        of_google = {"NOTIFICATION_AUDIENCE": AUDIENCE, "NOTIFICATION_SENDER": SENDER} | google.environment
        named = {"NOTIFICATION_SOURCE": source, "LOCAL_REGISTRY_URL": "https://europe-docker.pkg.dev"}
        deploy(before | named | (of_google if source == "gar" else {}))

    yield take
    deploy(before)


def post(site: Site, webhook: Webhook, headers: dict[str, str], body: bytes | None = None) -> int:
    """Post a webhook as its vendor does; the answer's status."""
    given = {"Content-Type": "application/json"} | webhook.headers | headers
    request = urllib.request.Request(
        site.about["notifications_url"], data=webhook.body if body is None else body, method="POST", headers=given
    )
    try:
        with closing(urllib.request.urlopen(request, timeout=PATIENCE_S)) as answer:
            status: int = answer.status
    except urllib.error.HTTPError as error:
        with error:
            status = error.code
    return status


def forget(site: Site, source: str) -> None:
    """Delete the events of an earlier run from the event log."""
    client = site.client("dynamodb")
    for item in logged(site, source):
        client.delete_item(TableName=site.about["events_table"], Key={"id": {"S": item["id"]}})


def logged(site: Site, source: str) -> list[dict[str, Any]]:
    """What the event log has of a source."""
    return [item for item in site.items("events_table") if item.get("source") == source]


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_s_bodies_are_taken_with_its_proof_alone(
    primary: Site, secondaries: list[Site], take: Take, google: Google, source: str
) -> None:
    take(source)
    forget(primary, source)
    token, push = primary.token(), PUSHES[source]
    own = [webhook for webhook in WEBHOOKS if webhook.source == source]

    # The function was made anew; a busy machine may take more than one call to load it.
    answers = (post(primary, push, {}) for _ in itertools.repeat(None))
    assert eventually(lambda: (status := next(answers)) < 500 and status, what=f"the endpoint of {source}") == 401
    assert post(primary, push, wrong_proof(source, push.body, google)) == 401
    for name, body in {
        "distribution": envelope(push_event("e2e/another", "v1", f"sha256:{'a' * 64}")),
        **{other: PUSHES[other].body for other in SOURCES if other != source},
    }.items():
        assert post(primary, push, proof(source, token, body, google), body) in (200, 400), name
    assert not [item for item in logged(primary, source) if item["outcome"] == "accepted"]

    # The site itself shows the token, whatever its source: for its heartbeat, and for nothing else.
    beat = {"id": f"beat-{source}", "action": "heartbeat", "sent_at": int(time.time() * 1000)}
    assert primary.notify(envelope(beat), token)[0] == 200
    assert primary.notify(envelope(beat, push_event("e2e/another", "v1", f"sha256:{'a' * 64}")), token)[0] in (200, 400)
    assert not [item for item in primary.items("events_table") if item.get("repository") == "e2e/another"]

    for webhook in own:
        assert post(primary, webhook, proof(source, token, webhook.body, google)) == 200, webhook.file
        assert post(primary, webhook, proof(source, token, webhook.body, google)) == 200, webhook.file  # a replay
    expected = [one for webhook in own if not isinstance(webhook.becomes, str) for one in webhook.becomes]
    found = [item for item in logged(primary, source) if item["outcome"] == "accepted"]
    became = {(item["event_name"], item["repository"], item.get("tag"), item.get("digest")) for item in found}
    assert became == set(expected)
    # Sent twice, and one event; Quay's have nothing to be known by, and do no harm for it.
    ids = {item["id"] for item in found}
    assert len(ids) <= len(expected) * (2 if source == "quay" else 1)

    # No registry has the repository, so that its row goes as soon as somebody has looked: the log tells of it.
    for site in secondaries:
        eventually(
            lambda site=site: expected[0][1] in {line.get("repository") for line in site.log("sync")},  # type: ignore[misc]
            what=f"a look for {expected[0][1]} at {site.name}",
        )


def test_nothing_that_proves_a_sender_is_in_a_log(primary: Site) -> None:
    lines = json.dumps(primary.log("notifications"))
    assert primary.token() not in lines
    assert "eyJ" not in lines
