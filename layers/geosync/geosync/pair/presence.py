"""Checks of what a registry's plain answer does not show: whether it has a repository, and whether a digest is a blob.

Distribution 3 on S3 answers for an unknown repository with an empty list of tags. A known one without tags looks the
same, but is in the catalogue.

Distribution announces the deletion of a blob as that of a manifest: a repository, a digest and nothing else. It also
looks for manifests among the layers, and answers 500 if a layer is asked for as a manifest.
"""

from __future__ import annotations

from geosync.errors import ContentError, RegistryError, RegistryUnavailable
from geosync.oci.manifests import MAX_MANIFEST_BYTES, Descriptor, Manifest
from geosync.oci.references import is_repository
from geosync.oci.repository import Repository


def is_listed(repository: Repository) -> bool:
    """Tell whether the registry's catalogue lists `repository`; True where it has none, or may not be read.

    It asks for the names from shortly before `repository` on, mostly in one request. Raises RegistryUnavailable.
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


def is_blob_alone(repository: Repository, digest: str) -> bool:
    """Tell whether the repository has `digest` as a blob whose bytes, proved by their digest, are no manifest.

    Two requests at most; what is larger than a manifest may be (4 MiB) is none, and is not read. False also where that
    is not known. Raises OutOfTime, also where the memory for its bytes does not come free in time.
    """
    try:
        size = repository.head_blob(digest)
        if size is None or size > MAX_MANIFEST_BYTES:
            return size is not None
        repository.client.memory.need(size, size)  # in blocks, and joined
        with repository.open_blob(Descriptor(media_type="", digest=digest, size=size)) as blob:
            content = b"".join(iter(blob.read, b""))
    except (RegistryError, ContentError):
        return False
    try:
        Manifest.read(content, None, digest)
    except ContentError:
        return True
    return False


def _before(name: str) -> str | None:
    """Return a valid name that sorts shortly before `name`; None where there is none."""
    last = name[-1]
    if last not in "0a":
        return f"{name[:-1]}{chr(ord(last) - 1)}"
    before = f"{name[:-1]}9" if last == "a" else name[:-1].rstrip("/._-")
    return before if is_repository(before) else None
