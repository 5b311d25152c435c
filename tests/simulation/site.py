"""One site: the parts of its stack as fakes, and the real functions between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError
from tests.simulation.calls import Caller, Calls, Weather
from tests.simulation.event_log import DynamoClient, Log
from tests.simulation.functions import TIMEOUTS_S, Function
from tests.simulation.queues import Queue, SqsClient
from tests.simulation.recording import Recorder
from tests.simulation.registry.notifier import Notifier
from tests.simulation.registry.server import Server
from tests.simulation.scheduler import Scheduler
from tests.simulation.selections import Selections
from tests.simulation.table import Table
from tests.simulation.topics import SnsClient, Topic

REGIONS = {"alpha": "eu-west-1", "beta": "us-east-1", "gamma": "ap-south-1"}


@dataclass(slots=True)
class Commons:
    """What all sites of a world share."""

    scheduler: Scheduler
    random: Random
    calls: Calls
    recorder: Recorder
    topics: dict[str, Topic] = field(default_factory=dict)
    queues: dict[str, Queue] = field(default_factory=dict)
    """By URL and by ARN."""
    session: Callable[[str], Any] = lambda _: None
    """Makes what stands in place of requests.Session at a site."""


class Site:
    """One stack. `parameters` are those of the template that the functions' environment follows from."""

    def __init__(self, name: str, commons: Commons, parameters: Mapping[str, str]) -> None:
        scheduler, random = commons.scheduler, commons.random
        self.name = name
        self.region = REGIONS[name]
        self.skew_ms = 0
        self.parameters = dict(parameters)
        self.selections = Selections()
        self.kept: set[tuple[str, str | None]] = set()
        """Tags that an operator said to keep, and repositories (None: all of its tags)."""
        self.dynamodb, self.sqs, self.sns, self.secrets = Weather(), Weather(), Weather(), Weather()
        self.table = Table(scheduler, random)
        self.log = Log()
        self.queues = {kind: Queue(f"{name}-{kind}", scheduler, random) for kind in ("events", "live", "work", "dlq")}
        for kind in ("live", "work"):
            self.queues[kind].visibility_s = 960.0
        for kind in ("events", "live", "work"):
            self.queues[kind].dlq = self.queues["dlq"]
        self.topic = Topic(f"arn:aws:sns:{self.region}:000000000000:{name}", scheduler, random, commons.calls)
        commons.topics[self.topic.arn] = self.topic
        for queue in self.queues.values():
            commons.queues[queue.url] = commons.queues[queue.arn] = queue
        self.registry_place = Caller(f"registry {name}", lambda: self.skew_ms)
        self.server = Server(f"{name}.invalid", self.registry_place, scheduler, random)
        self.notifier = Notifier(self.server, scheduler, random)
        self._commons = commons
        self._deployed: dict[str, dict[str, str]] = {}
        self.functions = {kind: self._function(kind) for kind in TIMEOUTS_S}

    def _function(self, kind: str) -> Function:
        commons = self._commons
        return Function(
            kind,
            self.name,
            commons.scheduler,
            commons.random,
            lambda: self._deployed[kind],
            self._parts,
            offset_ms=lambda: self.skew_ms,
            on_crash=lambda what, error: commons.recorder.crashed(self.name, what, error),
        )

    def deploy(self, kind: str) -> None:
        """Give a function the environment that follows from the parameters now; warm ones are not kept."""
        self._deployed[kind] = self.environ()
        self.functions[kind].forget()

    @property
    def role(self) -> str:
        """`primary` or `secondary`, as its stack says."""
        return self.parameters["SITE_ROLE"]

    @property
    def admin_url(self) -> str:
        """Where its admin API is."""
        return f"https://admin.{self.name}.invalid"

    def environ(self) -> dict[str, str]:
        """The environment of every function: each takes its own keys."""
        queues = self.queues
        return {
            "SITE_NAME": self.name,
            "SYNC_TABLE": f"{self.name}-sync",
            "EVENTS_TABLE": f"{self.name}-events",
            "TOPIC_ARN": self.topic.arn,
            "EVENT_RETENTION_DAYS": "30",
            "EVENTS_QUEUE_URL": queues["events"].url,
            "EVENTS_QUEUE_ARN": queues["events"].arn,
            "LIVE_QUEUE_URL": queues["live"].url,
            "WORK_QUEUE_URL": queues["work"].url,
            "DLQ_URL": queues["dlq"].url,
            "LOCAL_REGISTRY_URL": f"https://{self.server.host}",
            "HEARTBEAT_URL": f"https://notify.{self.name}.invalid/api/v4/container_registry_event/events",
            "NOTIFICATION_SECRET_ARN": f"{self.name}-notification",
            "REPORT_SECRET_ARN": f"{self.name}-report",
            "READ_SECRET_ARN": f"{self.name}-read",
            "ACT_SECRET_ARN": f"{self.name}-act",
            **self.parameters,
        }

    def client(self, service: str) -> Any:
        """A boto3 client at this site."""
        calls = self._commons.calls
        if service == "dynamodb":
            return DynamoClient(self.log, self.table, calls, self.dynamodb)
        if service == "sqs":
            return SqsClient(self._commons.queues, calls, self.sqs)
        if service == "sns":
            return SnsClient(self._commons.topics, self._commons.queues, calls, self.sns)
        if service == "secretsmanager":
            return SecretsClient(calls, self.secrets)
        if service == "sts":
            return SimpleNamespace(get_caller_identity=lambda: {"Arn": "arn:aws:iam::000000000000:user/operator"})
        raise AssertionError(f"no fake of {service}")

    def _parts(self) -> dict[str, Any]:
        return {
            "boto3": SimpleNamespace(client=lambda service, **_: self.client(service)),
            "logger": self._commons.recorder.logger(self.name),
            "requests": SimpleNamespace(Session=lambda: self._commons.session(self.name)),
        }


class SecretsClient:
    """Secrets Manager: each secret is a token with its own name in it."""

    class exceptions:  # noqa: N801 - as boto3 has it
        """The errors of the service."""

        class ResourceNotFoundException(ClientError):
            """There is no such secret, or no such version."""

    def __init__(self, calls: Calls, weather: Weather) -> None:
        self._calls = calls
        self._weather = weather

    def get_secret_value(self, *, SecretId: str, VersionStage: str = "AWSCURRENT") -> dict[str, str]:
        """Read one; in calm weather that takes no time."""
        if not self._weather.is_calm:
            self._calls.make(lambda: None, self._weather, refused=_slow_down, lost=_silent)
        if VersionStage != "AWSCURRENT":
            raise self.exceptions.ResourceNotFoundException({"Error": {"Code": "", "Message": ""}}, "GetSecretValue")
        return {"SecretString": token_of(SecretId), "VersionId": "1"}


def _slow_down() -> Exception:
    return ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "GetSecretValue")


def _silent() -> Exception:
    return ReadTimeoutError(endpoint_url="https://secretsmanager.invalid")


def token_of(secret: str) -> str:
    """The token in a secret."""
    return f"token-of-{secret}-0123456789"
