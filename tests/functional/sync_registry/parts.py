"""What the tests of the sync registry on DynamoDB share."""

from __future__ import annotations

from collections.abc import Callable

from tests.functional.sync_registry.conftest import Make

from geosync.sync_registry.items import Reference, Seen

REPOSITORY = "project/app"
V1, V2 = Reference.tag("v1"), Reference.tag("v2")
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
Beforehand = Callable[[Make], None]


def seen(digest: str, at: int) -> Seen:
    return Seen(digest=digest, looked_at=at, seen_at=at)
