"""Container repositories: rows, what is owed, tags; resync and reverify."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from geosync.admin.models.common import Answer, Page, References, Request

State = Literal["pending", "started", "synced", "failed"]
VerificationState = Literal["pending", "started", "succeeded", "failed", "disabled"]
STATES: tuple[State, ...] = ("pending", "started", "synced", "failed")
VERIFICATION_STATES: tuple[VerificationState, ...] = ("pending", "started", "succeeded", "failed", "disabled")


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

    `pending`: it is owed, `failed`: it is owed and has failed, `synced`: it was seen here as the primary has it, or
    had it before it went `missing_since`.
    """

    name: str
    state: Literal["pending", "synced", "failed"]
    primary_digest: str | None
    secondary_digest: str | None
    looked_at: str | None = Field(description="When the primary was last asked for it.")
    seen_at: str | None = Field(description="When it was last seen here.")
    missing_since: str | None = Field(description="When a comparison first found that the primary has it no more.")
    owed_since: str | None
    lag_seconds: int
    attempts: int
    retry_at: str | None
    failure: str | None
    parked: bool


class ResyncOne(Request):
    """What to make equal to the primary's; nothing named: the whole repository. `keep`: remove no tag meanwhile."""

    references: References = Field(default=[])
    keep: bool = False


class Many(Request):
    """`failed`: what has failed (to resync: each reference, parked too; to reverify: each repository). `all`: all."""

    scope: Literal["all", "failed"]
