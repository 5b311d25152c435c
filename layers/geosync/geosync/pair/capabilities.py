"""The habits of a destination where the specification leaves it a choice, asked once for each registry and kept.

distribution-spec 1.1, "Pushing Manifests", lets a registry accept a manifest whose blobs or children it lacks, and
"Mounting a blob from another repository" lets it answer 202 where it could mount. A copy is cheapest where neither
happens, and wrong if it assumes so of the first.

A registry may be configured anew at any time. So no habit is a proof: the copy looks where no answer shows that it
still holds (copying/copy.py), and has the registry asked again.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from typing import Any

from geosync.errors import BlobsUnknown, OutcomeUnknown, Refused, RegistryError, RegistryUnavailable, Unauthorized
from geosync.oci import media_types
from geosync.oci.manifests import Manifest
from geosync.oci.repository import Repository

EMPTY = b"{}"
"""The content of the specification's empty descriptor: a blob that may be in any repository and means nothing."""
EMPTY_DIGEST = f"sha256:{hashlib.sha256(EMPTY).hexdigest()}"
NO_PLATFORM = {"architecture": "unknown", "os": "unknown"}
"""BuildKit's platform for what runs absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """One destination's habits. The defaults are those of Distribution 2 and 3."""

    checks_blobs: bool = True
    """A PUT of an image that names missing blobs is refused, and the answer names them."""
    checks_children: bool = True
    """The same for an index and its manifests."""
    mounts: bool = True
    """`POST uploads/?mount=D&from=<this repository>` answers 201 if the blob is there: check and start in one."""
    referrers_api: bool = False
    """It answers GET referrers/<digest> by itself; where it does not, a pushed referrer needs the fallback tag."""
    unsure: bool = False
    """It broke off the connection instead of checking or not: not known, which counts as not checking."""

    def to_dict(self) -> dict[str, bool]:
        """As stored: one boolean per name."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Capabilities:
        """Back from storage; a name that an older version did not know takes its default."""
        return cls(**{field.name: bool(stored[field.name]) for field in fields(cls) if field.name in stored})


def probe(repository: Repository) -> Capabilities:
    """Ask a registry for its habits, by writing into `repository`, which must be one that may be written to.

    At most eight requests. What stays behind is the blob `{}`, which the registry's garbage collection removes when
    nothing refers to it, and an empty upload session where it does not mount. Raises RegistryError when a request fails
    in a way that says nothing about the question (no permission, registry down): then there is nothing to store.

    The index's child has a platform that nobody builds for. Distribution 3 can be told to check some platforms only:
    then it takes this index, and so does not check every child.
    """
    repository.put_small_blob(EMPTY_DIGEST, EMPTY)
    mounts = repository.begin_upload(mount=EMPTY_DIGEST, mount_from=repository.name) is None
    absent = f"sha256:{secrets.token_hex(32)}"
    empty = {"mediaType": media_types.OCI_EMPTY, "digest": EMPTY_DIGEST, "size": len(EMPTY)}
    image = {"config": empty, "layers": [{"mediaType": media_types.OCI_LAYER_GZIP, "digest": absent, "size": 2}]}
    child = {"mediaType": media_types.OCI_MANIFEST, "digest": absent, "size": 2, "platform": NO_PLATFORM}
    checks_blobs = _checks(repository, media_types.OCI_MANIFEST, image, absent)
    checks_children = _checks(repository, media_types.OCI_INDEX, {"manifests": [child]}, absent)
    return Capabilities(
        checks_blobs=bool(checks_blobs),
        checks_children=bool(checks_children),
        mounts=mounts,
        referrers_api=repository.referrers(absent) is not None,
        unsure=None in (checks_blobs, checks_children),
    )


def _checks(repository: Repository, media_type: str, document: Mapping[str, Any], absent: str) -> bool | None:
    """Tell if a PUT of `document` is refused with the name of the digest that cannot exist.

    Any other refusal (of the media type, for example) means that a PUT tells nothing, and copies look first. None: the
    registry broke off the connection. One that is down does not answer the next request either.
    """
    content = json.dumps({"schemaVersion": 2, "mediaType": media_type, **document}).encode()
    manifest = Manifest.read(content, media_type)
    try:
        repository.put_manifest(manifest.digest, manifest)
    except BlobsUnknown as answer:
        return absent in answer.missing
    except (Unauthorized, RegistryUnavailable) as error:
        if error.status is None:
            return None
        raise
    except RegistryError:
        return False
    # It was accepted, so it is removed. A registry that cannot delete keeps an untagged manifest.
    with suppress(Refused, OutcomeUnknown):
        repository.delete_manifest(manifest.digest)
    return False
