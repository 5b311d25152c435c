"""The times of the protocol: settings, with the two relations between them that keep it safe."""

from __future__ import annotations

from dataclasses import dataclass

from geosync.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Durations in seconds.

    A holder writes no tag when its last renewal is older than `stale_renewal`, and a tag write is given up after
    `tag_write_timeout`: together they are at most a lease, so that no tag write begins or is waited for after the
    lease expired. What a given-up write still does, it does within `suspect`. A registry writes a tag within `settle`
    after it sent the event.
    """

    lease: float = 60.0
    renewal: float = 5.0
    stale_renewal: float = 40.0
    tag_write_timeout: float = 20.0
    settle: float = 30.0
    suspect: float = 60.0
    deletion_delay: float = 0.0
    polls: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0)
    max_attempts: int = 50
    """Failures in a row after which a reference is parked: about two days with the longest delay of an hour."""
    max_deaths: int = 8
    """Holders that vanished over one reference, since it was last marked, after which it is parked: a bad hour of the
    platform may take a few, eight are its own doing. Each costs a lease (60 s) at least."""

    def __post_init__(self) -> None:
        if self.stale_renewal + self.tag_write_timeout > self.lease:
            raise ConfigurationError("stale_renewal and tag_write_timeout together must not be longer than a lease")
        if self.renewal >= self.stale_renewal:
            raise ConfigurationError("renewal must be shorter than stale_renewal")

    @classmethod
    def scaled_to(cls, lease: float, *, settle: float, suspect: float, deletion_delay: float = 0.0) -> Timing:
        """The same proportions for another lease: what tests with leases of 2 s use."""
        return cls(
            lease=lease,
            renewal=lease / 12,
            stale_renewal=lease * 2 / 3,
            tag_write_timeout=lease / 3,
            settle=settle,
            suspect=suspect,
            deletion_delay=deletion_delay,
        )


def ms(seconds: float) -> int:
    """Seconds as the integer milliseconds of stored times."""
    return round(seconds * 1000)
