"""A deployed site as the commands work with it: its stack's parameters and outputs, and clients in its region."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from geosync.cli.local_stack import local_session, reach_this_machine_directly
from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.comparing.window import BackfillWindow
from geosync.errors import ConfigurationError
from geosync.messages.event_log import EventLog
from geosync.operating import status
from geosync.operating.drill_schedule import DrillSchedule
from geosync.operating.site_facts import NO_OBJECTIVE_CHOSEN, RECOVERY_POINT_LATE_S, Objective, SiteFacts
from geosync.operating.status import Status
from geosync.settings import Role
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.tokens import read_tokens

AWS_CALLS = Config(
    connect_timeout=5,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 4},
    max_pool_connections=32,  # what a status reads side by side (owed_index.AT_ONCE, and what is counted)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsAccess:
    """The way from this machine to AWS: a session (profile, default region), and the local stack's address.

    `endpoint_url` is None for AWS itself. `clock` is this machine's.
    """

    session: boto3.Session
    endpoint_url: str | None = None
    clock: Clock = SYSTEM_CLOCK
    _clients: dict[tuple[str, str | None], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, *, profile: str | None = None, region: str | None = None) -> AwsAccess:
        """The access that the AWS CLI would have: by a profile, or by the environment (AWS_ENDPOINT_URL too)."""
        return cls(session=boto3.Session(profile_name=profile, region_name=region))

    def client(self, service: str, region: str | None = None) -> Any:
        """Return the one client of a service and region, by default the session's. Raises botocore's errors.

        Making one takes as long as several calls.
        """
        if (service, region) not in self._clients:
            self._clients[service, region] = self.session.client(  # type: ignore[call-overload]
                service, region_name=region, endpoint_url=self.endpoint_url, config=AWS_CALLS
            )
        return self._clients[service, region]


@dataclass(frozen=True, slots=True, kw_only=True)
class StackName:
    """A stack and its region; None: the region of the access."""

    name: str
    region: str | None = None

    @classmethod
    def parse(cls, text: str) -> StackName:
        """Read `STACK` or `STACK@REGION`; raises ConfigurationError."""
        name, separator, region = text.partition("@")
        if not name or (separator and not region):
            raise ConfigurationError(f"{text!r} is neither STACK nor STACK@REGION")
        return cls(name=name, region=region or None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSite:
    """One site's stack, as CloudFormation describes it. `state` is its stack status, such as UPDATE_COMPLETE."""

    access: AwsAccess
    stack: str
    region: str
    state: str
    parameters: Mapping[str, str] = field(repr=False)
    outputs: Mapping[str, str] = field(repr=False)

    @classmethod
    def find(cls, access: AwsAccess, name: StackName) -> StackSite:
        """Read a stack; raises ConfigurationError when there is none, or none of Geosync."""
        client = access.client("cloudformation", name.region)
        region = str(client.meta.region_name)
        try:
            (stack,) = client.describe_stacks(StackName=name.name)["Stacks"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ValidationError":
                raise ConfigurationError(f"there is no stack {name.name} in {region}") from error
            raise
        site = cls(
            access=access,
            stack=name.name,
            region=region,
            state=stack["StackStatus"],
            parameters={one["ParameterKey"]: one["ParameterValue"] for one in stack.get("Parameters", [])},
            outputs={one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])},
        )
        if "SyncRegistryTable" not in site.outputs or "SiteRole" not in site.parameters:
            raise ConfigurationError(f"the stack {name.name} in {region} ({site.state}) is not a deployed Geo site")
        return site

    @property
    def name(self) -> str:
        """The site's name."""
        return self.parameters["SiteName"]

    @property
    def role(self) -> str:
        """`primary` or `secondary`."""
        return self.parameters["SiteRole"]

    @property
    def version(self) -> str | None:
        """The version of Geosync that the stack was deployed from; None: one that did not say it."""
        return self.outputs.get("Version")

    @property
    def is_primary(self) -> bool:
        """True for the site that publishes geo events."""
        return self.role == "primary"

    @property
    def facts(self) -> SiteFacts:
        """The site's name and role, the age at which its recovery point is late, its objective, its drill schedule."""
        late_s = int(self.parameters.get("RecoveryPointAlarmSeconds", RECOVERY_POINT_LATE_S))
        objective = Objective(
            lag_s=float(self.parameters.get("TargetLag", NO_OBJECTIVE_CHOSEN.lag_s)),
            share_percent=float(self.parameters.get("TargetShare", NO_OBJECTIVE_CHOSEN.share_percent)),
        )
        role: Role = "primary" if self.is_primary else "secondary"
        drills = cast(DrillSchedule, self.parameters.get("DrillSchedule", "off"))  # the template's values
        return SiteFacts(name=self.name, role=role, late_s=late_s, objective=objective, drill_schedule=drills)

    @property
    def backfill_window(self) -> BackfillWindow:
        """When a backfill may run. Raises ConfigurationError."""
        return BackfillWindow.parse(self.parameters.get("BackfillWindow", ""))

    @property
    def event_retention_days(self) -> int:
        """The days for which an entry of the site's event log is kept."""
        return int(self.parameters.get("EventRetentionDays", "30"))

    @property
    def event_log(self) -> EventLog:
        """The site's event log."""
        return EventLog(
            self.client("dynamodb"),
            self.outputs["EventsTable"],
            retention_days=self.event_retention_days,
            shards=self.event_log_shards,
        )

    @property
    def event_log_shards(self) -> int:
        """Partitions that an hour of the site's event log is in."""
        return int(self.parameters.get("EventLogShards", "1"))

    @property
    def primary_topic(self) -> str | None:
        """The topic of the primary that the stack has the site follow, None where there is none."""
        return self.parameters.get("PrimaryTopicArn") or None

    def follows(self, other: StackSite) -> bool:
        """Return whether this is a secondary of the other site, as the stacks are now, whatever they were at first."""
        return not self.is_primary and other.is_primary and self.primary_topic == other.outputs["TopicArn"]

    @property
    def clock(self) -> Clock:
        """The clock of the machine that the command runs on."""
        return self.access.clock

    @property
    def sync_registry(self) -> SyncRegistry:
        """The site's sync registry."""
        return SyncRegistry.open(self.client("dynamodb"), self.outputs["SyncRegistryTable"], clock=self.clock)

    def client(self, service: str, region: str | None = None) -> Any:
        """Return the client of a service in the site's region, or in another."""
        return self.access.client(service, region or self.region)

    def token(self, output: str) -> bytes:
        """Read the current token in the secret that an output names. Raises as read_tokens."""
        return read_tokens(self.client("secretsmanager"), self.outputs[output])[0]

    def read_status(self) -> Status:
        """Read what the site owes and what keeps it. Raises botocore's errors."""
        return status.read(self.sync_registry, primary=self.primary_topic, clock=self.clock)

    @property
    def takes_reports(self) -> bool:
        """True where other sites reach the admin API: a private one is reached from within its VPCs alone."""
        return not self.parameters.get("AdminVpcEndpointIds")

    def must_be_secondary(self, what: str) -> None:
        """Raise ConfigurationError at a primary, which syncs nothing."""
        if self.is_primary:
            raise ConfigurationError(f"{self.name} is the primary: {what} is for a secondary")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The site that the options choose: the way to AWS, its stack, and the other sites of a local stack."""

    access: AwsAccess
    stack: StackName
    others: tuple[StackName, ...] = ()

    def site(self) -> StackSite:
        """Read the chosen site's stack."""
        return StackSite.find(self.access, self.stack)

    def other_sites(self) -> list[StackSite]:
        """Read the stacks of the other sites."""
        return [StackSite.find(self.access, name) for name in self.others]

    def named(self, *stacks: str) -> list[StackSite]:
        """Read stacks by `STACK` or `STACK@REGION`; raises ConfigurationError."""
        return [StackSite.find(self.access, name) for name in [*map(StackName.parse, stacks)]]

    def secondary(self, what: str) -> StackSite:
        """Read the chosen site's stack; raises ConfigurationError for a primary, as must_be_secondary."""
        site = self.site()
        site.must_be_secondary(what)
        return site


def local_site(name: str, state: Path) -> Chosen:
    """Choose a site of the local stack, by the file that `make up` writes. Raises ConfigurationError."""
    file = state / "stack.json"
    try:
        description = json.loads(file.read_text())
    except FileNotFoundError:
        raise ConfigurationError(f"there is no {file}: make up starts the local stack") from None
    sites = {site["name"]: StackName(name=site["stack"], region=site["region"]) for site in description["sites"]}
    if name not in sites:
        raise ConfigurationError(f"the local stack has no site {name!r}, but {', '.join(sites)}")
    reach_this_machine_directly()
    others = tuple(stack for site, stack in sites.items() if site != name)
    return Chosen(
        access=AwsAccess(session=local_session(sites[name].region), endpoint_url=description["aws_endpoint_url"]),
        stack=sites[name],
        others=others,
    )
