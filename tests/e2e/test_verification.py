"""Verification on the deployed stack: what is synced is verified, and a blob that lost its bytes is brought again."""

from __future__ import annotations

import uuid
from pathlib import Path

from local.stack import Places
from local.wiring import STORES_ON_S3
from tests.e2e.command import Geosync
from tests.e2e.parts import Site, eventually, hurried
from tests.e2e.registries import digest, maker


def test_a_blob_that_lost_its_bytes_is_found_and_brought_again(
    state: Path, primary: Site, secondaries: list[Site]
) -> None:
    repository = f"e2e/verification/{uuid.uuid4().hex[:10]}"
    site = next(one for one in secondaries if one.name != STORES_ON_S3)
    with maker(primary) as make, maker(site) as read:
        made = make.image(repository, "v1", layers=1)

        def verified_since(moment: int) -> int:
            """When it was verified, 0 unless that was after `moment`."""
            row = site.item(repository, "row") or {}
            if row.get("verification_state") == "2" and row["verified_at"] > moment:
                assert row["state"] == "2"
                return int(row["verified_at"])
            return 0

        first = eventually(hurried([site], lambda: verified_since(0)), what="the first verification")
        assert digest(read, repository, "v1") == made.digest
        layer = _file(state, site, made.blobs[0])
        layer.unlink()

        assert Geosync(state)(site, "reverify", repository).code == 0
        eventually(hurried([site], layer.exists), what="the blob to be brought again")

        # Once more by hand: by itself it waits until the backoff is over.
        eventually(lambda: (site.item(repository, "row") or {}).get("state") == "2", what="the row to be synced")
        assert Geosync(state)(site, "reverify", repository).code == 0
        eventually(hurried([site], lambda: verified_since(first)), what="a verification after the repair")
    said = [line for line in site.log("sync") if line.get("repository") == repository]
    differing = [line["reason"] for line in said if line["message"] == "repository_differs"]
    assert differing == [f"v1: {made.blobs[0]} is missing or wrong at the secondary"]


def _file(state: Path, site: Site, blob: str) -> Path:
    """Where a registry on the file system keeps a blob."""
    place = next(one for one in Places(state).inventory.read() if one.name == f"registry {site.name}")
    algorithm, _, hexadecimal = blob.partition(":")
    blobs = Path(place.folder) / "data" / "docker" / "registry" / "v2" / "blobs"
    return blobs / algorithm / hexadecimal[:2] / hexadecimal / "data"
