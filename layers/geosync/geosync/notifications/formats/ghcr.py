"""GitHub's webhook about packages: `registry_package` and `package`, for what is pushed to ghcr.io.

Follows GitHub's "Webhook events and payloads" and "Validating webhook deliveries". One event per manifest; deletions
are not sent. The signature over the raw body is checked before anything is read (`authorization.py`);
`X-GitHub-Delivery` names the delivery, and is the same when GitHub sends it again.
"""

from __future__ import annotations

from geosync.errors import MalformedMessage
from geosync.messages.geo_event import EventName
from geosync.notifications.formats.claims import Claim, ImageClaim, NoClaim, field, meaning, present, text_if
from geosync.notifications.request import Delivery
from geosync.oci.references import is_digest

_PACKAGES = ("registry_package", "package")
_ACTIONS: dict[str, EventName] = {"published": "created", "updated": "updated"}
_CONTAINERS = frozenset({"container", "docker"})


def parse(delivery: Delivery) -> list[Claim]:
    """Return the claim of a delivery. Raises MalformedMessage when it is none of GitHub's."""
    event = delivery.header("x-github-event")
    document = delivery.document
    if event is None or not isinstance(document, dict):
        raise MalformedMessage("not a delivery of GitHub's: no X-GitHub-Event header, or no JSON object")
    if event == "ping":
        return [NoClaim(reason="ping")]
    package = document.get(event) if event in _PACKAGES else None
    if not isinstance(package, dict) or not _is_container(package):
        return [NoClaim(reason="other_event")]
    version = field(package, "package_version")
    metadata = field(version, "container_metadata")
    tag = present(field(metadata, "tag", "name"))
    action = document.get("action")
    return [
        ImageClaim(
            id=delivery.header("x-github-delivery"),
            action=action,
            happened=meaning(_ACTIONS, action),
            repository=_repository(package),
            tag=tag,
            digest=_digest(version, tag),
            media_type=field(metadata, "manifest", "media_type"),
            occurred_at=present(package.get("updated_at")),
        )
    ]


def _is_container(package: dict[str, object]) -> bool:
    """Return whether the package is a container: GitHub writes the kind in either of two fields, in either case."""
    kinds = (package.get("ecosystem"), package.get("package_type"))
    return any(isinstance(kind, str) and kind.lower() in _CONTAINERS for kind in kinds)


def _repository(package: dict[str, object]) -> object:
    """Return `owner/name` as ghcr.io has it: in lower case, whatever the account's name looks like."""
    owner, name = package.get("namespace"), package.get("name")
    if not isinstance(owner, str) or not isinstance(name, str):
        return None
    return f"{owner}/{name}".lower()


def _digest(version: object, tag: object) -> object:
    """Return the version of a container: its manifest's digest. With a tag, one that is something else is left out."""
    digest = field(version, "version")
    return digest if tag is None else text_if(is_digest, digest)
