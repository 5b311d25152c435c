"""The site that the admin API shows and steers: its tables, its queues, its role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from geosync.admin.http import HttpRefusal
from geosync.admin.settings import AdminSettings
from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.messages.event_log import EventLog
from geosync.messages.queues import Queue
from geosync.operating.audit import Audit
from geosync.operating.dead_letters import DeadLetters
from geosync.sync_registry.sync_registry import SyncRegistry

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminSite:
    """The site's settings, tables, queues and log, for the routes; made once per execution environment."""

    settings: AdminSettings
    sync_registry: SyncRegistry
    sqs: SQSClient
    letters: DeadLetters
    events: EventLog
    audit: Audit
    logger: Logger
    clock: Clock = SYSTEM_CLOCK

    @property
    def name(self) -> str:
        """The site's name."""
        return self.settings.site_name

    @property
    def is_primary(self) -> bool:
        """True for the site that publishes geo events."""
        return self.settings.site_role == "primary"

    def must_be_secondary(self, what: str) -> None:
        """Raise HttpRefusal (409) at a primary, which syncs nothing."""
        if self.is_primary:
            raise HttpRefusal(409, f"{self.name} is the primary, which syncs nothing: {what} is for a secondary")

    def must_be_primary(self, what: str) -> None:
        """Raise HttpRefusal (409) at a secondary."""
        if not self.is_primary:
            raise HttpRefusal(409, f"{self.name} is a secondary: {what} is for the primary")

    def repository(self, number: int) -> str:
        """The name of a container repository by its id. Raises HttpRefusal (404)."""
        name = self.sync_registry.listing.name_of(number)
        if name is None:
            where = "GET /api/v4/geo/container_repositories lists them"
            raise HttpRefusal(404, f"{self.name} has no container repository with the id {number}: {where}")
        return name

    def events_waiting(self) -> int:
        """About how many geo events wait in this site's queue, in flight or not."""
        return Queue(self.sqs, self.settings.events_queue_url).messages()
