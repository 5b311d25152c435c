"""Our copy of one tag as a holder makes it, with clients that are warm."""

from __future__ import annotations

from contextlib import nullcontext

from geosync.copying.copy import Copier
from geosync.copying.outcome import CopyResult
from geosync.copying.route import Route
from geosync.errors import GeosyncError
from geosync.oci.client import RegistryClient
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.oci.repository import Repository
from geosync.pair.connections import Connections
from geosync.pair.pair import Pair


def reader(url: str) -> RegistryClient:
    """Make a client that reads from a registry without authentication."""
    return RegistryClient(url, Anonymous(), deadline=Deadline())


def writer(url: str) -> RegistryClient:
    """Make a client that writes to a registry without authentication."""
    return RegistryClient(url, Anonymous(), deadline=Deadline(), writes=True)


def copy_tag(
    source: RegistryClient,
    destination: RegistryClient,
    repository: str,
    tag: str,
    *,
    connections: Connections | None = None,
) -> CopyResult:
    """Look at the source, copy, look at the destination; raises GeosyncError when it is not there then.

    The repository is new at the destination, as for a holder that takes it for the first time. `connections` is what
    was found between the two registries: nothing, where it is left out.
    """
    pair = Pair(Repository(source, repository), Repository(destination, repository))
    manifest = pair.primary.get_manifest(tag)
    if manifest is None:
        raise GeosyncError(f"{repository}:{tag} is not at the source")
    route = Route(pair=pair, connections=connections or Connections(), is_new=True)
    with Copier(route, tag_write=nullcontext) as copier:
        result = copier.copy(manifest, tag)
    seen = pair.secondary.head_manifest(tag)
    if seen is None or seen.digest != manifest.digest:
        raise GeosyncError(f"{repository}:{tag} is not at the destination")
    return result
