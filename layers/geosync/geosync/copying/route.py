"""The way from the primary's repository to the secondary's, as all that copies along it knows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.copying.s3.copier import S3Copier
from geosync.copying.sharing import Sharing
from geosync.copying.uploads import Uploads
from geosync.messages.work import Help
from geosync.oci.deadline import Deadline
from geosync.oci.repository import Repository
from geosync.oci.transport import Body
from geosync.pair.bandwidth import Bandwidth
from geosync.pair.capabilities import Capabilities
from geosync.pair.connections import Connections
from geosync.pair.pace import Pace
from geosync.pair.pair import Pair
from geosync.pair.settings import PARALLELISM
from geosync.threads import SYSTEM_THREADS, Threads


@dataclass(frozen=True, slots=True, kw_only=True)
class Helpers:
    """Other invocations, which help with an image of which `least_bytes` or more are missing.

    `ask` asks them for the holder whose lease has the token `holder`; False: they were not asked.
    """

    least_bytes: int
    holder: str
    ask: Callable[[Sequence[Help]], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One pair, with what one holder knows of the way between its two repositories.

    `uploads` are the layers that are under way, and are left under way. `pace` is how fast layers go. `mount_from` is
    another repository of the destination that most likely has the blobs: this one's, before it was renamed. `sharing`
    knows which others have which blobs.
    """

    pair: Pair
    capabilities: Capabilities = field(default_factory=Capabilities)
    """The habits of the destination's registry."""
    uploads: Uploads = field(default_factory=Uploads)
    pace: Pace = field(default_factory=Pace)
    connections: Connections = field(default_factory=Connections)
    """Whether a large layer is read over several of them."""
    is_new: bool = False
    """Nothing was ever brought to the destination's repository, as far as is known: all that it needs is missing."""
    mount_from: str | None = None
    sharing: Sharing = field(default_factory=Sharing)
    s3: S3Copier | None = None
    """Has S3 copy layers, where both registries keep theirs in buckets that the site was told."""
    bandwidth: Bandwidth | None = None
    """The bytes per second that may go; None: as many as do."""
    helpers: Helpers | None = None
    """Whom the holder may ask for help."""
    parallelism: int = PARALLELISM
    """Blobs and manifests at a time."""
    clock: Clock = SYSTEM_CLOCK
    threads: Threads = SYSTEM_THREADS

    @property
    def source(self) -> Repository:
        """The repository that is read."""
        return self.pair.primary

    @property
    def destination(self) -> Repository:
        """The repository that is written to."""
        return self.pair.secondary

    def read(self, reader: Body, size: int) -> bytes:
        """Return up to `size` bytes of a reader once they may go. Raises what it raises, and OutOfTime at the deadline.

        Of a small bandwidth they are few at a time, so that no connection is silent for long.
        """
        if self.bandwidth is None:
            return reader.read(size)
        block = reader.read(min(size, self.bandwidth.at_once))
        self.bandwidth.spend(len(block))
        return block

    @property
    def deadline(self) -> Deadline:
        """The end of the invocation, as the destination's client keeps it."""
        return self.pair.secondary.client.deadline
