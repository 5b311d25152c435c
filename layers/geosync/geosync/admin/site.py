"""The site that the admin API shows and steers: its tables, its queues, its role."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from geosync.admin.http import Refusal
from geosync.admin.settings import AdminSettings
from geosync.messages.event_log import EventLog
from geosync.operating.audit import Audit
from geosync.operating.dead_letters import DeadLetters
from geosync.sync_registry.registry import SyncRegistry, wall_clock
from geosync.sync_registry.site.listing import name_of
from geosync.sync_registry.table.changes import Store

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the routes work with; made once per execution environment."""

    settings: AdminSettings
    store: Store
    registry: SyncRegistry
    sqs: SQSClient
    letters: DeadLetters
    events: EventLog
    audit: Audit
    clock: Callable[[], int] = wall_clock

    @property
    def name(self) -> str:
        """The site's name."""
        return self.settings.site_name

    @property
    def is_primary(self) -> bool:
        """Whether this site publishes geo events."""
        return self.settings.site_role == "primary"

    def must_be_secondary(self, what: str) -> None:
        """Raise Refusal (409) at a primary, which syncs nothing."""
        if self.is_primary:
            raise Refusal(409, f"{self.name} is the primary, which syncs nothing: {what} is for a secondary")

    def must_be_primary(self, what: str) -> None:
        """Raise Refusal (409) at a secondary."""
        if not self.is_primary:
            raise Refusal(409, f"{self.name} is a secondary: {what} is for the primary")

    def repository(self, number: int) -> str:
        """The name of a container repository by its id. Raises Refusal (404)."""
        name = name_of(self.store, number)
        if name is None:
            where = "GET /api/v4/geo/container_repositories lists them"
            raise Refusal(404, f"{self.name} has no container repository with the id {number}: {where}")
        return name

    def events_waiting(self) -> int:
        """About how many geo events wait in this site's queue, in flight or not."""
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        asked = self.sqs.get_queue_attributes(QueueUrl=self.settings.events_queue_url, AttributeNames=names)
        return sum(int(asked["Attributes"][name]) for name in names)
