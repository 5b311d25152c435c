"""The costs of a month of a site at AWS, from counted calls, list prices and stated assumptions.

The counts are those of docs/costs.md (an idle month, a push) and of the simulated run (a comparison, a verification,
what is kept); tests compare them. What a registry, its storage and its requests cost is not in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from geosync.operating import prices

DAYS = 30
MINUTES = DAYS * 24 * 60
GB = 1_000_000_000

# Counted (tests/unit/test_costs.py, tests/simulation/test_scale.py).
IDLE_USD = {"primary": 9.99, "secondary": 13.14}
"""An idle month, as docs/costs.md adds it up, on arm64."""
IDLE_GB_S = {"primary": 8_640, "secondary": 23_760}
"""Lambda's part of it."""
EVENT_LOG_UNITS = 2
"""Units written for an event, with the index."""
PUSH_READS, PUSH_UNITS = 22, 64
"""Of a push at a secondary, with its mark, at most: each item in the table and in three indexes."""
PUSH_SQS = 7.2
"""Requests for the event, the wake and the measurements of a push."""
COMPARISON_READS, COMPARISON_UNITS = 27.8, 35.0
"""Of the comparison of a repository: units of the table with its local index, and of the global one."""
VERIFICATION_READS, VERIFICATION_UNITS = 37.8, 23.0
REPOSITORY_BYTES, TAG_BYTES, EVENT_BYTES = 983, 1_091, 514
"""Bytes of a table: of a repository, of each of its tags with an image of three blobs, of an event in the log."""

# Assumed, as docs/costs.md says.
NOTIFICATION_GB_S, MARK_GB_S, COPY_S, LOG_BYTES = 0.05, 0.1, 2.0, 5_000
COMPARISON_S, COMPARISON_TAG_S = 0.5, 0.02
VERIFICATION_S, VERIFICATION_TAG_S = 0.5, 0.08
RECOUNTED_AN_HOUR, RECOUNTED_A_SECOND = 1, 2
"""A recount reads each row once an hour, and at most two rows a second."""
GB_S = 48.0
"""Seconds of functions/sync for a GB that is copied, at 20 MiB/s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The parameters of a stack that its costs follow from, by default those of the template.

    `sync_gb` is the memory of functions/sync. `comparison_s` and `verification_s` lie between two of them; 0: none.
    """

    architecture: str = "arm64"
    sync_gb: float = 1.73
    comparison_s: int = 86_400
    verification_s: int = 604_800

    @property
    def gb_s_usd(self) -> float:
        """The price of a second of a function with a GB of memory."""
        return prices.LAMBDA_GB_S if self.architecture == "arm64" else prices.LAMBDA_X86_64_GB_S

    @property
    def sync_s_usd(self) -> float:
        """The price of a second of functions/sync."""
        return self.sync_gb * self.gb_s_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteMonth:
    """The size of a site, and its work in 30 days; None: not known.

    `tags` are those of all repositories. `table_bytes` is what its tables keep with all their indexes, and
    `recovery_bytes` what point-in-time recovery is charged for: the tables with their local indexes.
    """

    role: str
    settings: Settings = Settings()
    pushes: int | None = None
    copied_bytes: int | None = None
    repositories: int | None = None
    tags: int | None = None
    table_bytes: int | None = None
    recovery_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """A part of the costs; `usd` None: not known, as what it follows from is not."""

    what: str
    usd: float | None


def lines(month: SiteMonth) -> list[Cost]:
    """The parts of a month's costs, those of the site's role."""
    parts = _of_a_primary(month) if month.role == "primary" else _of_a_secondary(month)
    more_usd = IDLE_GB_S[month.role] * (month.settings.gb_s_usd - prices.LAMBDA_GB_S)
    return [Cost("idle", IDLE_USD[month.role] + more_usd), *parts, *_kept(month)]


def total_usd(parts: list[Cost]) -> float | None:
    """The sum; None where a part of it is not known."""
    known = [part.usd for part in parts if part.usd is not None]
    return sum(known) if len(known) == len(parts) else None


def of_scenario(role: str, *, repositories: int, tags: int, pushes: int, copied_bytes: int) -> SiteMonth:
    """The month of a site of so many repositories, each with so many tags, pushes and bytes that were copied."""
    all_tags = repositories * tags
    is_primary = role == "primary"
    kept = EVENT_BYTES * repositories * pushes if is_primary else repositories * REPOSITORY_BYTES + all_tags * TAG_BYTES
    return SiteMonth(
        role=role,
        pushes=repositories * pushes,
        copied_bytes=None if is_primary else repositories * copied_bytes,
        repositories=None if is_primary else repositories,
        tags=None if is_primary else all_tags,
        table_bytes=kept,
        recovery_bytes=kept,
    )


def _of_a_primary(month: SiteMonth) -> Iterator[Cost]:
    each = (
        prices.API_REQUEST
        + prices.LAMBDA_REQUEST
        + NOTIFICATION_GB_S * month.settings.gb_s_usd
        + prices.SNS_MESSAGE
        + EVENT_LOG_UNITS * prices.DYNAMODB_WRITE
        + LOG_BYTES / GB * prices.LOGS_GB
    )
    yield Cost("notifications", _times(month.pushes, each))


def _of_a_secondary(month: SiteMonth) -> Iterator[Cost]:
    settings = month.settings
    push = (
        2 * prices.LAMBDA_REQUEST
        + MARK_GB_S * settings.gb_s_usd
        + COPY_S * settings.sync_s_usd
        + PUSH_SQS * prices.SQS_REQUEST
        + PUSH_READS * prices.DYNAMODB_READ
        + PUSH_UNITS * prices.DYNAMODB_WRITE
        + LOG_BYTES / GB * prices.LOGS_GB
    )
    yield Cost("pushes", _times(month.pushes, push))
    copied_gb = month.copied_bytes / GB if month.copied_bytes is not None else None
    yield Cost("bytes: time of functions/sync", _times(copied_gb, GB_S * settings.sync_s_usd))
    yield Cost("bytes: from region to region", _times(copied_gb, prices.REGION_TO_REGION_GB))
    comparison = COMPARISON_READS * prices.DYNAMODB_READ + COMPARISON_UNITS * prices.DYNAMODB_WRITE
    compared = _a_month(settings.comparison_s)
    yield Cost("comparisons", _looks(month, compared, COMPARISON_S, COMPARISON_TAG_S, comparison))
    verification = VERIFICATION_READS * prices.DYNAMODB_READ + VERIFICATION_UNITS * prices.DYNAMODB_WRITE
    verified = _a_month(settings.verification_s)
    yield Cost("verifications", _looks(month, verified, VERIFICATION_S, VERIFICATION_TAG_S, verification))
    yield Cost("recount of the rows", _recount(month.repositories))


def _a_month(every_s: int) -> float:
    """Times in a month of what is done every so many seconds (0: never), at most once a minute."""
    return MINUTES / max(every_s / 60, 1) if every_s else 0.0


def _looks(month: SiteMonth, times: float, repository_s: float, tag_s: float, table_usd: float) -> float | None:
    """All repositories and tags are looked at so many times: seconds of functions/sync, and the table's calls."""
    if not times:
        return 0.0
    if month.repositories is None or month.tags is None:
        return None
    seconds = month.repositories * repository_s + month.tags * tag_s
    return times * (seconds * month.settings.sync_s_usd + month.repositories * table_usd)


def _recount(repositories: int | None) -> float | None:
    if repositories is None:
        return None
    a_month = min(repositories * RECOUNTED_AN_HOUR / 3_600, RECOUNTED_A_SECOND) * MINUTES * 60
    return a_month * prices.DYNAMODB_READ


def _kept(month: SiteMonth) -> Iterator[Cost]:
    yield Cost("storage of the tables", _times(month.table_bytes, prices.DYNAMODB_GB_MONTH / GB))
    yield Cost("their point-in-time recovery", _times(month.recovery_bytes, prices.DYNAMODB_PITR_GB_MONTH / GB))


def _times(number: float | None, usd: float) -> float | None:
    return number * usd if number is not None else None
