"""What the admin API takes and answers: GitLab's field names where GitLab has them, the same style where it has none.

Moments are RFC 3339 text in UTC (`…_at`); fields named `…_timestamp`, GitLab's own, are whole seconds since the epoch;
`…_seconds` are durations. A field that is null is not known, which is not the same as 0.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

State = Literal["pending", "started", "synced", "failed"]
VerificationState = Literal["pending", "started", "succeeded", "failed", "disabled"]
STATES: tuple[State, ...] = ("pending", "started", "synced", "failed")
VERIFICATION_STATES: tuple[VerificationState, ...] = ("pending", "started", "succeeded", "failed", "disabled")
Right = Literal["read", "act"]
Node = TypeVar("Node")

MOST_REFERENCES = 500
MOST_IDS = 1000
ReferenceName = Annotated[str, StringConstraints(min_length=1, max_length=255)]
MessageId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"\S")]


class Answer(BaseModel):
    """What is answered has exactly the fields of its description."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Request(BaseModel):
    """What is asked; a field that is not known is a mistake of the sender's, and is named."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Problem(Answer):
    """Every answer that is not a success: what is wrong, and the way out."""

    message: str


class PageInfo(Answer):
    """Whether there may be more: ask again with `cursor=end_cursor`. A page may be short, or empty, before the end."""

    has_next_page: bool
    end_cursor: str | None


class Page(Answer, Generic[Node]):
    """One page of a list."""

    nodes: list[Node]
    page_info: PageInfo


# ──────────────────────────────────────────────────── sites ─────────────────────────────────────────────────────


class GeoSite(Answer):
    """A site. `current` is the one that answers; `enabled` is false while it is paused (null: not known here)."""

    id: int
    name: str
    url: str | None
    primary: bool
    current: bool
    enabled: bool | None
    added_at: str | None = Field(description="When this site was told of it; null of itself.")


class GeoSiteStatus(BaseModel):
    """A site's status: as it sees itself, or (`reported_at`) as it reported itself last.

    Counts are null where they are not known: at a site that never reported, or of a backlog too long to be counted.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)  # a site of a newer version may say more

    geo_node_id: int
    name: str
    primary: bool
    healthy: bool
    health: str = Field(description="What is wrong, or Healthy.")
    health_status: Literal["Healthy", "Unhealthy"]
    container_repositories_replication_enabled: bool
    container_repositories_count: int | None = None
    container_repositories_registry_count: int | None = None
    container_repositories_synced_count: int | None = None
    container_repositories_failed_count: int | None = None
    container_repositories_synced_in_percentage: str | None = None
    container_repositories_verification_total_count: int | None = None
    container_repositories_verified_count: int | None = None
    container_repositories_verification_failed_count: int | None = None
    container_repositories_verified_in_percentage: str | None = None
    container_repositories_checksummed_count: int | None = None
    container_repositories_checksum_failed_count: int | None = None
    last_event_id: str | None = None
    last_event_timestamp: int | None = None
    cursor_last_event_id: str | None = None
    cursor_last_event_timestamp: int | None = None
    last_successful_status_check_timestamp: int | None = None
    recovery_point_at: str | None = Field(
        default=None, description="Everything pushed before this moment is at this site and was seen there."
    )
    recovery_point_but_parked_at: str | None = Field(default=None, description="The same but for what is parked.")
    recovery_point_stands_because: str | None = Field(
        default=None, description="What keeps heartbeats from moving the recovery point; null: nothing does."
    )
    proved_at: str | None = Field(
        default=None, description="When the last comparison of everything began: it covers lost notifications, too."
    )
    notifications_lost_count: int | None = None
    would_be_lost: list[str] = Field(
        default=[], description="What would be lost if the primary died now, the oldest first: repository:reference."
    )
    would_be_lost_count: int | None = None
    owed_references_count: int | None = Field(default=None, description="Tags and digests that are owed.")
    failed_references_count: int | None = None
    parked_references_count: int | None = None
    more_owed: bool = Field(default=False, description="There is more owed than the counts say.")
    lag_seconds: int | None = Field(default=None, description="For how long the oldest reference is owed.")
    dead_letters_count: int | None = None
    events_waiting_count: int | None = None
    paused_since: str | None = None
    pause_reason: str | None = None
    registries_on_hold: list[str] = []
    last_heartbeat_at: str | None = None
    reported_at: str | None = Field(default=None, description="When its report arrived; null of the site that answers.")
    updated_at: str


class SiteToAdd(Request):
    """A site to expect. `report_key` is the SHA-256 (hex) of its report token, as `geosync sites add` computes it."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$")]
    url: Annotated[
        str,
        StringConstraints(max_length=255, pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?$"),
    ]
    report_key: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class StatusReport(Request):
    """What a site says of itself, every minute. `sent_at` is in milliseconds since the epoch."""

    site: Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$")]
    sent_at: Annotated[int, Field(ge=0, le=253_402_300_799_000)]
    status: dict[str, Any]


# ───────────────────────────────────────────── container repositories ───────────────────────────────────────────


class ContainerRepository(Answer):
    """A row of the sync registry. `name` is the repository's at the primary."""

    id: int | None
    container_repository_id: int | None
    model_record_id: int | None
    name: str
    state: State
    retry_count: int
    retry_at: str | None
    last_sync_failure: str | None
    last_synced_at: str | None
    created_at: str | None
    missing_on_primary: bool
    verification_state: VerificationState
    verification_started_at: str | None
    verified_at: str | None
    verification_retry_at: str | None
    verification_retry_count: int
    verification_failure: str | None
    verification_checksum: str | None
    verification_checksum_mismatched: str | None
    checksum_mismatch: bool


class ContainerRepositoryPage(Page[ContainerRepository]):
    """Rows by name. With a filter by state, a page reads `examined` rows and may be short although there are more."""

    examined: int
    unreadable: list[str] = Field(description="Rows that cannot be read, with what is wrong with them.")


class OwedReference(Answer):
    """A tag, a digest or (`*`) the whole repository that is owed. `retry_at` is null while it is parked."""

    reference: str
    owed_since: str
    lag_seconds: int
    attempts: int
    retry_at: str | None
    failure: str | None
    parked: bool


class ContainerRepositoryDetail(ContainerRepository):
    """A row, and what is owed in its repository: the oldest first, at most 20."""

    held: bool = Field(description="Whether somebody works on it now.")
    owed_count: int
    failed_count: int
    more_owed: bool = Field(description="There is more owed than the counts say.")
    lag_seconds: int = Field(description="For how long the oldest reference is owed; 0: nothing is.")
    owed: list[OwedReference]


class Tag(Answer):
    """A tag on both sides as far as this site knows without asking either registry; a digest that is null is not known.

    `pending`: it is owed, `failed`: it is owed and has failed, `synced`: it was seen here as the primary has it.
    """

    name: str
    state: Literal["pending", "synced", "failed"]
    primary_digest: str | None
    secondary_digest: str | None
    looked_at: str | None = Field(description="When the primary was last asked for it.")
    seen_at: str | None = Field(description="When it was last seen here.")
    owed_since: str | None
    lag_seconds: int
    attempts: int
    retry_at: str | None
    failure: str | None
    parked: bool


class ResyncOne(Request):
    """What to make equal to the primary's; nothing named: the whole repository. `keep`: remove no tag meanwhile."""

    references: Annotated[list[ReferenceName], Field(max_length=MOST_REFERENCES)] = []
    keep: bool = False


class Many(Request):
    """`failed`: what has failed (to resync: each reference, parked too; to reverify: each repository). `all`: all."""

    scope: Literal["all", "failed"]


class Enqueued(Answer):
    """An action that was taken on. `count` is null where it is not known yet; `more`: call again for the rest."""

    message: str
    count: int | None = None
    more: bool = False


class Finding(Answer):
    """What the last comparison of a repository found besides: tags missing at the primary, and extra ones here."""

    name: str
    found_at: str | None = Field(description="null: nothing is missing or extra.")
    tags_count: int = Field(description="Tags that Geosync put here, or saw equal.")
    missing_count: int
    missing: list[str] = Field(description="At most 50 of them.")
    extra_count: int
    extra: list[str] = Field(description="At most 50 of them.")
    gone: bool = Field(description="The primary does not know the repository at all.")


class TagsOf(Request):
    """Tags of a repository; none named: all."""

    tags: Annotated[list[ReferenceName], Field(max_length=MOST_REFERENCES)] = []


class Deletes(Answer):
    """The breaker: suspended when so much is missing at the primary that the primary is the one to be doubted."""

    suspended: bool
    suspended_at: str | None
    reason: str | None


# ───────────────────────────────────────────────── DLQ, events ──────────────────────────────────────────────────


class DeadLetter(Answer):
    """A message of the dead-letter queue: what it is about, and why it is there."""

    id: str
    kind: str
    about: str
    reason: str
    sent_at: str
    goes_to: Literal["events", "work"] = Field(description="The queue that a replay sends it to.")


class DeadLetterDetail(DeadLetter):
    """A message with its body, as it is."""

    body: str


class DeadLetterList(Answer):
    """The messages that could be taken now. `count` is the queue's own estimate, with those in somebody's hands."""

    nodes: list[DeadLetter]
    count: int


class LettersToReplay(Request):
    """Which messages: by id, or all."""

    ids: Annotated[list[MessageId], Field(max_length=MOST_IDS)] = []
    all: bool = False


class LettersToDiscard(Request):
    """Which messages are given up, and why; the audit log keeps them."""

    ids: Annotated[list[MessageId], Field(min_length=1, max_length=MOST_IDS)]
    reason: Reason


class LettersDone(Answer):
    """What became of the messages. `missing`: not in the queue, or in somebody's hands at this moment."""

    message: str
    done: list[str]
    missing: list[str]


class GeoEvent(Answer):
    """A notification's event as the primary took it, or (`unusable`) why it could not be used."""

    id: str
    outcome: str
    event_name: str | None
    replicable_name: str | None
    repository: str | None
    tag: str | None
    digest: str | None
    media_type: str | None
    source: str | None
    correlation_id: str | None
    reason: str | None
    occurred_at: str | None
    created_at: str


class AuditEvent(Answer):
    """What an operator did, or was refused. `count`: how often, where refusals of a minute are told together."""

    id: str
    action: str
    who: str
    outcome: str
    status: int | None
    detail: str | None
    source: str | None
    count: int
    created_at: str


# ────────────────────────────────────────────── the site's own state ────────────────────────────────────────────


class Backfill(Answer):
    """How far the latest walk through the primary's catalogue got: at first the backfill, then the comparison.

    `repositories` is what the catalogue named so far, all of it once `listed`; `tags` were listed in those compared,
    `found` of them were different, `settled` of those were copied and seen here.
    """

    state: Literal["not_begun", "running", "finished", "failed"]
    started_at: str | None
    finished_at: str | None = Field(description="When all that was found different was copied and seen.")
    listed: bool
    repositories: int
    compared: int
    tags: int
    found: int
    settled: int
    repositories_per_second: float
    seconds_left: float | None
    last: str | None = Field(description="The repository that the walk through the catalogue named last.")
    failure: str | None = Field(description="Why the catalogue cannot be read.")


class PauseRequest(Request):
    """Why the site is paused; shown with its status."""

    reason: Annotated[str, StringConstraints(max_length=255)] = ""


class Done(Answer):
    """An action that was carried out."""

    message: str


class SignIn(Request):
    """A read or an act token."""

    token: Annotated[str, StringConstraints(min_length=1, max_length=512)]


class Session(Answer):
    """Who asks, and what for. `csrf_token` goes into the header X-CSRF-Token of every action made with the cookie."""

    site: str
    right: Right
    expires_at: str | None
    csrf_token: str | None
