"""An update-stack from the previous template keeps whatever is owed, in flight and in the DLQ."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from local import deploy
from local.emulator import ROOT
from local.stack import Stack
from tests.e2e.parts import Site, dead_letters, eventually
from tests.e2e.registries import digest, maker
from tests.support.images import Made

from geosync.messages.geo_event import GeoEvent
from geosync.messages.work import WorkMessage
from geosync.sync_registry.items import Reference

PREVIOUS = Path(__file__).parent / "previous" / "template.yaml"
UPGRADED = deploy.Site(name="malmo", role="secondary", region="eu-north-1")
PREFIX = "upgraded"
NEW = {"EventsConcurrency": "2", "LiveConcurrency": "2", "WorkConcurrency": "2"}


def previous(built: Path, folder: Path) -> Path:
    """Write the previous template with the code as it was built for today's; returns it.

    So that its functions/sync is the new one behind the old event source, as it is in the middle of an update.
    """
    text = PREVIOUS.read_text()
    text = re.sub(r"CodeUri: (functions/\w+)", lambda found: f"CodeUri: {ROOT / found[1]}", text)
    for layer in ("geosync", "dependencies", "admin"):
        (archive,) = built.parent.glob(f"layer-{layer}-*.zip")
        text = text.replace(f"ContentUri: layers/{layer}", f"ContentUri: {archive}")
    written = folder / "previous.yaml"
    written.write_text(text)
    return written


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
    return {name: given[name] for name in (*kept, "PlainTransport")} | {
        "PrimaryRegistrySecretArn": arn,
        "RepositoryPrefix": PREFIX,
        "IncludeRepositories": f"{repository}/**",
        "ApiLogging": "off",
        **{name: value for name, value in NEW.items() if name != "LiveConcurrency"},
    }


@pytest.fixture
def repository() -> str:
    return f"e2e/upgrade/{uuid.uuid4().hex[:10]}"


@dataclass(frozen=True, kw_only=True)
class Upgrade:
    """A site that the previous template deployed, and the way to today's."""

    stack: Stack
    built: Path
    parameters: dict[str, str]
    site: Site

    def update(self) -> tuple[Site, dict[str, str]]:
        """Update the stack to today's template; returns the site, and the stack's outputs."""
        given = {UPGRADED: {**self.parameters, **NEW}}
        outputs = deploy.deploy(self.stack.emulator, self.built, given)[UPGRADED]
        return site_of(self.stack, outputs), outputs


@pytest.fixture
def upgrade(stack: Stack, built: Path, parameters: dict[str, str], tmp_path: Path) -> Iterator[Upgrade]:
    """The site as the previous template deploys it."""
    template = built / "package" / "template.yaml"
    outputs = deploy.deploy(stack.emulator, previous(template, tmp_path), {UPGRADED: parameters})[UPGRADED]
    site = site_of(stack, outputs)
    yield Upgrade(stack=stack, built=template, parameters=parameters, site=site)
    stack.emulator.client("cloudformation", UPGRADED.region).delete_stack(StackName=UPGRADED.stack)


def site_of(stack: Stack, outputs: dict[str, str]) -> Site:
    names = {"log_cursor": "LogCursorFunction", "sync": "SyncFunction", "reconcile": "ReconcileFunction"}
    about = {
        "name": UPGRADED.name,
        "region": UPGRADED.region,
        "table": outputs["SyncRegistryTable"],
        "queue_url": outputs["EventsQueueUrl"],
        "work_queue_url": outputs["WorkQueueUrl"],
        "dlq_url": outputs["DeadLetterQueueUrl"],
        "functions": {name: outputs[output] for name, output in names.items() if output in outputs},
    }
    return Site(stack=stack, about=about)


def event(made: Made) -> str:
    now = int(time.time() * 1000)
    return GeoEvent(
        id=uuid.uuid4().hex,
        site="dublin",
        event_name="created",
        repository=made.repository,
        tag=made.reference,
        digest=made.digest,
        media_type=made.media_type,
        occurred_at=None,
        received_at=now,
        source="distribution",
        correlation_id=uuid.uuid4().hex,
    ).to_json()


def sources(site: Site) -> dict[str, str]:
    """Which function takes messages from which queue, by their names."""
    found = site.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    return {one["EventSourceArn"].rpartition(":")[2]: one["FunctionArn"].rpartition(":")[2] for one in found}


def test_what_is_owed_in_flight_and_in_the_dlq_outlives_the_update(
    upgrade: Upgrade, primary: Site, secondary: Site, repository: str
) -> None:
    upgraded = upgrade.site
    sqs, queue = upgraded.client("sqs"), upgraded.about["queue_url"]
    with maker(primary) as make:
        made = {
            name: make.image(f"{repository}/{name}", "v1", layers=1) for name in ("owed", "flight", "waits", "dead")
        }
    pause(upgraded)

    # Owed: the new code, behind the old event source, takes the event and marks it.
    sqs.send_message(QueueUrl=queue, MessageBody=event(made["owed"]))
    eventually(lambda: owed(upgraded, made["owed"]), what="the mark that the old event source brings")
    client = upgraded.client("lambda")
    (source,) = [
        one["UUID"]
        for one in client.list_event_source_mappings()["EventSourceMappings"]
        if one["EventSourceArn"].endswith(queue.rpartition("/")[2])
    ]
    client.update_event_source_mapping(UUID=source, Enabled=False)
    # In flight: somebody took it and died. It waits: nobody has taken it.
    sqs.send_message(QueueUrl=queue, MessageBody=event(made["flight"]))
    eventually(
        lambda: sqs.receive_message(QueueUrl=queue, VisibilityTimeout=20).get("Messages"), what="the message in flight"
    )
    sqs.send_message(QueueUrl=queue, MessageBody=event(made["waits"]))
    letter = WorkMessage(repository=made["dead"].repository, reason="replay", references=(Reference.tag("v1"),))
    sqs.send_message(QueueUrl=upgraded.about["dlq_url"], MessageBody=letter.to_json())

    site, outputs = upgrade.update()

    assert site.about["table"] == upgraded.about["table"]
    assert site.about["queue_url"] == queue
    queues = {name: outputs[f"{name}QueueUrl"].rpartition("/")[2] for name in ("Events", "Live", "Work")}
    functions = {"Events": "log_cursor", "Live": "sync", "Work": "sync"}
    assert sources(site) == {queues[name]: site.about["functions"][one] for name, one in functions.items()}
    eventually(lambda: all(owed(site, made[name]) for name in ("owed", "flight", "waits")), what="every mark")
    eventually(lambda: site.messages("queue_url") == 0, what="an events queue that is empty")
    assert site.messages("dlq_url") == 1

    resume(site)
    assert [one.failure for one in dead_letters(site).replay(None)] == [None]
    with suppress(AssertionError):  # a new function may be slow to load on a busy machine: then the schedule does it
        site.invoke("reconcile")
    with maker(secondary) as there:
        eventually(
            lambda: all(digest(there, f"{PREFIX}/{one.repository}", "v1") == one.digest for one in made.values()),
            what="everything at the secondary",
        )
    eventually(lambda: not any(owed(site, one) for one in made.values()), what="nothing left owed")
    assert site.messages("dlq_url") == 0


def owed(site: Site, made: Made) -> bool:
    return site.item(made.repository, "owed#tag#v1") is not None


def pause(site: Site) -> None:
    site.client("dynamodb").put_item(
        TableName=site.about["table"], Item={"repository": {"S": "#site"}, "item": {"S": "pause"}}
    )


def resume(site: Site) -> None:
    key = {"repository": {"S": "#site"}, "item": {"S": "pause"}}
    site.client("dynamodb").delete_item(TableName=site.about["table"], Key=key)
