"""The two registries of a secondary site, with everything that outlives one holder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from geosync.errors import ConfigurationError, GeosyncError, RegistryUnavailable
from geosync.oci.references import is_repository
from geosync.oci.repository import Repository
from geosync.pair.capabilities import Capabilities
from geosync.pair.connections import Connections
from geosync.pair.deletes import TagRemover
from geosync.pair.pace import Pace
from geosync.pair.pair import Pair
from geosync.pair.selection import EVERYTHING, Selection
from geosync.pair.settings import PARALLELISM
from geosync.registries.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Registries:
    """The two registries of a secondary site, as one holder after another uses them."""

    primary: Registry
    secondary: Registry
    remover: TagRemover
    """Removes tags at the secondary."""
    capabilities: Callable[[Repository], Capabilities]
    """Gives the habits of the secondary's registry; its argument is a repository there that may be written to."""
    forget_capabilities: Callable[[Repository], None] = lambda _: None
    """Makes the next call of `capabilities` ask the registry again."""
    prefix: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    """The version of each registry's secret in Secrets Manager, by the registry's name."""
    parallelism: int = PARALLELISM
    """Blobs and manifests at a time for one repository."""
    shared_blob_bytes: int = 0
    """The least size of a blob that is mounted from another repository of the secondary's registry."""
    selection: Selection = EVERYTHING
    """The repositories and tags that are replicated."""
    pace: Pace = field(default_factory=Pace)
    """The speed of layers from the primary to the secondary."""
    connections: Connections = field(default_factory=Connections)
    """The number of connections over which a large layer is read."""

    @property
    def requests_sent(self) -> int:
        """The number of requests that were sent to both registries so far."""
        return self.primary.requests_sent + self.secondary.requests_sent

    def at_secondary(self, repository: str) -> str:
        """The name at the secondary of the primary's `repository`; raises ConfigurationError if it is none."""
        name = self.prefix + repository
        if not is_repository(name):
            raise ConfigurationError(f"{name[:80]}…: REPOSITORY_PREFIX makes it longer than a repository's name may be")
        return name

    def pair(self, repository: str) -> Pair:
        """The primary's `repository` and this site's copy of it; raises ConfigurationError as `at_secondary`."""
        return Pair(Repository(self.primary, repository), Repository(self.secondary, self.at_secondary(repository)))

    def credentials(self, name: str) -> str:
        """The version of the credentials for the registry that an error or a hold names; no secret."""
        return self.versions.get(name, "")

    def named(self, name: str) -> Registry:
        """The registry that an error names."""
        return self.primary if self.primary.name == name else self.secondary

    def answers(self, name: str) -> bool:
        """Tell whether the registry that an error names answers a ping; a refusal is an answer."""
        try:
            self.named(name).ping()
        except RegistryUnavailable:
            return False
        except GeosyncError:
            return True
        return True
