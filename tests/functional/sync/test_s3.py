"""functions/sync where both registries keep their layers in buckets: S3 copies them, and the probe proves it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest
from local.registries import S3, RegistrySpec, RunningRegistry, RunningS3, start, start_s3
from tests.functional.sync.parts import DONE, Site, handle, push
from tests.support.images import OCI_LAYER, ImageMaker
from tests.support.s3_double import S3Double, refusal

from geosync.copying.s3.copier import LEAST
from geosync.copying.s3.layout import Bucket
from geosync.copying.s3.showing import REPOSITORY

PRIMARY, LOCAL = Bucket("primary-layers", "registry"), Bucket("local-layers")
PROBE = {"probe": "s3", "repository": None}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningS3]:
    running = start_s3(tmp_path_factory.mktemp("s3"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def on_s3(
    store: RunningS3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningRegistry, RunningRegistry]]:
    running = []
    for name, bucket in (("on-s3-primary", PRIMARY), ("on-s3-local", LOCAL)):
        store.make_bucket(bucket.name)
        storage = S3(endpoint=store.url, bucket=bucket.name, root=f"/{bucket.root}", redirect=False)
        running.append(start(RegistrySpec(name=name, storage=storage), tmp_path_factory.mktemp(name)))
    yield running[0], running[1]
    for one in running:
        one.stop()


@pytest.fixture
def double(aws: pytest.MonkeyPatch, store: RunningS3) -> Iterator[S3Double]:
    with closing(S3Double(store.url)) as one:
        aws.setenv("AWS_ENDPOINT_URL_S3", one.url)
        aws.setenv("PRIMARY_REGISTRY_BUCKET", f"{PRIMARY.name}/{PRIMARY.root}")
        aws.setenv("LOCAL_REGISTRY_BUCKET", LOCAL.name)
        yield one


@pytest.fixture
def s3_site(
    aws: pytest.MonkeyPatch, double: S3Double, on_s3: tuple[RunningRegistry, RunningRegistry]
) -> Iterator[Site]:
    one = Site(*on_s3)
    for name, value in one.environment().items():
        aws.setenv(name, value)
    yield one
    one.make.close()


@pytest.fixture
def make(s3_site: Site) -> Iterator[ImageMaker]:
    with ImageMaker(s3_site.primary.url, seed=time.time_ns()) as maker:
        yield maker


def test_a_layer_is_copied_by_s3_and_a_bucket_that_refuses_has_it_streamed(
    s3_site: Site, double: S3Double, make: ImageMaker, repository: str, log: Callable[[], list[dict[str, Any]]]
) -> None:
    def layer() -> dict[str, Any]:
        return make.blob(repository, os.urandom(LEAST), OCI_LAYER)

    first = make.image(repository, "v1", layers=0, reuse=[layer()])
    assert handle(push(first)) == DONE
    assert s3_site.digest(repository, "v1") == first.digest
    (copied,) = [line for line in log() if line["message"] == "layers_copied_by_s3"]
    assert (copied["layers"], copied["bytes"]) == (1, LEAST)
    assert double.bytes_moved < 10_000

    double.fail("upload_part_copy", refusal(403, "AccessDenied"), times=100)
    second = make.image(repository, "v2", layers=0, reuse=[layer()])
    assert handle(push(second)) == DONE
    assert s3_site.digest(repository, "v2") == second.digest
    (said,) = [line for line in log() if line["message"] == "layers_not_copied_by_s3"]
    assert "AccessDenied" in said["reason"]


def test_the_probe_says_ok_and_leaves_no_link(
    s3_site: Site, double: S3Double, make: ImageMaker, store: RunningS3, repository: str
) -> None:
    make.index(repository, "v1", children=1)

    answer = handle({"probe": "s3", "repository": repository})

    assert answer["result"] == "ok"
    client = boto3.client("s3", endpoint_url=store.url)
    prefix = f"docker/registry/v2/repositories/{REPOSITORY}/"
    assert "Contents" not in client.list_objects_v2(Bucket=LOCAL.name, Prefix=prefix)
    assert double.operations[-1] == "delete_object"


WRONG = {
    "the primary's root directory": ("NoSuchKey", {"PRIMARY_REGISTRY_BUCKET": PRIMARY.name}),
    "the local root directory": ("does not show", {"LOCAL_REGISTRY_BUCKET": f"{LOCAL.name}/elsewhere"}),
    "the vendor": (
        "no bucket of yours",
        {
            "LOCAL_REGISTRY_VENDOR": "ecr",
            "LOCAL_REGISTRY_URL": "https://111122223333.dkr.ecr.eu-west-1.amazonaws.com",
        },
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_the_probe_names_what_is_wrong(
    s3_site: Site, aws: pytest.MonkeyPatch, make: ImageMaker, repository: str, what: str
) -> None:
    make.image(repository, "v1", layers=1)
    says, variables = WRONG[what]
    for name, value in variables.items():
        aws.setenv(name, value)

    answer = handle({"probe": "s3", "repository": repository})

    assert answer["result"] == "problem"
    assert says in answer["text"]


def test_the_probe_copies_only_what_the_site_replicates(
    s3_site: Site, aws: pytest.MonkeyPatch, double: S3Double, make: ImageMaker, store: RunningS3, repository: str
) -> None:
    """The first repository of the catalogue, and the first tag of the selected one, are outside."""
    selected = f"{repository}/selected"
    outside = [make.image(f"{repository}/a", "v1", layers=1), make.image(selected, "a", layers=1)]
    inside = make.image(selected, "v1", layers=1)
    aws.setenv("INCLUDE_REPOSITORIES", selected)
    aws.setenv("INCLUDE_TAGS", "v*")
    client = boto3.client("s3", endpoint_url=store.url)

    def is_here(digest: str) -> bool:
        return "Contents" in client.list_objects_v2(Bucket=LOCAL.name, Prefix=LOCAL.data_key(digest))

    with double.watched() as asked:
        refused = handle({"probe": "s3", "repository": f"{repository}/a"})
    assert (refused["result"], asked) == ("unknown", [])
    assert "outside the selection" in refused["text"]
    assert handle(PROBE)["result"] == "ok"
    assert [digest for made in outside for digest in made.blobs if is_here(digest)] == []
    assert len([digest for digest in inside.blobs if is_here(digest)]) == 1


@pytest.mark.parametrize("operation", ["upload_part_copy", "put_object"])
def test_a_link_that_cannot_be_taken_back_hides_no_cause(
    s3_site: Site, double: S3Double, make: ImageMaker, repository: str, operation: str
) -> None:
    make.image(repository, "v1", layers=1)
    double.fail(operation, refusal(403, "TheCause"), times=100)
    double.fail("delete_object", refusal(403, "AtTheEnd"), times=100)

    answer = handle({"probe": "s3", "repository": repository})

    assert answer["result"] == "problem"
    assert "TheCause" in answer["text"]
    assert "delete_object" not in double.operations, "no link was put"


def test_a_registry_that_does_not_show_the_copy_is_the_cause(
    s3_site: Site, aws: pytest.MonkeyPatch, double: S3Double, make: ImageMaker, repository: str
) -> None:
    make.image(repository, "v1", layers=1)
    aws.setenv("LOCAL_REGISTRY_BUCKET", f"{LOCAL.name}/elsewhere")
    double.fail("delete_object", refusal(403, "AtTheEnd"), times=100)

    assert "does not show" in handle({"probe": "s3", "repository": repository})["text"]


@pytest.mark.parametrize("variable", ["LOCAL_REGISTRY_BUCKET", "LOCAL_REGISTRY_SECRET_ARN"])
def test_a_function_that_cannot_begin_says_why(s3_site: Site, aws: pytest.MonkeyPatch, variable: str) -> None:
    aws.setenv(variable, "No-such-thing")

    answer = handle(PROBE)

    assert answer["result"] == "problem"
    assert "cannot begin" in answer["text"]


def test_the_probe_of_a_site_without_buckets_or_images_says_that_nothing_is_known(site: Site, repository: str) -> None:
    assert handle(PROBE)["result"] == "unknown"
