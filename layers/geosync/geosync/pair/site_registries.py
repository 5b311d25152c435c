"""Opens both registries from a site's settings and secrets, and again when a secret changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from geosync.aws.errors import reason
from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.errors import ConfigurationError, SecretUnreadable
from geosync.oci.deadline import Deadline
from geosync.oci.memory import Memory
from geosync.oci.options import ClientOptions
from geosync.pair.deletes import TagRemover
from geosync.pair.known_capabilities import KnownCapabilities
from geosync.pair.registries import Registries
from geosync.pair.settings import SyncSettings, registry_names
from geosync.registries.opening import open_registry
from geosync.registries.registry import Registry
from geosync.sync_registry.site.capabilities import RegistryHabits
from geosync.threads import SYSTEM_THREADS, Threads

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

REREAD_AFTER_S = 300.0
"""Seconds after which the secrets are read again, also after a read that failed."""


class _Secret(NamedTuple):
    """A secret's text (None: there is none) and its version in Secrets Manager."""

    text: str | None
    version: str


_NO_SECRET = _Secret(None, "")


class SiteRegistries:
    """Keeps the registries, with their connections and tokens, from one invocation to the next. For one thread."""

    def __init__(
        self,
        settings: SyncSettings,
        secrets: SecretsManagerClient,
        habits: RegistryHabits,
        *,
        deadline: Deadline,
        clock: Clock = SYSTEM_CLOCK,
        threads: Threads = SYSTEM_THREADS,
    ) -> None:
        self._settings = settings
        self._secrets = secrets
        self._habits = habits
        self._deadline = deadline
        self._clock = clock
        self._threads = threads
        self._memory = Memory.of(threads)
        self._texts: tuple[_Secret, _Secret] = (_NO_SECRET, _NO_SECRET)
        self._read_at_s = 0.0
        self._registries: Registries | None = None
        self.unread: SecretUnreadable | None = None
        """The failure of the last read of the secrets; the registries still have the secrets read before it."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of both registries, known before they are opened."""
        return self._settings.registry_names

    def get(self) -> Registries:
        """The registries, with the secrets read before where they cannot be read again.

        Raises ConfigurationError, naming the setting or the secret's key that is wrong, and SecretUnreadable.
        """
        if self._registries is not None and self._clock.monotonic_s() - self._read_at_s < REREAD_AFTER_S:
            return self._registries
        try:
            texts, self.unread = self._read_both(), None
        except SecretUnreadable as error:
            if self._registries is None:
                raise
            texts, self.unread = self._texts, error
        self._read_at_s = self._clock.monotonic_s()
        if self._registries is None or texts != self._texts:
            if self._registries is not None:
                self._registries.primary.close()
                self._registries.secondary.close()
            self._registries, self._texts = self._make(*texts), texts
        return self._registries

    def reread(self) -> None:
        """Have the next `get` read the secrets."""
        self._read_at_s = -REREAD_AFTER_S

    def _read_both(self) -> tuple[_Secret, _Secret]:
        settings = self._settings
        return (
            self._read(settings.primary_registry_secret_arn, settings.primary_registry_url),
            self._read(settings.local_registry_secret_arn, settings.local_registry_url),
        )

    def _read(self, arn: str | None, url: str | None) -> _Secret:
        if arn is None or url is None:
            return _NO_SECRET
        try:
            answer = self._secrets.get_secret_value(SecretId=arn)
        except (BotoCoreError, ClientError) as error:
            (name,) = registry_names(url)
            raise SecretUnreadable(name, reason(error)) from error
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
        capabilities = KnownCapabilities(self._habits, self._clock)
        return Registries(
            primary=primary,
            secondary=secondary,
            remover=TagRemover(self._clock, self._threads),
            capabilities=capabilities,
            forget_capabilities=capabilities.forget,
            prefix=f"{settings.repository_prefix}/" if settings.repository_prefix else "",
            parallelism=settings.blob_concurrency,
            shared_blob_bytes=settings.shared_blob_bytes,
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
                allowed_hosts=tuple(self._settings.allowed_hosts.replace(",", " ").split()),
                connections=self._settings.blob_concurrency + self._settings.reference_concurrency,
                tag_write_s=self._settings.timing.tag_write_timeout_s,
                memory=self._memory,
            ),
        )
