"""The names and the tag of what one run makes, and where it makes it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from geosync.cli.site import AwsAccess, StackName, StackSite
from geosync.clock import Clock

Side = Literal["a", "b"]
PRIMARY: Side = "a"
SECONDARY: Side = "b"
SIDES: tuple[Side, Side] = (PRIMARY, SECONDARY)
"""The site that is the primary at first, and the one that becomes it."""
TAG = "geosync:smoke"
_ID = re.compile(r"[0-9a-f]{10}")


@dataclass(frozen=True, slots=True)
class SmokeNames:
    """The names of one run, all of which hold its id: ten hexadecimal digits."""

    id: str

    @classmethod
    def new(cls) -> SmokeNames:
        """Names that nobody has."""
        return cls(uuid.uuid4().hex[:10])

    @classmethod
    def is_id(cls, text: str) -> bool:
        """Tell whether a text is the id of a run."""
        return _ID.fullmatch(text) is not None

    @property
    def prefix(self) -> str:
        """The beginning of each name."""
        return f"geosync-smoke-{self.id}"

    @property
    def tags(self) -> list[dict[str, str]]:
        """The tag, as most services take tags."""
        return [{"Key": TAG, "Value": self.id}]

    def site(self, side: Side) -> str:
        """The name of a site."""
        return f"smoke-{self.id}-{side}"

    def stack(self, side: Side) -> str:
        """The name of a site's stack."""
        return f"{self.prefix}-{side}"

    def bucket(self, account: str, region: str) -> str:
        """The name of the bucket for the code of a region's stacks: bucket names are unique in the world."""
        return f"{self.prefix}-{account}-{region}"

    @property
    def secret(self) -> str:
        """The name of the secret of the secondary's registry."""
        return f"{self.prefix}-registry"

    @property
    def repository(self) -> str:
        """The container repository at the primary."""
        return f"{self.prefix}/app"

    @property
    def copies(self) -> str:
        """The RepositoryPrefix of a secondary whose registry is the primary's, too."""
        return f"{self.prefix}-copies"

    def holds(self, name: str) -> bool:
        """Tell whether a name is one of this run's."""
        return name.startswith((f"{self.prefix}-", f"{self.prefix}/"))

    def marks(self, tags: Iterable[Mapping[str, Any]]) -> bool:
        """Tell whether tags, as most services give them, have the one of this run."""
        return any(one["Key"] == TAG and one["Value"] == self.id for one in tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokePlace:
    """Where a run works: the way to AWS, the account, and a region for each site (the same one, if it is to be one)."""

    access: AwsAccess
    names: SmokeNames
    account: str
    partition: str
    regions: Mapping[Side, str]

    @classmethod
    def find(cls, access: AwsAccess, names: SmokeNames, regions: Mapping[Side, str]) -> SmokePlace:
        """Ask AWS whose account it is. Raises botocore's errors."""
        caller = access.client("sts", regions[PRIMARY]).get_caller_identity()
        partition = str(caller["Arn"]).split(":")[1]
        return cls(access=access, names=names, account=caller["Account"], partition=partition, regions=regions)

    @property
    def clock(self) -> Clock:
        """The clock of the machine that the command runs on."""
        return self.access.clock

    @property
    def distinct_regions(self) -> list[str]:
        """The regions, each once."""
        return list(dict.fromkeys(self.regions[side] for side in SIDES))

    @property
    def topic_arn(self) -> str:
        """The ARN that the primary's topic will have."""
        names = self.names
        return f"arn:{self.partition}:sns:{self.regions[PRIMARY]}:{self.account}:geosync-{names.site(PRIMARY)}"

    def client(self, service: str, region: str) -> Any:
        """The client of a service."""
        return self.access.client(service, region)

    def site(self, side: Side) -> StackSite:
        """Read the stack of a site as it is now. Raises ConfigurationError where there is none."""
        return StackSite.find(self.access, StackName(name=self.names.stack(side), region=self.regions[side]))
