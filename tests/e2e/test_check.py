"""`geosync check` on the deployed stack: each fault is made there, and found by name.

Where one look finds it, that look is taken by itself, at the same stack. The rest is in tests/functional/cli.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import requests
from local import certificates
from local.stack import Stack
from tests.e2e.command import Geosync, undone
from tests.e2e.parts import PATIENCE_S, Site, envelope, eventually, push_event
from tests.support.findings import problem, problems

from geosync.cli.checks import endpoint, registries, wiring
from geosync.cli.checks.findings import CheckFinding, looks
from geosync.cli.site import StackSite as DeployedSite

FOUND_AT_THE_ENDPOINT = {"registry_sends_the_token", "pulls_ignored", "notifications_well_formed"}
FOUND_IN_LOGS = FOUND_AT_THE_ENDPOINT | {"calls_throttled"}
"""What other tests on the same stack do at its endpoint stays in the log for an hour. Nor is every push announced."""


@pytest.fixture
def geosync(state: Path, stack: Stack) -> Geosync:
    return Geosync(state)


@pytest.fixture
def oregon(secondaries: list[Site]) -> Site:
    return next(site for site in secondaries if site.name == "oregon")


@contextmanager
def secret(site: Site, name: str) -> Iterator[Callable[..., dict[str, Any]]]:
    """Change fields of the JSON document in a secret, and in the end put back what it was."""
    client = site.client("secretsmanager")
    right = client.get_secret_value(SecretId=name)["SecretString"]

    def change(**fields: str) -> dict[str, Any]:
        wrong = {**json.loads(right), **fields}
        client.put_secret_value(SecretId=name, SecretString=json.dumps(wrong))
        return wrong

    with undone(lambda: client.put_secret_value(SecretId=name, SecretString=right)):
        yield change


def at(site: DeployedSite, url: str) -> DeployedSite:
    """The site with its notification endpoint at another URL."""
    return replace(site, outputs={**site.outputs, "NotificationsUrl": url})


# ── all is well ──


def test_check_is_content_with_every_site_as_it_is_deployed(
    geosync: Geosync, primary: Site, secondaries: list[Site]
) -> None:
    for site in (primary, *secondaries):
        found = geosync.check(site)
        assert problems(found) <= FOUND_IN_LOGS | {"dlq_empty", "pushes_announced"}, found
        names = {one.name for one in found}
        assert {"clock", "endpoint_reachable", "token_accepted", "wrong_token_refused", "local_registry"} <= names
        if site == primary:
            assert {"arrives_at_frankfurt", "arrives_at_oregon"} <= names
        else:
            assert {"sync", "reconcile"} <= names


# ── the endpoint ──


def test_an_endpoint_that_does_not_answer_or_is_another_s_is_found(geosync: Geosync, primary: Site) -> None:
    site = geosync.deployed(primary)
    nobody = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    nobody.server_close()
    found = problem(endpoint.look(at(site, f"http://127.0.0.1:{nobody.server_port}/")), "endpoint_reachable")
    assert "does not answer" in found.text
    typo = site.outputs["NotificationsUrl"].replace("/container_registry_event/", "/container_registry_events/")
    found = problem(endpoint.look(at(site, typo)), "endpoint_reachable")
    assert "stage and path" in (found.fix or "")


@pytest.mark.parametrize("every", [True, False], ids=["every request", "requests with a token"])
def test_a_proxy_that_puts_the_token_into_requests_is_found(geosync: Geosync, primary: Site, every: bool) -> None:
    site, token = geosync.deployed(primary), primary.token()

    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {"Content-Type": "application/json"}
            if every or "Authorization" in self.headers:
                headers["Authorization"] = token
            answer = requests.post(site.outputs["NotificationsUrl"], data=body, headers=headers, timeout=PATIENCE_S)
            self.send_response(answer.status_code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        found = problem(endpoint.look(at(site, f"http://127.0.0.1:{server.server_port}/")), "wrong_token_refused")
    finally:
        server.shutdown()
        server.server_close()
    assert token not in found.text


def test_a_token_that_the_endpoint_does_not_take_yet_is_found(geosync: Geosync, primary: Site) -> None:
    site, client = geosync.deployed(primary), primary.client("secretsmanager")
    name, right = primary.about["notification_secret_arn"], primary.token()

    def put(token: str) -> None:
        client.put_secret_value(SecretId=name, SecretString=token)

    def refused() -> list[CheckFinding]:
        # A function's process reads the secret after a mismatch, at most once a minute: soon each of them has. What it
        # reads is this token and the one before, the right one.
        put(uuid.uuid4().hex + uuid.uuid4().hex)
        with undone(lambda: put(right)):
            found = [*endpoint.look(site), *endpoint.look_for_arrival(site, [])]
        return found if problems(found) == {"token_accepted", "test_notification"} else []

    found = eventually(refused, what="a token that is not taken")
    assert "wait a minute" in (problem(found, "token_accepted").fix or "")
    assert site.outputs["NotificationsFunction"] in (problem(found, "test_notification").fix or "")
    assert problems(endpoint.look(site)) == set()


def test_a_registry_that_posts_pulls_a_wrong_token_or_no_envelope_is_found(geosync: Geosync, primary: Site) -> None:
    pull = {**push_event("e2e/pulled", "v1", f"sha256:{uuid.uuid4().hex * 2}"), "action": "pull"}
    assert primary.notify(envelope(pull), primary.token())[0] == 200
    assert primary.notify(b"no envelope", primary.token())[0] == 400
    for _ in range(11):
        assert primary.notify(envelope(), "x" * 48)[0] == 401
    site = geosync.deployed(primary)

    def logged() -> list[CheckFinding]:
        found = list(endpoint.look_at_the_registry(site))
        return found if problems(found) >= FOUND_AT_THE_ENDPOINT else []

    found = eventually(logged, what="the log")
    assert "401 Unauthorized unaccepted" in problem(found, "registry_sends_the_token").text
    assert "NotificationSource" in (problem(found, "notifications_well_formed").fix or "")
    assert "ignore: {actions: [pull]" in (problem(found, "pulls_ignored").fix or "")


# ── the way from the topic to the function ──


def test_a_missing_subscription_is_found_at_both_ends(geosync: Geosync, primary: Site, secondaries: list[Site]) -> None:
    sns = primary.client("sns")
    first, second = geosync.deployed(primary), geosync.deployed(secondaries[0])

    def invoke() -> None:
        for site in secondaries:
            site.invoke("reconcile")

    with undone(invoke):

        def seen() -> list[CheckFinding]:
            # The minute's reconcile may heal it between the two: then once more.
            for one in sns.list_subscriptions_by_topic(TopicArn=primary.about["topic_arn"])["Subscriptions"]:
                sns.unsubscribe(SubscriptionArn=one["SubscriptionArn"])
            found = [*wiring.look_at_the_topic(first), *wiring.look_at_the_subscription(second)]
            return found if len(problems(found)) == 2 else []

        found = eventually(seen, what="the missing subscription")
    topic = primary.about["topic_arn"]
    assert f"PrimaryTopicArn={topic}" in (problem(found, "replication_enabled").fix or "")
    assert "subscription_failed" in (problem(found, "subscription").fix or "")
    assert problems(wiring.look_at_the_topic(first)) == problems(wiring.look_at_the_subscription(second)) == set()


def test_a_subscription_that_delivers_nothing_is_found_by_a_test_message_alone(
    geosync: Geosync, primary: Site, oregon: Site
) -> None:
    """As between regions of which the queue's policy does not name the right one: SNS takes the subscription."""
    client, queue = oregon.client("sqs"), oregon.about["queue_url"]
    right = client.get_queue_attributes(QueueUrl=queue, AttributeNames=["Policy"])["Attributes"]["Policy"]
    policy = json.loads(right)
    policy["Statement"][0]["Principal"] = {"Service": "sns.eu-south-1.amazonaws.com"}

    def put(text: str) -> None:
        client.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": text})

    first, second = geosync.deployed(primary), geosync.deployed(oregon)
    put(json.dumps(policy))
    with undone(lambda: put(right)):
        assert problems(wiring.look_at_the_subscription(second)) == set()
        arrival = endpoint.look_for_arrival(first, [second], seconds=1)
        assert "docs/regions.md" in (problem(arrival, "arrives_at", site="oregon").fix or "")
    assert problems(endpoint.look_for_arrival(first, [second])) == set()


def test_a_site_that_follows_nobody_is_found(geosync: Geosync, oregon: Site) -> None:
    site = geosync.deployed(oregon)
    nobody = replace(site, parameters={**site.parameters, "PrimaryTopicArn": "", "PrimaryRegistryUrl": ""})
    assert "PrimaryTopicArn" in problem(wiring.look_at_the_subscription(nobody), "replication_enabled").text
    assert "PrimaryRegistryUrl" in problem(registries.look(nobody), "primary_registry").text


def test_event_sources_that_are_off_are_found_and_nothing_arrives_without_them(
    geosync: Geosync, primary: Site, oregon: Site
) -> None:
    client = oregon.client("lambda")
    mappings = [
        one
        for name in ("log_cursor", "sync")
        for one in client.list_event_source_mappings(FunctionName=oregon.about["functions"][name])[
            "EventSourceMappings"
        ]
    ]
    assert len(mappings) == 3

    def switch(on: bool) -> None:
        for one in mappings:
            client.update_event_source_mapping(UUID=one["UUID"], Enabled=on)

    switch(False)
    with undone(lambda: switch(True)):
        site = geosync.deployed(oregon)
        found = list(wiring.look_at_the_event_sources(site))
        assert "enable" in (problem(found, "events_are_taken").fix or "")
        assert "enable" in (problem(found, "live_is_taken").fix or "")
        assert "enable" in (problem(found, "work_is_taken").fix or "")
        arrival = endpoint.look_for_arrival(geosync.deployed(primary), [site], seconds=1)
        assert f"--stack {site.stack}" in (problem(arrival, "arrives_at", site="oregon").fix or "")
    assert problems(wiring.look_at_the_event_sources(site)) == set()


# ── the functions, the schedule, the deployment ──


def test_a_schedule_that_is_off_is_found(geosync: Geosync, oregon: Site) -> None:
    events = oregon.client("events")
    (rule,) = [one["Name"] for one in events.list_rules()["Rules"] if oregon.name in one.get("Description", "")]
    events.disable_rule(Name=rule)
    with undone(lambda: events.enable_rule(Name=rule)):
        found = problem(wiring.look_at_the_schedule(geosync.deployed(oregon)), "schedule")
    assert "EventBridge" in (found.fix or "")


def test_a_task_of_the_minute_that_fails_is_found(geosync: Geosync, primary: Site, oregon: Site) -> None:
    expected, site = geosync.deployed(primary).sync_registry.sites, geosync.deployed(oregon)
    known = expected.find("oregon")
    assert known is not None
    expected.remove("oregon")  # so that its reports are refused
    with undone(lambda: expected.add(name="oregon", url=known.url, key=known.report_key, now_ms=known.added_at)):
        found = problem(wiring.look_at_reconcile(site), "reconcile")
        assert found.text == "not done: report (ReportFailed)"
        assert "log" in (found.fix or "")
    assert problems(wiring.look_at_reconcile(site)) == set()


def test_a_deployment_that_did_not_end_well_is_found(geosync: Geosync, oregon: Site) -> None:
    site = replace(geosync.deployed(oregon), state="UPDATE_ROLLBACK_FAILED")
    assert "UPDATE_ROLLBACK_FAILED" in problem(wiring.look_at_the_stack(site), "stack").text


# ── the registries ──


def test_a_wrong_password_of_either_registry_is_found(geosync: Geosync, primary: Site, oregon: Site) -> None:
    site = geosync.deployed(oregon)
    with secret(oregon, "geosync/oregon/primary-registry") as change:
        change(password="wrong-4711")
        found = problem(registries.look(site), "primary_registry")
    assert "PrimaryRegistrySecretArn" in (found.fix or "")
    assert "wrong-4711" not in str(found)
    with secret(primary, "geosync/dublin/registry") as change:
        change(password="wrong-4711")
        found = problem(registries.look(geosync.deployed(primary)), "local_registry")
    assert "LocalRegistrySecretArn" in (found.fix or "")
    assert problems(registries.look(site)) == set()


def test_a_registry_that_does_not_trust_the_issuer_or_the_key_is_found(
    geosync: Geosync, secondaries: list[Site]
) -> None:
    site = next(site for site in secondaries if site.name == "frankfurt")
    other = certificates.signing_pair("somebody else")
    faults = {
        "issuer": {"issuer": "somebody-else"},
        "key": {"private_key": other.private_key, "certificate": other.certificate},
    }
    with secret(site, "geosync/frankfurt/primary-registry") as change:
        for fault, wrong in faults.items():
            change(**wrong)
            # By these looks alone: a function would keep the wrong key, and other tests would see it.
            deployed = geosync.deployed(site)
            found = list(registries.look(deployed))
            if fault == "issuer":
                found += [*endpoint.look(deployed), *endpoint.look_at_the_registry(deployed)]
            # The endpoint and its token, the other thing that is called 401, are not blamed.
            assert problems(found) & {"token_accepted", "registry_sends_the_token"} == set()
            fix = problem(found, "primary_registry").fix or ""
            assert "token from untrusted issuer" in fix
            assert "PRIVATE KEY" not in str(found)
            if fault == "issuer":
                assert "'somebody-else'" in fix
    assert problems(registries.look(geosync.deployed(site))) == set()


# ── what may not be looked at ──


def test_what_aws_refuses_is_unknown_and_does_not_keep_the_rest(geosync: Geosync, oregon: Site) -> None:
    site = geosync.deployed(oregon)
    gone = replace(site, outputs={**site.outputs, "SyncFunction": "no-such-function"})
    refused, well = looks(
        [("sync", lambda: wiring.look_at_sync(gone)), ("stack", lambda: wiring.look_at_the_stack(gone))]
    )
    assert (refused.name, refused.result, well.result) == ("sync", "unknown", "ok")
    assert "Invoke" in refused.text
