"""Blobs that another repository of the site has, on the wire: requests and layer bytes, between real registries."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from local.registries import RegistrySpec
from local.token_service import TokenService
from tests.integration.conftest import Place, StartRegistry
from tests.integration.secondary import Secondary, pushed
from tests.support.images import Descriptor, ImageMaker, Made
from tests.support.proxy import Status

from geosync.copying.sharing import CLAIMED_FROM
from geosync.messages.work import WorkMessage
from geosync.sync_registry.items import SYNCED, Reference
from geosync.sync_registry.transitions.marks import Mark

LARGE = CLAIMED_FROM + 1
WORKERS, REPOSITORIES = 4, 100


def bytes_of_blobs(secondary: Secondary) -> int:
    """The bytes of blobs that came from the primary's registry and went to the secondary's."""
    read = sum(one.received for one in secondary.primary_proxy.exchanges if one.kind == "blob")
    assert read == sum(one.sent for one in secondary.secondary_proxy.exchanges if one.kind == "upload")
    return read


def also_in(make: ImageMaker, made: Made, repository: str) -> Made:
    """Push the same image to another repository of the primary's registry."""
    mount(make, made.repository, repository, made.blobs)
    return make.retag(replace(made, repository=repository), made.reference)


def mount(make: ImageMaker, source: str, repository: str, digests: Sequence[str]) -> None:
    for digest in digests:
        answer = make.send("POST", f"/v2/{repository}/blobs/uploads/?mount={digest}&from={source}", repository)
        assert answer.status_code == 201, answer.text


def sync(secondary: Secondary, made: Made) -> None:
    """Sync an image, and check that its tag is at the secondary."""
    secondary.receive(pushed(made))
    assert secondary.digest(made.repository, made.reference) == made.digest
    assert secondary.row(made.repository).state == SYNCED


def test_an_image_that_another_repository_has_is_9_requests_and_no_byte(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    first = make.image(f"{repository}/a", "v1", layers=5)
    sync(secondary, first)
    second = also_in(make, first, f"{repository}/b")
    secondary.reset()

    sync(secondary, second)

    assert secondary.primary_proxy.counts() == {("GET", "tag"): 1}
    assert secondary.secondary_proxy.counts() == {("PUT", "tag"): 1, ("POST", "uploads"): 6, ("HEAD", "tag"): 1}
    assert secondary.requests() == 9
    assert bytes_of_blobs(secondary) == 0


def test_a_new_config_on_layers_that_another_repository_has_is_11_requests_and_the_bytes_of_the_config(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    layers = [make.layer(f"{repository}/a", 2000) for _ in range(5)]
    sync(secondary, make.image(f"{repository}/a", "v1", layers=0, reuse=layers))
    mount(make, f"{repository}/a", f"{repository}/b", [layer["digest"] for layer in layers])
    second = make.image(f"{repository}/b", "v1", layers=0, reuse=layers)
    secondary.reset()

    sync(secondary, second)

    assert secondary.requests() == 11
    assert len([one for one in secondary.primary_proxy.exchanges if one.kind == "blob"]) == 1


def test_an_index_that_another_repository_has_moves_no_byte(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    images = [make.image(f"{repository}/a", layers=3) for _ in range(3)]
    first = make.index_of(f"{repository}/a", "v1", images)
    sync(secondary, first)
    for image in images:
        also_in(make, image, f"{repository}/b")
    second = make.retag(replace(first, repository=f"{repository}/b"), "v1")
    secondary.reset()

    sync(secondary, second)

    assert bytes_of_blobs(secondary) == 0
    assert secondary.secondary_proxy.counts()["POST", "uploads"] == len(first.blobs)


def test_a_hundred_repositories_on_one_base_move_the_base_once(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    """Four workers at once: who needs a layer that another one copies waits for it, and mounts it."""
    base = [make.layer(f"{repository}/base", LARGE) for _ in range(3)]
    names = [f"{repository}/app-{number}" for number in range(REPOSITORIES)]
    new = 0
    for name in names:
        mount(make, f"{repository}/base", name, [layer["digest"] for layer in base])
        made = make.image(name, "v1", layers=1, size=500, reuse=base)
        new += sum(size_of(make, made, digest) for digest in made.blobs if digest not in digests_of(base))
        secondary.sync_registry.mark(name, Reference.tag("v1"), Mark(expects=made.digest))

    def work(name: str) -> None:
        if secondary.worker.receive(WorkMessage(repository=name, reason="sweep").to_json()):
            secondary.worker.go_on()

    with ThreadPoolExecutor(WORKERS) as workers:
        list(workers.map(work, names[:WORKERS]))

    assert {secondary.row(name).state for name in names} == {SYNCED}
    assert bytes_of_blobs(secondary) == sum(layer["size"] for layer in base) + new


def test_a_hint_to_a_repository_that_was_deleted_becomes_an_upload_and_is_said_once(
    primary: Place,
    start_registry: StartRegistry,
    tmp_path: Path,
    make: ImageMaker,
    repository: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Without the cache of blob descriptors, in which what was deleted is there still.
    storage = {"filesystem": {"rootdirectory": str(tmp_path)}, "delete": {"enabled": True}}
    here = Place(registry=start_registry(RegistrySpec(name="deleted", more={"storage": storage})))
    secondary = Secondary(primary, here)
    try:
        first = make.image(f"{repository}/a", "v1", layers=5)
        sync(secondary, first)
        shutil.rmtree(next(tmp_path.rglob(f"repositories/{first.repository}")))
        second = also_in(make, first, f"{repository}/b")
        secondary.reset()
        caplog.set_level("WARNING")

        sync(secondary, second)

        assert secondary.requests() == 3 * 5 + 6 + 6, "one look more for each blob that nobody said is missing"
        said = [one for one in caplog.records if one.message == "blobs_not_mounted"]
        assert [one.named for one in said] == [(first.repository,)]  # type: ignore[attr-defined]
        third = also_in(make, first, f"{repository}/c")
        secondary.reset()
        sync(secondary, third)
        assert secondary.requests() == 9, "the hint is right again"
    finally:
        secondary.close()


def test_a_mount_that_is_answered_with_another_digest_is_none(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    first = make.image(f"{repository}/a", "v1", layers=1)
    sync(secondary, first)
    second = also_in(make, first, f"{repository}/b")
    secondary.reset()
    other = {"Docker-Content-Digest": f"sha256:{'0' * 64}", "Location": "/v2/x/blobs/y"}
    secondary.secondary_proxy.add(Status(status=201, method="POST", target=re.compile("from="), times=2, headers=other))

    sync(secondary, second)

    assert secondary.secondary_proxy.counts()["PUT", "upload"] == 2
    assert bytes_of_blobs(secondary) > 0


def test_an_upgrade_finds_a_table_without_hints_and_fills_it(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    first = make.image(f"{repository}/a", "v1", layers=5)
    sync(secondary, first)
    for key in [key for key in secondary.store.table if key.repository.startswith("blob#")]:
        del secondary.store.table[key]
    requests = []
    for name in ("b", "c"):
        made = also_in(make, first, f"{repository}/{name}")
        secondary.reset()
        sync(secondary, made)
        requests.append(secondary.requests())
    assert requests == [3 * 5 + 6, 9]


def test_a_mount_asks_for_a_token_that_names_both_repositories(
    primary: Place, token_registry: Place, token_service: TokenService, make: ImageMaker, repository: str
) -> None:
    secondary = Secondary(primary, token_registry, accesses=(primary.credentials, token_registry.credentials))
    try:
        first = make.image(f"{repository}/a", "v1", layers=5)
        sync(secondary, first)
        second = also_in(make, first, f"{repository}/b")
        secondary.reset()
        token_service.requests.clear()

        sync(secondary, second)

        assert bytes_of_blobs(secondary) == 0
        asked = [one for one in map(str, token_service.requests) if f"repository:{first.repository}:pull" in one]
        assert len(asked) == 1, "one token for all of its blobs"
        assert f"repository:{second.repository}:pull,push" in asked[0]
    finally:
        secondary.close()


def digests_of(layers: Sequence[Descriptor]) -> set[str]:
    return {layer["digest"] for layer in layers}


def size_of(make: ImageMaker, made: Made, digest: str) -> int:
    answer = make.send("HEAD", f"/v2/{made.repository}/blobs/{digest}", made.repository)
    return int(answer.headers["Content-Length"])
