"""The presence of a repository in a registry's catalogue, for registries whose listing of tags does not tell.

Distribution 3 on S3 answers for a repository that it does not know with an empty list of tags. One that it knows and
that has no tags looks the same; the catalogue lists only that one.
"""

from __future__ import annotations

from geosync.errors import RegistryError, RegistryUnavailable
from geosync.oci.references import is_repository
from geosync.oci.repository import Repository


def is_listed(repository: Repository) -> bool:
    """Tell whether the registry's catalogue lists `repository`; True where it has none, or may not be read.

    One request, where fewer than a page of names come between it and the name before it. Raises RegistryUnavailable.
    """
    try:
        for page in repository.client.repositories(last=_before(repository.name)):
            if repository.name in page:
                return True
            if page and page[-1] > repository.name:
                return False
    except RegistryUnavailable:
        raise
    except RegistryError:
        return True
    return False


def _before(name: str) -> str | None:
    """A repository's name that comes before `name`, as closely as can be; None: there is none."""
    last = name[-1]
    if last not in "0a":
        return f"{name[:-1]}{chr(ord(last) - 1)}"
    before = f"{name[:-1]}9" if last == "a" else name[:-1].rstrip("/._-")
    return before if is_repository(before) else None
