"""Settings of a registry client that most callers leave as they are."""

from __future__ import annotations

from dataclasses import dataclass, field

from geosync.oci.memory import Memory
from geosync.oci.transport import Timeouts
from geosync.threads import SYSTEM_THREADS, Threads

#: Every write of a tag ends by then, or counts as one of unknown outcome: the store protocol's times are built on it.
TAG_WRITE_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """The manner in which a client reaches its registry."""

    ca_bundle: str | None = field(default=None, repr=False)
    """A file of certificates, or their PEM text, to trust beside the system's."""
    connections: int = 16
    """Idle connections that are kept per host; more can be in use at once."""
    allowed_hosts: tuple[str, ...] = ()
    """The hosts to which the registry may lead (addresses.Egress); empty: wherever no address is forbidden."""
    timeouts: Timeouts = Timeouts()  # noqa: RUF009 - frozen
    tag_write_s: float = TAG_WRITE_S
    """A manifest's PUT under a tag takes no longer, a token request included."""
    memory: Memory = field(default_factory=Memory, repr=False)
    """What manifests and refusals may take at one time, at all clients that share it."""
    threads: Threads = SYSTEM_THREADS
    """They make what the client's callers wait for: a turn at the registry, another thread's token."""


DEFAULT_OPTIONS = ClientOptions()
