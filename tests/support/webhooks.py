"""What each source of notifications sends: the bodies of events/webhooks, what proves them, and what they become."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.google import Google

FOLDER = Path(__file__).parents[2] / "events" / "webhooks"
# GitHub's "Validating webhook deliveries" and "Webhook events": what every delivery carries.
DELIVERY = "72d3162e-cc78-11e3-81ab-4c9367dc095"  # and the number of the delivery

#: (event_name, repository, tag, digest) of each geo event, or the reason why there is none.
Becomes = list[tuple[str, str, str | None, str | None]] | str

_ACR = "sha256:80f0d5c8786bb9e621a45ece0db56d11cdc624ad20da9fe62e9d25490f331d7d"
_GHCR = "sha256:3da1996a8115d7616457760d9920b815241d0a03b34cf5f04e9a0e9d8de37498"
_GAR = "sha256:6ec128e26cd5da8c39a7d0d6d8d9ff5a6d3d4e5a6a4b9ad4e23dd5f24d1b3a4e"
_HARBOR = "sha256:8a9e9863dbb6e10edb5adfe917c00da84e1700fa76e7ed02476aa6e6fb8ee0d8"
_ZOT = "sha256:b4ee0a4c9c1bf5dd2e8de0b4b0a0e0a3f5b9b4bd51c4c2d2f79b9f6c3b4a1e55"
_ZOT_HEADERS = {
    "Ce-Specversion": "1.0",
    "Ce-Id": "3f1f6f0c-6c58-4e4b-9d8e-0f4c2b1a9e77",
    "Ce-Source": "zotregistry.dev",
    "Ce-Type": "zotregistry.image.updated",
    "Ce-Time": "2026-11-24T05:45:04.878311822Z",
    "Content-Type": "application/json",
}
_STRUCTURED = {"Content-Type": "application/cloudevents+json; charset=UTF-8"}
_GHCR_NAME = "codertocat/hello-world/frontend"
_GAR_NAME = "my-project/my-repository/hello-world"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One file of events/webhooks: the source that sends it, its own headers, and what becomes of it."""

    file: str
    becomes: Becomes
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        return self.file.partition("-")[0]

    @property
    def body(self) -> bytes:
        return (FOLDER / self.file).read_bytes()


def _github(event: str, number: int) -> dict[str, str]:
    return {"X-GitHub-Event": event, "X-GitHub-Delivery": f"{DELIVERY}{number}", "X-GitHub-Hook-ID": "30"}


WEBHOOKS = [
    Webhook(file="acr-push.json", becomes=[("created", "hello-world", "v1", _ACR)]),
    Webhook(file="acr-delete.json", becomes=[("deleted", "hello-world", None, _ACR)]),
    Webhook(file="acr-chart-push.json", becomes="other_event"),
    Webhook(file="acr-ping.json", becomes="ping"),
    Webhook(
        file="ghcr-published.json",
        headers=_github("registry_package", 1),
        becomes=[("created", _GHCR_NAME, "latest", _GHCR)],
    ),
    Webhook(
        file="ghcr-published-untagged.json",
        headers=_github("registry_package", 2),
        becomes=[("created", _GHCR_NAME, None, _GHCR)],
    ),
    Webhook(
        file="ghcr-package-updated.json",
        headers=_github("package", 3),
        becomes=[("updated", _GHCR_NAME, "latest", _GHCR)],
    ),
    Webhook(file="ghcr-other-package.json", headers=_github("registry_package", 4), becomes="other_event"),
    Webhook(file="ghcr-ping.json", headers=_github("ping", 5), becomes="ping"),
    Webhook(file="gar-insert.json", becomes=[("created", _GAR_NAME, "1.1", _GAR)]),
    Webhook(file="gar-insert-untagged.json", becomes=[("created", _GAR_NAME, None, _GAR)]),
    Webhook(file="gar-delete-tag.json", becomes=[("deleted", _GAR_NAME, "1.1", None)]),
    Webhook(file="gar-delete.json", becomes=[("deleted", _GAR_NAME, None, _GAR)]),
    Webhook(file="harbor-push.json", becomes=[("created", "test-webhook/debian", "latest", _HARBOR)]),
    Webhook(
        file="harbor-delete.json",
        becomes=[
            ("deleted", "test-webhook/debian", None, _HARBOR),
            ("deleted", "test-webhook/debian", "latest", None),
        ],
    ),
    Webhook(
        file="harbor-push-cloudevents.json",
        headers=_STRUCTURED,
        becomes=[("created", "test-webhook/debian", None, _HARBOR)],
    ),
    Webhook(file="harbor-pull-cloudevents.json", headers=_STRUCTURED, becomes="pull"),
    Webhook(file="harbor-scan.json", becomes="other_event"),
    Webhook(
        file="quay-push.json",
        becomes=[("created", "dgangaia/test", "latest", None), ("created", "dgangaia/test", "v1", None)],
    ),
    Webhook(file="quay-push-old.json", becomes=[("created", "devtable/ubuntu", "latest", None)]),
    Webhook(file="quay-mirror.json", becomes="other_event"),
    Webhook(file="zot-updated.json", headers=_ZOT_HEADERS, becomes=[("updated", "space/my-image", "latest", _ZOT)]),
    Webhook(
        file="zot-updated-digest-structured.json",
        headers=_STRUCTURED,
        becomes=[("updated", "space/my-image", None, _ZOT)],
    ),
    Webhook(
        file="zot-deleted-structured.json",
        headers=_STRUCTURED,
        becomes=[("deleted", "space/my-image", "latest", _ZOT)],
    ),
    Webhook(file="zot-repository-structured.json", headers=_STRUCTURED, becomes="other_event"),
]

#: One push by tag of each source.
PUSHES = {
    file.partition("-")[0]: next(webhook for webhook in WEBHOOKS if webhook.file == file)
    for file in (
        "acr-push.json",
        "ghcr-published.json",
        "gar-insert.json",
        "harbor-push.json",
        "quay-push.json",
        "zot-updated.json",
    )
}


def basic(token: str) -> str:
    """Return the header that a URL with user and password in it leads to."""
    return "Basic " + base64.b64encode(f"geosync:{token}".encode()).decode()


def signature(token: str, body: bytes) -> str:
    """Return what GitHub writes into X-Hub-Signature-256."""
    return "sha256=" + hmac.new(token.encode(), body, hashlib.sha256).hexdigest()


def proof(source: str, token: str, body: bytes, google: Google) -> dict[str, str]:
    """Return the headers with which a source shows who it is, if the site's token is `token`."""
    ways: dict[str, Callable[[], dict[str, str]]] = {
        "ghcr": lambda: {"X-Hub-Signature-256": signature(token, body)},
        "gar": lambda: {"Authorization": f"Bearer {google.token()}"},
        "quay": lambda: {"Authorization": basic(token)},
        "zot": lambda: {"Authorization": f"Bearer {token}"},
    }
    return ways.get(source, lambda: {"Authorization": token})()


def wrong_proof(source: str, body: bytes, google: Google) -> dict[str, str]:
    """Return headers like those of `proof` that show somebody else."""
    if source == "gar":
        return {"Authorization": f"Bearer {google.token(email='somebody@else.iam.gserviceaccount.com')}"}
    return proof(source, "another-token", body, google)
