"""The two registries that a secondary works with, and what goes from one to the other.

Made of its settings and secrets, and anew when a secret changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from geosync.errors import ConfigurationError, GeosyncError, RegistryUnavailable
from geosync.oci.deadline import Deadline
from geosync.oci.options import ClientOptions
from geosync.oci.references import is_repository
from geosync.oci.repository import Repository
from geosync.pair.capabilities import Capabilities
from geosync.pair.deletes import TagRemover
from geosync.pair.known_capabilities import KnownCapabilities
from geosync.pair.pace import Pace
from geosync.pair.pair import Pair
from geosync.pair.selection import EVERYTHING, Selection
from geosync.pair.settings import SyncSettings
from geosync.registries.opening import open_registry
from geosync.registries.registry import Registry
from geosync.sync_registry.table.changes import Store

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

PARALLELISM = 24
"""Requests in flight for one repository. Small things wait for the network, not for the machine."""
REREAD_AFTER = 300.0
"""Seconds for which a secret is used without asking whether it was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registries:
    """The two registries of a secondary site, as one holder after another uses them."""

    primary: Registry
    secondary: Registry
    remover: TagRemover
    capabilities: Callable[[str], Capabilities]
    """What the secondary's registry does; its argument is a repository there that may be written to."""
    prefix: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of each registry's name, the version of its secret in Secrets Manager."""
    parallelism: int = PARALLELISM
    """Requests in flight for one repository."""
    selection: Selection = EVERYTHING
    """Which repositories and tags go from the one to the other."""
    pace: Pace = field(default_factory=Pace)
    """How fast layers go from the one to the other."""

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
        """The version of the credentials for the one of the two that an error or a hold names; no secret."""
        return self.versions.get(name, "")

    def named(self, name: str) -> Registry:
        """The one of the two that an error names."""
        return self.primary if self.primary.name == name else self.secondary

    def answers(self, name: str) -> bool:
        """Whether the one of the two that an error names answers at all, be it that it refuses."""
        try:
            self.named(name).ping()
        except RegistryUnavailable:
            return False
        except GeosyncError:
            return True
        return True


class _Secret(NamedTuple):
    """A secret's text (None: there is none) and the version that it has there."""

    text: str | None
    version: str


_NO_SECRET = _Secret(None, "")


class SiteRegistries:
    """Keeps the registries, with their connections and tokens, from one invocation to the next. For one thread."""

    def __init__(
        self,
        settings: SyncSettings,
        secrets: SecretsManagerClient,
        store: Store,
        *,
        deadline: Deadline,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._secrets = secrets
        self._store = store
        self._deadline = deadline
        self._monotonic = monotonic
        self._texts: tuple[_Secret, _Secret] = (_NO_SECRET, _NO_SECRET)
        self._read_at = 0.0
        self._registries: Registries | None = None

    def get(self) -> Registries:
        """The registries; raises ConfigurationError, naming the setting or the secret's key that is wrong."""
        if self._registries is not None and self._monotonic() - self._read_at < REREAD_AFTER:
            return self._registries
        settings = self._settings
        texts = (self._read(settings.primary_registry_secret_arn), self._read(settings.local_registry_secret_arn))
        self._read_at = self._monotonic()
        if self._registries is None or texts != self._texts:
            if self._registries is not None:
                self._registries.primary.close()
                self._registries.secondary.close()
            self._registries, self._texts = self._make(*texts), texts
        return self._registries

    def reread(self) -> None:
        """Have the next `get` ask whether a secret was changed."""
        self._read_at = -REREAD_AFTER

    def _read(self, arn: str | None) -> _Secret:
        if arn is None:
            return _NO_SECRET
        answer = self._secrets.get_secret_value(SecretId=arn)
        return _Secret(answer["SecretString"], answer["VersionId"])

    def _make(self, primary_secret: _Secret, local_secret: _Secret) -> Registries:
        settings = self._settings
        if settings.primary_registry_url is None:
            raise ConfigurationError("PRIMARY_REGISTRY_URL is missing: a secondary reads the primary's registry there")
        selection = settings.selection
        primary = self._open(
            settings.primary_registry_url, primary_secret.text, settings.primary_registry_vendor, writes=False
        )
        secondary = self._open(
            settings.local_registry_url, local_secret.text, settings.local_registry_vendor, writes=True
        )
        return Registries(
            primary=primary,
            secondary=secondary,
            remover=TagRemover(secondary),
            capabilities=KnownCapabilities(self._store, secondary),
            prefix=f"{settings.repository_prefix}/" if settings.repository_prefix else "",
            parallelism=settings.blob_concurrency,
            selection=selection,
            versions={primary.name: primary_secret.version, secondary.name: local_secret.version},
        )

    def _open(self, url: str, secret: str | None, vendor: str, *, writes: bool) -> Registry:
        return open_registry(
            url,
            secret,
            vendor=vendor,
            deadline=self._deadline,
            writes=writes,
            options=ClientOptions(
                connections=self._settings.blob_concurrency + self._settings.reference_concurrency,
                tag_write_seconds=self._settings.timing.tag_write_timeout,
            ),
        )
