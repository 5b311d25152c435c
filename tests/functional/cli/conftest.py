"""A site as the commands find it in AWS, played by moto: stack, table, queues, secrets; and the command to run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws
from tests.support.event_log import create_event_log

from geosync import __version__
from geosync.cli.main import main
from geosync.cli.output import Answer
from geosync.cli.site import AwsAccess
from geosync.cli.site import StackSite as DeployedSite
from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.operating import dead_letters
from geosync.sync_registry.site import catalogue
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table import tables
from geosync.sync_registry.table.changes import Update
from geosync.sync_registry.table.dynamodb import DynamoStore

REGION = "eu-central-1"
OUTPUTS = (
    "EventsQueueUrl",
    "WorkQueueUrl",
    "DeadLetterQueueUrl",
    "SyncRegistryTable",
    "ReconcileFunction",
    "NotificationsFunction",
)


class PlayedClock(Clock):
    """Starts at the present; only a test moves it. A sleep calls `meanwhile` and is noted."""

    __slots__ = ("_made_ms", "ahead_s", "meanwhile", "slept")

    def __init__(self) -> None:
        self._made_ms = super().now_ms()
        self.ahead_s = 0.0
        self.meanwhile: Callable[[], object] = lambda: None
        self.slept: list[float] = []

    def now_ms(self) -> int:
        return self._made_ms + round(self.ahead_s * 1000)

    def monotonic_s(self) -> float:
        return self.ahead_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.ahead_s += seconds
        self.meanwhile()


@dataclass(frozen=True, slots=True)
class Site:
    """A stack in moto."""

    stack: str
    outputs: dict[str, str]

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["--stack", self.stack, "--region", REGION, *arguments])

    @property
    def sqs(self) -> Any:
        return boto3.client("sqs", region_name=REGION)

    @property
    def sync_registry(self) -> SyncRegistry:
        return SyncRegistry(
            DynamoStore(boto3.client("dynamodb", region_name=REGION), self.outputs["SyncRegistryTable"])
        )

    def audit(self) -> list[dict[str, Any]]:
        """The audit log, oldest first; entries of the same moment in any order."""
        items = boto3.client("dynamodb", region_name=REGION).scan(TableName=self.outputs["EventsTable"])["Items"]
        plain: list[dict[str, Any]] = [
            {name: next(iter(value.values())) for name, value in item.items()} for item in items
        ]
        found = [item for item in plain if item["hour"].startswith("audit#")]
        return sorted(found, key=lambda item: int(item["received_at"]))

    def well(self) -> None:
        """Make the site healthy: its minute runs, heartbeats arrive, and everything is compared."""
        now = SYSTEM_CLOCK.now_ms()
        self.sync_registry.minute.record()
        self.sync_registry.heartbeat.record(site="dublin", sent_at=now, arrived_at=now)
        times = dict.fromkeys(("started_at", "touched_at", "finished_at", "proved_at", "settled_at"), now)
        self.sync_registry._store.write(Update(key=catalogue.KEY, set=times))

    def bodies(self, queue: str) -> list[Any]:
        """Take the messages of a queue."""
        found = self.sqs.receive_message(QueueUrl=self.outputs[queue], MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in found.get("Messages", [])]


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders for contexts and for names that complete a word: not those of whoever runs the tests."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("GEOSYNC_CONTEXT", raising=False)
    return tmp_path


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[Answer]:
    """The answers that a command makes; the last one is what it puts out."""
    found: list[Answer] = []
    make = Answer.__init__

    def note(answer: Answer, **fields: Any) -> None:
        make(answer, **fields)
        found.append(answer)

    monkeypatch.setattr(Answer, "__init__", note)
    return found


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "GEOSYNC_STACK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(dead_letters, "WAIT_SECONDS", 0)  # there is one server here
    with mock_aws():
        yield


@pytest.fixture
def stacks(aws: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, DeployedSite]:
    """Stacks by name. What CloudFormation itself answers is looked at end to end: moto's needs more packages."""
    found: dict[str, DeployedSite] = {}
    monkeypatch.setattr(DeployedSite, "find", lambda _, name: found[name.name])
    return found


@pytest.fixture
def clock() -> PlayedClock:
    """The clock of the machine that the commands run on."""
    return PlayedClock()


@pytest.fixture
def deploy(stacks: dict[str, DeployedSite], clock: PlayedClock) -> Callable[[str], Site]:
    """Make a site of a role."""

    def make(role: str) -> Site:
        sqs = boto3.client("sqs", region_name=REGION)
        outputs = {name: f"geosync-test-{name.lower()}" for name in OUTPUTS}
        for name in OUTPUTS[:3]:
            outputs[name] = sqs.create_queue(QueueName=outputs[name])["QueueUrl"]
        outputs["AdminUrl"] = "https://admin.example.com/geo/"
        outputs["EventsTable"] = "events"
        outputs["Version"] = __version__
        create_event_log(boto3.client("dynamodb", region_name=REGION), outputs["EventsTable"])
        tables.create(boto3.client("dynamodb", region_name=REGION), outputs["SyncRegistryTable"])
        logs = boto3.client("logs", region_name=REGION)
        logs.create_log_group(logGroupName=f"/aws/lambda/{outputs['ReconcileFunction']}")
        stacks["geosync-test"] = DeployedSite(
            access=AwsAccess(session=boto3.Session(region_name=REGION), clock=clock),
            stack="geosync-test",
            region=REGION,
            state="CREATE_COMPLETE",
            parameters={"SiteName": "frankfurt", "SiteRole": role},
            outputs=outputs,
        )
        return Site("geosync-test", outputs)

    return make


@pytest.fixture
def secondary(deploy: Callable[[str], Site]) -> Site:
    return deploy("secondary")


@pytest.fixture
def primary(deploy: Callable[[str], Site]) -> Site:
    return deploy("primary")


@pytest.fixture
def events_table(secondary: Site) -> str:
    """The table of the secondary's event log, which holds the audit log as well."""
    return secondary.outputs["EventsTable"]
