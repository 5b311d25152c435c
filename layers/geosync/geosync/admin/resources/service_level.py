"""The service level and the history of a site as the API answers them."""

from __future__ import annotations

from pydantic import BaseModel, Field

from geosync.admin.common import REPORTED, AnswerModel, Count


class ReportedServiceLevel(BaseModel):
    """A month of a site, as far as it was recorded. A push misses the target when it is late, overdue, or was lost."""

    model_config = REPORTED

    month: str = Field(description="In UTC, as 2026-11.")
    target_lag_seconds: float
    target_share_percent: float
    pushes_count: Count
    missed_count: Count = Field(description="Of these, those that missed the target; it includes the two counts below.")
    overdue_count: Count = Field(description="Not here, and older than the target.")
    lost_count: Count = Field(
        description="Found by a comparison before an event announced them, even if one did so long after."
    )
    share_percent: float | None = Field(description="Those within the target; null: nothing was pushed.")
    is_at_most: bool = Field(description="More is owed than was read: the share may be lower.")
    lag_median_seconds: float | None = Field(
        description="Half of all pushes took at most this; null: nothing was pushed, or half of it has not arrived."
    )
    lag_p99_seconds: float | None = Field(description="The same for 99 of 100 pushes.")
    budget_left_percent: float | None = Field(
        description="What is left of the pushes that may miss the target; below 0: more did. Null: nothing was pushed."
    )
    minutes_recorded: Count
    minutes: Count = Field(description="Minutes of the month so far.")
    has_gaps: bool = Field(description="A part of the month was not recorded: nothing is known of it.")


class LagCount(BaseModel):
    """Pushes that took at most so long."""

    model_config = REPORTED

    at_most_seconds: float
    count: Count


class Measured(BaseModel):
    """Counts since the site began its history; they never fall. Lags are those of the pushes that were seen here."""

    model_config = REPORTED

    lag_counts: list[LagCount] = Field(description="A histogram; each count includes those before it.")
    lag_count: Count
    lag_sum_seconds: float
    missed_count: Count = Field(description="Seen later than the target, or lost.")
    synced_count: Count = Field(description="References that were seen equal.")
    bytes: Count
    requests: Count = Field(description="To the two registries.")


class HistoryRow(AnswerModel):
    """A step of a site's history. Counts are sums, gauges the highest value; a null gauge was not known."""

    at: str = Field(description="When the step begins.")
    minutes: int = Field(description="Minutes of the step that were recorded.")
    pushes_count: int = Field(description="Pushes that were seen here.")
    late_count: int = Field(description="Of these, those later than the target was then.")
    lost_count: int
    lag_median_seconds: float | None
    lag_p99_seconds: float | None
    synced_count: int
    bytes: int
    requests: int
    recovery_point_age_seconds: int | None = Field(description="The highest that was known.")
    recovery_point_unknown_minutes: int
    owed_references_count: int | None
    failed_references_count: int | None
    parked_references_count: int | None
    overdue_count: int | None
    is_at_least: bool = Field(
        description="In some minute more was owed than was read: more may have been owed than this says."
    )
    container_repositories_failed_count: int | None
    container_repositories_verification_failed_count: int | None


class History(AnswerModel):
    """The steps in which anything was recorded, in order."""

    since: str
    until: str
    step_seconds: int
    rows: list[HistoryRow]
