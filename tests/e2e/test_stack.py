"""The template as it is deployed: the wiring between the parts, and that IAM lets through what it must and no more."""

import hashlib
import json
import select
import socket
import stat
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from local import stack as local_stack
from local.emulator import make_user
from local.stack import Stack
from tests.e2e.parts import BEGAN_MS, INVOKED, PATIENCE_S, Site, envelope, eventually, push_event


def digest() -> str:
    return f"sha256:{hashlib.sha256(uuid.uuid4().bytes).hexdigest()}"


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            code: int = answer.status
    except urllib.error.HTTPError as error:
        with error:
            code = error.code
    return code


# ── what `up` leaves behind ──


def test_stack_json_holds_what_a_client_needs_and_only_its_owner_reads_it(state: Path, stack: Stack) -> None:
    file = state / "stack.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    description = json.loads(file.read_text())
    assert description == stack.description
    fields = {"name", "role", "region", "stack", "registry", "username", "password", "notifications_url"}
    fields |= {"admin_url", "admin_read_token", "admin_act_token"}
    for site in description["sites"]:
        assert fields | {"queue_url", "dlq_url", "table"} <= set(site)
    assert [site["role"] for site in description["sites"]] == ["primary", "secondary", "secondary"]
    assert len({site["region"] for site in description["sites"]}) == 3


def test_a_second_up_finds_the_stack_and_changes_nothing(state: Path, stack: Stack) -> None:
    again = local_stack.up(state)
    assert again.description == stack.description


def test_the_primary_s_registry_asks_for_a_token_and_the_others_for_none(sites: list[Site]) -> None:
    assert [status(f"{site.about['registry']}/v2/") for site in sites] == [401, 200, 200]


def test_a_connection_to_the_emulator_is_closed_with_its_client(stack: Stack) -> None:
    """Else each that a command leaves takes a descriptor for 75 s, which is when it closes an idle one."""
    head = f"GET /_ministack/health HTTP/1.1\r\nHost: 127.0.0.1:{stack.emulator.port}\r\n\r\n".encode()
    where = "127.0.0.1", stack.emulator.port
    with socket.create_connection(where) as idle, socket.create_connection(where) as left:
        looking = select.poll()
        for one in (idle, left):
            one.sendall(head)
            while not one.recv(65536).endswith(b"}"):
                pass
            looking.register(one, select.POLLIN)
        left.shutdown(socket.SHUT_WR)
        closed = [number for number, _ in looking.poll(1000 * PATIENCE_S)]
        assert closed == [left.fileno()]
        assert left.recv(1) == b""


# ── the endpoint ──


def test_a_wrong_or_missing_token_is_refused_and_nothing_is_written(primary: Site) -> None:
    body = envelope(push_event("e2e/refused", "v1", digest()))
    assert primary.notify(body, None)[0] == 401
    assert primary.notify(body, "x" * 48)[0] == 401
    assert not [item for item in primary.items("events_table") if item.get("repository") == "e2e/refused"]


def test_only_a_post_to_the_one_path_reaches_the_function(primary: Site) -> None:
    def is_untouched() -> bool:
        before = len(primary.log("notifications"))
        assert primary.notify(b"", primary.token(), method="GET")[0] in {403, 404, 405}
        assert primary.notify(envelope(), primary.token(), path="/more")[0] in {403, 404}
        return len(primary.log("notifications")) == before

    # A heartbeat of the schedule's may come between, once a minute.
    assert any(is_untouched() for _ in range(3))


def test_an_accepted_push_is_in_the_event_log_and_marked_at_both_secondaries(
    primary: Site, secondaries: list[Site]
) -> None:
    repository, pushed = f"e2e/{uuid.uuid4().hex[:8]}", digest()
    code, text = primary.notify(envelope(push_event(repository, "v1", pushed)), primary.token())
    assert code == 200, text
    (logged,) = [item for item in primary.items("events_table") if item.get("repository") == repository]
    assert (logged["tag"], logged["digest"], logged["outcome"]) == ("v1", pushed, "accepted")
    for site in secondaries:
        # The primary has no such tag, so it stays owed until that is certain: nothing was lost on the way.
        eventually(
            lambda site=site: site.items_of(repository),  # type: ignore[misc]
            what=f"a mark of {repository} at {site.name}",
        )


def test_a_secondary_takes_the_notifications_of_its_own_registry_and_drops_them(secondaries: list[Site]) -> None:
    for site in secondaries:
        assert site.notify(envelope(push_event("e2e/own", "v1", digest())), "x" * 48)[0] == 401
        assert site.notify(envelope(push_event("e2e/own", "v1", digest())), site.token())[0] == 200
        logged = [item for item in site.items("events_table") if not item["id"].startswith(("audit#", "drill#"))]
        assert logged == []


def test_each_site_has_a_token_of_its_own(sites: list[Site]) -> None:
    tokens = [site.token() for site in sites]
    assert len(set(tokens)) == 3
    assert all(len(token) == 48 and token.isalnum() for token in tokens)


# ── the topic and the queues ──


def dead_letters(site: Site, word: str) -> list[dict[str, Any]]:
    """The messages in the site's DLQ with `word` in their body; they stay there."""
    received = site.client("sqs").receive_message(
        QueueUrl=site.about["dlq_url"], MessageAttributeNames=["All"], MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    return [message for message in received.get("Messages", []) if word in message["Body"]]


def test_each_secondary_s_queue_follows_the_primary_s_topic_once(primary: Site, secondaries: list[Site]) -> None:
    for site in secondaries:
        assert site.invoke("reconcile")["subscription"] == "done"
    names = [arn.rpartition(":")[2] for arn in primary.subscriptions()]
    assert sorted(names) == sorted(site.about["queue_url"].rpartition("/")[2] for site in secondaries)


def test_a_subscription_that_is_lost_is_made_again(primary: Site, secondaries: list[Site]) -> None:
    sns = primary.client("sns")
    lost = sns.list_subscriptions_by_topic(TopicArn=primary.about["topic_arn"])["Subscriptions"][0]
    sns.unsubscribe(SubscriptionArn=lost["SubscriptionArn"])
    site = next(site for site in secondaries if lost["Endpoint"].endswith(site.about["queue_url"].rpartition("/")[2]))
    assert site.invoke("reconcile")["subscription"] == "done"
    assert lost["Endpoint"] in primary.subscriptions()


def test_a_topic_that_is_no_site_s_cannot_send_to_the_events_queue(secondaries: list[Site]) -> None:
    site = secondaries[0]
    sns, sqs = site.client("sns"), site.client("sqs")
    word = uuid.uuid4().hex
    queue = sqs.create_queue(QueueName=f"witness-{word}")["QueueUrl"]
    witness = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name=f"somebody-else-{word}")["TopicArn"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": witness,
                "Condition": {"ArnLike": {"aws:SourceArn": topic}},
            }
        ],
    }
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    guarded = sqs.get_queue_attributes(QueueUrl=site.about["queue_url"], AttributeNames=["QueueArn"])
    for endpoint in (witness, guarded["Attributes"]["QueueArn"]):
        attributes = {"RawMessageDelivery": "true"}
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=endpoint, Attributes=attributes)
    sns.publish(TopicArn=topic, Message=word)
    # The witness has it, so the topic delivers. Had the site's queue taken it, it would be a dead letter now.
    received = eventually(
        lambda: sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages"), what="the witness's message"
    )
    assert received[0]["Body"] == word
    time.sleep(2)
    assert not dead_letters(site, word)
    sns.delete_topic(TopicArn=topic)
    sqs.delete_queue(QueueUrl=queue)


# ── the schedule ──


def test_reconcile_runs_by_itself_every_minute(primary: Site) -> None:
    function = primary.about["functions"]["reconcile"]

    def runs_by_itself() -> int:
        """The number of runs that the schedule alone started."""
        runs = [line for line in primary.log("reconcile", since_ms=BEGAN_MS) if "ReconcileRuns" in line]
        return len(runs) - INVOKED[function] - 1

    eventually(lambda: runs_by_itself() >= 2, what="two runs of the schedule's")


# ── IAM ──


def role_policies(site: Site, role: str) -> list[dict[str, Any]]:
    resource = site.client("cloudformation").describe_stack_resource(
        StackName=site.about["stack"], LogicalResourceId=role
    )["StackResourceDetail"]
    iam, name = site.client("iam"), resource["PhysicalResourceId"]
    return [
        statement
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
        for statement in iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]["Statement"]
    ]


def somebody_like(site: Site, role: str) -> dict[str, str]:
    """The credentials of a user who may do what a role may."""
    policy = {"Version": "2012-10-17", "Statement": role_policies(site, role)}
    return make_user(site.stack.emulator, f"like-{role}-{uuid.uuid4().hex[:6]}", policy)


@pytest.mark.parametrize(
    ("role", "call", "parameters"),
    [
        ("NotificationsRole", "dynamodb.scan", {"TableName": "{table}"}),
        ("NotificationsRole", "dynamodb.scan", {"TableName": "{events_table}"}),
        ("NotificationsRole", "sqs.send_message", {"QueueUrl": "{queue_url}", "MessageBody": "x"}),
        ("ReconcileRole", "sqs.send_message", {"QueueUrl": "{queue_url}", "MessageBody": "x"}),
        ("ReconcileRole", "sns.publish", {"TopicArn": "{topic_arn}", "Message": "x"}),
        ("SyncRole", "sns.publish", {"TopicArn": "{topic_arn}", "Message": "x"}),
        ("SyncRole", "secretsmanager.get_secret_value", {"SecretId": "{notification_secret_arn}"}),
        ("SyncRole", "dynamodb.delete_table", {"TableName": "{table}"}),
    ],
)
def test_what_a_role_does_not_name_is_refused(
    secondaries: list[Site], role: str, call: str, parameters: dict[str, str]
) -> None:
    site = secondaries[0]
    service, _, operation = call.partition(".")
    client = site.client(service, **somebody_like(site, role))
    with pytest.raises(ClientError) as refused:
        getattr(client, operation)(**{name: value.format(**site.about) for name, value in parameters.items()})
    assert refused.value.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException", "AuthorizationError"}


def test_what_a_role_names_is_let_through(secondaries: list[Site]) -> None:
    site = secondaries[0]
    table = site.client("dynamodb", **somebody_like(site, "SyncRole"))
    key = {"repository": {"S": "#nothing"}, "item": {"S": "row"}}
    assert "Item" not in table.get_item(TableName=site.about["table"], Key=key)
