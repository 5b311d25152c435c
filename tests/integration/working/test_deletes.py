"""Tags and digests that are deleted at the primary, and what stays."""

from __future__ import annotations

import json

import pytest
import requests
from tests.integration.conftest import Place
from tests.integration.secondary import Secondary, event, pushed
from tests.support.images import ImageMaker

from geosync.sync_registry.items import SYNCED
from geosync.syncing import reference


def delete(place: Place, repository: str, digest: str) -> None:
    answer = requests.delete(f"{place.url}/v2/{repository}/manifests/{digest}", timeout=60)
    assert answer.status_code == 202, answer.text


# ------------------------------------------------------------------------------------------------------------- deletes


def test_a_deleted_tag_is_removed_and_its_siblings_stay(
    secondary: Secondary, plain_registry: Place, make: ImageMaker, repository: str
) -> None:
    made = make.image(repository, "v1")
    secondary.receive(pushed(made))
    # The secondary has a sibling of its own on the very digest: no event ever named it.
    secondary.put(repository, "ours", made)
    delete(plain_registry, repository, made.digest)

    secondary.receive(event("deleted", repository, tag="v1"))
    secondary.sweep_until(lambda: not secondary.owed(repository))

    assert secondary.digest(repository, "v1") is None
    assert secondary.digest(repository, "ours") == made.digest
    assert secondary.row(repository).state == SYNCED


def test_a_delete_that_names_only_the_digest_takes_its_tags_and_no_other(
    secondary: Secondary, plain_registry: Place, make: ImageMaker, repository: str
) -> None:
    gone, stays = make.image(repository, "v1"), make.image(repository, "other")
    make.put(repository, "v2", json.loads(gone.content))
    secondary.receive(pushed(gone), pushed(gone, tag="v2"), pushed(stays))
    delete(plain_registry, repository, gone.digest)

    secondary.receive(event("deleted", repository, digest=gone.digest))
    secondary.sweep_until(lambda: not secondary.owed(repository))

    assert secondary.digest(repository, "v1") is None
    assert secondary.digest(repository, "v2") is None
    assert secondary.digest(repository, "other") == stays.digest


def test_a_layer_that_was_deleted_and_pushed_again_is_no_manifest_that_fails(
    secondary: Secondary,
    plain_registry: Place,
    make: ImageMaker,
    repository: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Distribution announces a deleted layer as it does a manifest, and answers 500 where a layer is asked for as one.

    Both registries do here: the secondary has the layer, too.
    """
    monkeypatch.setattr(reference, "PAUSES_AFTER_500_S", ())
    made = make.image(repository, "v1")
    secondary.receive(pushed(made))
    (layer, *_) = json.loads(made.content)["layers"]
    content = requests.get(f"{plain_registry.url}/v2/{repository}/blobs/{layer['digest']}", timeout=60).content
    answer = requests.delete(f"{plain_registry.url}/v2/{repository}/blobs/{layer['digest']}", timeout=60)
    assert answer.status_code == 202, answer.text
    assert make.blob(repository, content, layer["mediaType"]) == layer
    asked = requests.head(f"{plain_registry.url}/v2/{repository}/manifests/{layer['digest']}", timeout=60)
    assert asked.status_code == 500, "where it is 404, this test shows nothing"

    secondary.receive(event("deleted", repository, digest=layer["digest"]))

    assert not secondary.owed(repository)
    assert secondary.digest(repository, "v1") == made.digest
    assert secondary.row(repository).state == SYNCED


def test_a_tag_that_geosync_never_saw_is_not_removed(
    secondary: Secondary, second_registry: Place, repository: str
) -> None:
    with second_registry.maker(seed=7) as there:
        own = there.image(repository, "v1")

    secondary.receive(event("deleted", repository, tag="v1"))
    secondary.sweep_until(lambda: not secondary.owed(repository))

    assert secondary.digest(repository, "v1") == own.digest


def test_a_push_after_the_delete_survives_it(
    secondary: Secondary, plain_registry: Place, make: ImageMaker, repository: str
) -> None:
    made = make.image(repository, "v1")
    secondary.receive(pushed(made))
    delete(plain_registry, repository, made.digest)
    again = make.image(repository, "v1")

    secondary.receive(pushed(again), event("deleted", repository, tag="v1"))
    secondary.sweep_until(lambda: not secondary.owed(repository))

    assert secondary.digest(repository, "v1") == again.digest


def test_a_late_push_event_does_not_resurrect_a_deleted_tag(
    secondary: Secondary, plain_registry: Place, make: ImageMaker, repository: str
) -> None:
    made = make.image(repository, "v1")
    secondary.receive(pushed(made))
    delete(plain_registry, repository, made.digest)
    secondary.receive(event("deleted", repository, tag="v1"))
    secondary.sweep_until(lambda: not secondary.owed(repository))

    secondary.receive(pushed(made))
    secondary.sweep_until(lambda: not secondary.owed(repository))

    assert secondary.digest(repository, "v1") is None


def test_under_the_policy_keep_nothing_is_removed(
    plain_registry: Place, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    secondary = Secondary(plain_registry, second_registry, removals=False)
    made = make.image(repository, "v1")
    secondary.receive(pushed(made))
    delete(plain_registry, repository, made.digest)
    secondary.receive(event("deleted", repository, tag="v1"))
    secondary.sweep_until(lambda: not secondary.owed(repository))
    assert secondary.digest(repository, "v1") == made.digest
    secondary.close()
