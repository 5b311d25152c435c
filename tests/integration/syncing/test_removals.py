"""A registry that fails in the middle of a DELETE: in the end the tag is neither served nor listed."""

from __future__ import annotations

import re
import shutil
from contextlib import closing

import pytest
import requests
from tests.integration.conftest import Place
from tests.integration.secondary import Secondary, event, pushed, quick
from tests.support.images import ImageMaker
from tests.support.proxy import Call, Fault, Status

from geosync.pair.capabilities import EMPTY_DIGEST
from geosync.pair.deletes import removal_marker

TIMING = quick(settle=0.3, suspect=0.3)
STUMBLED = b'{"errors":[{"code":"UNKNOWN","message":"unknown error"}]}'
FORGOTTEN = b'{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","detail":"%s"}]}' % EMPTY_DIGEST.encode()


@pytest.mark.parametrize("what", ["the deletion of its marker", "the marker"])
def test_a_tag_is_not_listed_after_a_removal_that_the_registry_broke_off(
    primary: Place, second_registry: Place, make: ImageMaker, repository: str, what: str
) -> None:
    marker = removal_marker("v1").digest

    def lose_the_manifest() -> None:
        """Do the first half of a DELETE as Distribution 2.8: the tag stays, and answers 404."""
        revisions = next(second_registry.registry.folder.rglob(f"repositories/{repository}/_manifests/revisions"))
        shutil.rmtree(revisions / "sha256" / marker.partition(":")[2])

    faults: dict[str, list[Fault]] = {
        "the deletion of its marker": [
            Call(method="DELETE", target=re.compile(marker), nth=2, before=lose_the_manifest),
            Status(method="DELETE", target=re.compile(marker), nth=2, status=500, body=STUMBLED),
        ],
        "the marker": [Status(method="PUT", kind="tag", status=400, body=FORGOTTEN)],
    }
    with closing(Secondary(primary, second_registry, timing=TIMING)) as secondary:
        image = make.image(repository, "v1", layers=0)
        secondary.receive(pushed(image), pushed(make.image(repository, "keep", layers=0)))
        secondary.reset()
        for fault in faults[what]:
            secondary.secondary_proxy.add(fault)
        make.delete(image)
        secondary.receive(event("deleted", repository, tag="v1"))
        secondary.sweep_until(lambda: not secondary.owed(repository))
        assert [one.status for one in secondary.secondary_proxy.exchanges if one.status in (400, 500)][-1:] != []
    listed = requests.get(f"{second_registry.url}/v2/{repository}/tags/list", timeout=60).json()["tags"]
    assert listed == ["keep"]
