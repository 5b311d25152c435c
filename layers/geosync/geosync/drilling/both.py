"""The two registries as a drill reads them: the primary's, and this site's, which are never written to here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from geosync.errors import ConfigurationError, NotFound
from geosync.oci.references import is_repository
from geosync.oci.repository import Repository
from geosync.pair.pair import Pair
from geosync.pair.selection import Selection
from geosync.registries.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class BothRegistries:
    """Both registries. `prefix` stands before each repository's name here, with its slash."""

    primary: Registry
    secondary: Registry
    prefix: str
    selection: Selection

    def pair(self, repository: str) -> Pair:
        """The primary's `repository` and this site's copy of it; raises ConfigurationError where it can have none."""
        name = self.prefix + repository
        if not is_repository(name):
            raise ConfigurationError(f"RepositoryPrefix makes the name of {repository[:80]} too long")
        return Pair(Repository(self.primary, repository), Repository(self.secondary, name))


def digest_of(repository: Repository, reference: str) -> str | None:
    """The digest of a reference, None where the registry has none. Raises RegistryError, ContentError."""
    try:
        found = repository.head_manifest(reference)
    except NotFound:
        return None
    return found.digest if found is not None else None


def listed(repository: Repository) -> Mapping[str, str | None]:
    """The tags of a repository, each with its digest where the listing has it; none where there is no such repository.

    Raises RegistryError.
    """
    try:
        return {one.tag: one.digest for page in repository.tags_with_digests() for one in page}
    except NotFound:
        return {}
