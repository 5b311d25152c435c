"""The values that the parts of a drill find. Moments are milliseconds since the epoch, durations are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["passed", "incomplete", "failed"]
"""`incomplete`: nothing failed, and something is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryFound:
    """The canary's way. `digest` is None where it was not pushed, `arrived_s` where it was not seen in time.

    `why` says why it was not pushed, or why it had not arrived after `waited_s`.
    """

    repository: str
    tag: str
    digest: str | None = None
    pushed_at: int | None = None
    arrived_s: float | None = None
    waited_s: float = 0.0
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """The list that `geosync promote` would have shown at the moment `at`, without a question to the primary.

    `lost` names the first of `lost_references`; `more_lost`: there are more than were read. `parked` of them do not
    come by themselves.
    """

    at: int
    recovery_point: int | None
    unknown_because: str | None
    lost: tuple[Mapping[str, object], ...]
    lost_references: int
    more_lost: bool
    parked: int
    events_waiting: int
    dead_letters: int

    @property
    def recovery_point_age_s(self) -> float | None:
        """The seconds of pushes that may be missing without being known; None: that is not known."""
        return max(self.at - self.recovery_point, 0) / 1000 if self.recovery_point is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A tag that is not here as the primary has it; `here` is None where it is not here at all."""

    repository: str
    tag: str
    at_primary: str
    here: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthFound:
    """The tags of the living primary, compared with those here.

    The tags that differ are counted in four: `named_tags` are on promote's list; `in_flight` were pushed or arrived
    while the drill looked; `unnamed_tags` are on no list; `unjudged_tags` were not looked at again, so that nobody
    knows. `named` and `unnamed` are the first of theirs. `left` says what was not compared.
    """

    repositories: int
    tags: int
    equal: int
    named_tags: int = 0
    named: tuple[Difference, ...] = ()
    in_flight: int = 0
    unnamed_tags: int = 0
    unnamed: tuple[Difference, ...] = ()
    unjudged_tags: int = 0
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFound:
    """References that were pulled in full from this site's registry, each byte hashed.

    `bad` says what was wrong of the first of `bad_references`. `left` says what was not pulled.
    """

    chosen: int
    pulled: int
    blobs: int
    read_bytes: int
    bad_references: int = 0
    bad: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateFound:
    """CloudFormation's answer to the update of a promotion, which was not made.

    `is_accepted` is None where nobody can tell; `why` says why, or why it is refused. `changes` names the resources.
    """

    is_accepted: bool | None
    changes: tuple[str, ...] = ()
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryTime:
    """The steps of a promotion, each as long as it took or last took; None: that is not known.

    `copies` names the work under way for which a promotion would wait, at most `wait_at_most_s`.
    """

    list_s: float
    wait_s: float
    wait_at_most_s: float
    update_s: float | None
    copies: str = ""

    @property
    def estimated_s(self) -> float | None:
        """The seconds from the command to a primary; None where the update's are not known."""
        return self.list_s + self.wait_s + self.update_s if self.update_s is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillFound:
    """Everything that one drill found."""

    canary: CanaryFound
    listed: Listed
    truth: TruthFound
    sample: SampleFound
    update: UpdateFound
    recovery_time: RecoveryTime
