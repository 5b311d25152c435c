"""The facts of a site that its settings give, for whoever reports or judges it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from geosync.operating.drill_schedule import DrillSchedule
from geosync.settings import Role

RECOVERY_POINT_LATE_S = 900
"""The age that RecoveryPointAlarmSeconds has where nobody chose another."""
SelectiveSync = Literal["", "namespaces", "tags"]
"""The restriction of a selection: patterns for repositories, those for tags alone, or none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """The service level that a site is to have: `share_percent` of the pushes are seen here within `lag_s`."""

    lag_s: float = 60.0
    share_percent: float = 99.9


NO_OBJECTIVE_CHOSEN = Objective()
"""The objective that TargetLag and TargetShare have where nobody chose another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFacts:
    """A site's name and role, the age (s) from which on its recovery point is late, and its selection.

    `included` are the patterns of IncludeRepositories.
    """

    name: str
    role: Role
    late_s: int = RECOVERY_POINT_LATE_S
    selective_sync: SelectiveSync = ""
    included: tuple[str, ...] = ()
    objective: Objective = NO_OBJECTIVE_CHOSEN
    drill_schedule: DrillSchedule = "off"

    @property
    def is_primary(self) -> bool:
        """True for the site that publishes geo events."""
        return self.role == "primary"

    @property
    def selective_sync_type(self) -> str | None:
        """The restriction of what this site replicates; None: there is none, or it is the primary."""
        return None if self.is_primary else self.selective_sync or None

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces that are included with their descendants (`group/**`)."""
        if self.selective_sync_type != "namespaces":
            return ()
        whole = (one.removesuffix("/**") for one in self.included if one.endswith("/**"))
        return tuple(name for name in whole if not set(name) & set("*?["))


@dataclass(frozen=True, slots=True, kw_only=True)
class FactSettings:
    """The environment that a site's facts are made of; a base of other settings."""

    site_name: str
    site_role: Role
    recovery_point_alarm_seconds: int = RECOVERY_POINT_LATE_S
    selective_sync: SelectiveSync = ""
    include_repositories: str = ""
    target_lag: float = NO_OBJECTIVE_CHOSEN.lag_s
    target_share: float = NO_OBJECTIVE_CHOSEN.share_percent
    drill_schedule: DrillSchedule = "off"
    """The time in which a drill is to be carried out; off: nobody asks."""

    @property
    def facts(self) -> SiteFacts:
        """The site's facts."""
        return SiteFacts(
            name=self.site_name,
            role=self.site_role,
            late_s=self.recovery_point_alarm_seconds,
            selective_sync=self.selective_sync,
            included=tuple(self.include_repositories.replace(",", " ").split()),
            objective=Objective(lag_s=self.target_lag, share_percent=self.target_share),
            drill_schedule=self.drill_schedule,
        )
