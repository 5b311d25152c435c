"""An update from the previous release, and the way back, keep what is stored, owed, in flight and in the DLQ."""

from __future__ import annotations

import json
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from local import deploy
from local.stack import Stack
from tests.e2e.parts import PATIENCE_S, Site, dead_letters, eventually, hurried
from tests.e2e.registries import digest, maker
from tests.support.images import Made
from tests.support.upgrade import previous, reading
from tests.support.upgrade.former_table import TOKEN
from tests.support.upgrade.kinds import kind_of, kinds

from geosync.admin.gate import SIGN_IN
from geosync.clock import SYSTEM_CLOCK
from geosync.operating import status
from geosync.sync_registry.items import SYNCED
from geosync.sync_registry.site.counters import RowCounts
from geosync.sync_registry.sync_registry import SyncRegistry

UPGRADED = deploy.Site(name="malmo", role="secondary", region="eu-north-1")
PREFIX = "upgraded"
PACE = {"EventsConcurrency": "2", "LiveConcurrency": "2", "WorkConcurrency": "2"}
OWED = ("failed", "parked", "flight", "large", "whole")
"""Repositories of which the former code's table owes the tag v1 (tests/support/upgrade/former_table.py)."""
ENDS = {"#site/refused", "#suspected/found#", "#outbox-/event#"}
"""Kinds of items that a minute of either version may end: what was refused is in the DLQ, or a find is decided."""
FUNCTIONS = {
    "log_cursor": "LogCursorFunction",
    "sync": "SyncFunction",
    "reconcile": "ReconcileFunction",
    "admin": "AdminFunction",
}


@pytest.fixture
def parameters(stack: Stack, secondary: Site, repository: str) -> dict[str, str]:
    """A secondary beside the others: it reads the same primary, follows no topic and writes below a name of its own."""
    like = deploy.Site(name=secondary.name, role="secondary", region=secondary.about["region"])
    given = deploy.previous_parameters(stack.emulator, like)
    there: Any = secondary.client("secretsmanager")
    text = there.get_secret_value(SecretId=given["PrimaryRegistrySecretArn"])["SecretString"]
    here: Any = stack.emulator.client("secretsmanager", UPGRADED.region)
    arn = here.create_secret(Name=f"geosync/{uuid.uuid4().hex}", SecretString=text)["ARN"]
    kept = ("LocalRegistryUrl", "PrimaryRegistryUrl", "SettleSeconds", "SuspectSeconds", "LeaseSeconds")
    return {name: given[name] for name in (*kept, "PlainTransport", "MaxNamespaceShare")} | {
        "PrimaryRegistrySecretArn": arn,
        "RepositoryPrefix": PREFIX,
        "IncludeRepositories": f"{repository}/**",
        "ApiLogging": "off",
        **PACE,
    }


@pytest.fixture
def repository() -> str:
    return f"e2e/upgrade/{uuid.uuid4().hex[:10]}"


@dataclass(frozen=True, kw_only=True)
class Upgrade:
    """A site that the previous release's package deployed, and the way to today's."""

    stack: Stack
    built: Path
    former: Path
    parameters: dict[str, str]
    site: Site
    library: Path

    def update(self) -> Site:
        """Update the stack to today's package, as `sam deploy` does: parameters keep their values."""
        return self._deploy(self.built)

    def go_back(self) -> Site:
        """Deploy the previous release's package again: parameters that it does not have are gone."""
        return self._deploy(self.former)

    def _deploy(self, template: Path) -> Site:
        outputs = deploy.deploy(self.stack.emulator, template, {UPGRADED: {}})[UPGRADED]
        return site_of(self.stack, outputs)


@pytest.fixture
def upgrade(stack: Stack, built: Path, parameters: dict[str, str], tmp_path: Path) -> Iterator[Upgrade]:
    """The site as the previous release's package deploys it."""
    package = built / "package"
    former = previous.package(package, tmp_path / "package")
    try:
        outputs = deploy.deploy(stack.emulator, former, {UPGRADED: parameters})[UPGRADED]
        yield Upgrade(
            stack=stack,
            built=package / "template.yaml",
            former=former,
            parameters=parameters,
            site=site_of(stack, outputs),
            library=previous.library(tmp_path / "library"),
        )
    finally:
        stack.emulator.client("cloudformation", UPGRADED.region).delete_stack(StackName=UPGRADED.stack)


def site_of(stack: Stack, outputs: dict[str, str]) -> Site:
    about = {
        "name": UPGRADED.name,
        "region": UPGRADED.region,
        "table": outputs["SyncRegistryTable"],
        "queue_url": outputs["EventsQueueUrl"],
        "live_queue_url": outputs["LiveQueueUrl"],
        "work_queue_url": outputs["WorkQueueUrl"],
        "dlq_url": outputs["DeadLetterQueueUrl"],
        "admin_url": deploy.admin_url(stack.emulator, UPGRADED),
        "read_secret_arn": outputs["AdminReadTokenSecretArn"],
        "functions": {name: outputs[output] for name, output in FUNCTIONS.items()},
    }
    return Site(stack=stack, about=about)


def known_of(site: Site) -> SyncRegistry:
    """The site's table as today's code sees it."""
    return SyncRegistry.open(site.client("dynamodb"), site.about["table"])


def put(site: Site, items: list[dict[str, Any]]) -> None:
    """Put items into the site's table. What its functions wrote already stays."""
    serialize, client = TypeSerializer().serialize, site.client("dynamodb")
    for item in items:
        with suppress(client.exceptions.ConditionalCheckFailedException):
            client.put_item(
                TableName=site.about["table"],
                Item={name: serialize(value) for name, value in item.items()},
                ConditionExpression="attribute_not_exists(repository)",
            )


def sign_in(site: Site) -> str:
    """Open a session of the dashboard with the read token; returns its cookie."""
    token = site.client("secretsmanager").get_secret_value(SecretId=site.about["read_secret_arn"])["SecretString"]
    body = json.dumps({"token": token}).encode()
    url, headers = f"{site.about['admin_url']}{SIGN_IN}", {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, data=body, headers=headers), timeout=PATIENCE_S) as answer:
        cookie: str = answer.headers["Set-Cookie"]
    return cookie.partition(";")[0]


def caller(site: Site, header: str, value: str) -> dict[str, Any]:
    """The answer to who calls the admin API with a header."""
    asked = urllib.request.Request(f"{site.about['admin_url']}/api/v4/session", headers={header: value})
    with urllib.request.urlopen(asked, timeout=PATIENCE_S) as answer:
        said: dict[str, Any] = json.loads(answer.read())
        return said


def source(site: Site) -> str:
    """The event source of functions/log_cursor."""
    (found,) = [
        one["UUID"]
        for one in site.client("lambda").list_event_source_mappings()["EventSourceMappings"]
        if one["EventSourceArn"].endswith(site.about["queue_url"].rpartition("/")[2])
    ]
    return str(found)


def sources(site: Site) -> dict[str, str]:
    """Which function takes messages from which queue, by their names."""
    found = site.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    return {one["EventSourceArn"].rpartition(":")[2]: one["FunctionArn"].rpartition(":")[2] for one in found}


def owed(site: Site, made: Made) -> bool:
    return site.item(made.repository, "owed#tag#v1") is not None


def stored(site: Site, library: Path) -> set[str]:
    """The kinds of items in the site's table; every item is of one that the previous release or today's code has."""
    named = kinds(library) | kinds(Path(status.__file__).parents[1])
    found = {(one["repository"], one["item"]): kind_of((one["repository"], one["item"]), named) for one in site.items()}
    assert [key for key, kind in found.items() if kind is None] == []
    return {kind for kind in found.values() if kind is not None}


def test_what_is_stored_owed_in_flight_and_in_the_dlq_outlives_the_update_and_the_way_back(
    upgrade: Upgrade, primary: Site, secondary: Site, repository: str
) -> None:
    former, now_ms = upgrade.site, int(time.time() * 1000)
    table = f"{repository}/table"
    # A table in which there is everything that the former code writes; with it the site is paused.
    put(former, previous.left(upgrade.library, table, now_ms).items)
    names = ("owed", "flight", "waits")
    with maker(primary) as make:
        events = [make.image(f"{repository}/{name}", "v1", layers=1) for name in names]
        made = [*events, *(make.image(f"{table}/{name}", "v1", layers=1) for name in (*OWED, "dead"))]
    left = previous.left(upgrade.library, table, now_ms, events)
    sqs, queue = former.client("sqs"), former.about["queue_url"]

    # The former code runs: it marks an event, writes its minute, and opens a session.
    sqs.send_message(QueueUrl=queue, MessageBody=left.events[0])
    eventually(lambda: owed(former, events[0]), what="the mark of the former code")
    former.invoke("reconcile")
    cookie = sign_in(former)
    # In flight: somebody took it and died. It waits: nobody has taken it.
    functions = former.client("lambda")
    functions.update_event_source_mapping(UUID=source(former), Enabled=False)
    sqs.send_message(QueueUrl=queue, MessageBody=left.events[1])
    eventually(
        lambda: sqs.receive_message(QueueUrl=queue, VisibilityTimeout=20).get("Messages"), what="the message in flight"
    )
    sqs.send_message(QueueUrl=queue, MessageBody=left.events[2])
    for letter in left.letters:
        sqs.send_message(QueueUrl=former.about["dlq_url"], MessageBody=letter)
    before, marks = stored(former, upgrade.library), marked(former)
    read = {kind for kind, value in reading.everything(known_of(former), table, now_ms).items() if value}
    assert read | ENDS >= before & kinds(upgrade.library) - {"#site/slot#"}

    site = upgrade.update()

    assert site.about == former.about
    assert marked(site).items() >= marks.items()
    assert stored(site, upgrade.library) | ENDS >= before
    again = {kind for kind, value in reading.everything(known_of(site), table, now_ms).items() if value}
    assert read - again - ENDS == set()
    assert caller(site, "Cookie", cookie)["right"] == "read"
    assert caller(site, "Authorization", f"Bearer {TOKEN}")["token_name"] == "ci"
    queues = {name: site.about[f"{name}queue_url"].rpartition("/")[2] for name in ("", "live_", "work_")}
    taken = {"": "log_cursor", "live_": "sync", "work_": "sync"}
    assert sources(site) == {queues[name]: site.about["functions"][one] for name, one in taken.items()}
    functions.update_event_source_mapping(UUID=source(site), Enabled=True)
    eventually(lambda: all(owed(site, one) for one in events), what="every mark")
    eventually(lambda: site.messages("queue_url") == 0, what="an events queue that is empty")
    assert site.messages("dlq_url") == len(left.letters)

    known = known_of(site)
    known.resume()
    assert [one.failure for one in dead_letters(site).replay_all(SYSTEM_CLOCK.now_ms())] == [None] * len(left.letters)
    with maker(secondary) as there:

        def arrived() -> bool:
            return all(digest(there, f"{PREFIX}/{one.repository}", "v1") == one.digest for one in made)

        eventually(hurried([site], arrived), what="everything at the secondary")
    eventually(hurried([site], lambda: marked(site) == {}), what="nothing left owed")
    eventually(hurried([site], lambda: counted(site)), what="counters that are the rows")
    assert {one.repository: row_state(known, one.repository) for one in made} == dict.fromkeys(
        (one.repository for one in made), SYNCED
    )
    assert site.messages("dlq_url") == 0

    # The way back: what is owed, and what waits in the queue, is seen by the former code.
    with maker(primary) as make:
        late = [make.image(f"{repository}/back-{name}", "v1", layers=1) for name in ("owed", "waits")]
    messages = previous.left(upgrade.library, f"{repository}/none", now_ms, late).events
    known.pause("the way back")
    sqs.send_message(QueueUrl=queue, MessageBody=messages[0])
    eventually(lambda: owed(site, late[0]), what="the mark of today's code")
    functions.update_event_source_mapping(UUID=source(site), Enabled=False)
    sqs.send_message(QueueUrl=queue, MessageBody=messages[1])
    marks = marked(site)

    back = upgrade.go_back()

    assert (back.about, marked(back)) == (site.about, marks)
    functions.update_event_source_mapping(UUID=source(back), Enabled=True)
    known.resume()
    with maker(secondary) as there:
        wanted = [(f"{PREFIX}/{one.repository}", one.digest) for one in late]
        eventually(
            hurried([back], lambda: all(digest(there, name, "v1") == one for name, one in wanted)),
            what="what was owed, by the former code",
        )
    eventually(hurried([back], lambda: marked(back) == {}), what="nothing left owed")
    assert back.messages("dlq_url") == 0


def marked(site: Site) -> dict[tuple[str, str], str]:
    """The mark of everything that is owed."""
    return {
        (one["repository"], one["item"]): one["mark"] for one in site.items() if str(one["item"]).startswith("owed#")
    }


def row_state(known: SyncRegistry, repository: str) -> str | None:
    row = known.row(repository)
    return row.state if row is not None else None


def counted(site: Site) -> bool:
    """Tell whether the site's counters match its rows."""
    rows = [one for one in site.items() if one["item"] == "row" and "id" in one]
    states = [one.get("state") for one in rows]
    said = known_of(site).counters.read() or RowCounts()
    return (said.rows, said.synced, said.failed) == (len(rows), states.count(SYNCED), states.count("3"))
