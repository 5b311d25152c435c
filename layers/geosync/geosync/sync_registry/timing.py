"""The times of the protocol: settings, with the two relations between them that keep it safe."""

from __future__ import annotations

from dataclasses import dataclass

from geosync.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Durations in seconds.

    A holder writes no tag when its last renewal is older than `stale_renewal_s`, and gives a tag write up after
    `tag_write_timeout_s`. Together they are at most a lease, so that no tag write begins or is waited for after the
    lease expired. A write that was given up may still land within `suspect_s`. A registry writes a tag within
    `settle_s` after it sent the event.
    """

    lease_s: float = 60.0
    renewal_s: float = 5.0
    stale_renewal_s: float = 40.0
    tag_write_timeout_s: float = 20.0
    settle_s: float = 30.0
    suspect_s: float = 60.0
    deletion_delay_s: float = 0.0
    polls_s: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0)
    max_attempts: int = 50
    """Failures in a row after which a reference is parked: about two days with the longest delay of an hour."""
    max_deaths: int = 8
    """Holders that vanished over one reference, since it was last marked, after which it is parked: a bad hour of the
    platform may take a few, eight are its own doing. Each costs a lease (60 s) at least."""
    max_doubts: int = 5
    """Attempts at one reference that found wrong content, since it was last marked, after which it is parked. They take
    7 to 14 minutes, and each may read a manifest, or all of a layer, once more."""

    def __post_init__(self) -> None:
        if self.stale_renewal_s + self.tag_write_timeout_s > self.lease_s:
            raise ConfigurationError("stale_renewal and tag_write_timeout together must not be longer than a lease")
        if self.renewal_s >= self.stale_renewal_s:
            raise ConfigurationError("renewal must be shorter than stale_renewal")

    @classmethod
    def scaled_to(cls, lease_s: float, *, settle_s: float, suspect_s: float, deletion_delay_s: float = 0.0) -> Timing:
        """The same proportions for another lease: what tests with leases of 2 s use."""
        return cls(
            lease_s=lease_s,
            renewal_s=lease_s / 12,
            stale_renewal_s=lease_s * 2 / 3,
            tag_write_timeout_s=lease_s / 3,
            settle_s=settle_s,
            suspect_s=suspect_s,
            deletion_delay_s=deletion_delay_s,
        )


def ms(seconds: float) -> int:
    """Seconds as the integer milliseconds of stored times."""
    return round(seconds * 1000)
