"""S3 to S3 on the deployed stack: oregon follows a primary that stores on S3, too, and S3 copies the layers.

The primary's registry of the stack keeps its layers in files. Another registry stands for it here, on the S3 that
oregon's has: the same images are pushed to both, and the stack's own tells of them. S3's checksums are the double's.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from local import deploy
from local.registries import S3, RegistrySpec, RunningRegistry, RunningS3, start
from local.stack import SITES, Stack
from local.wiring import STORES_ON_S3
from tests.e2e.parts import Site, eventually
from tests.e2e.registries import assert_same, digest, maker, maker_at
from tests.support.images import OCI_LAYER
from tests.support.proxy import CountingProxy
from tests.support.s3_double import S3Double

from geosync.copying.s3.copier import LEAST

BUCKET = "primary-layers"
LAYERS = 3


@dataclass(frozen=True, kw_only=True)
class Between:
    """The counting proxies between functions/sync of a site, both registries and S3."""

    primary: CountingProxy
    local: CountingProxy
    s3: S3Double

    def layer_bytes(self) -> int:
        """Bytes of large layers that came through the function."""
        read = [one.received for one in self.primary.exchanges if one.kind == "blob" and one.received >= LEAST]
        sent = [one.sent for one in self.local.exchanges if one.kind == "upload" and one.sent >= LEAST]
        return sum(read) + sum(sent)


@pytest.fixture
def oregon(secondaries: list[Site]) -> Site:
    return next(one for one in secondaries if one.name == STORES_ON_S3)


@pytest.fixture
def storage(oregon: Site) -> S3:
    """The storage of oregon's registry, as it is configured."""
    configured = json.loads((Path(oregon.about["registry_folder"]) / "registry.json.yml").read_text())["storage"]["s3"]
    return S3(endpoint=configured["regionendpoint"], bucket=configured["bucket"], root=configured["rootdirectory"])


@pytest.fixture
def on_s3(storage: S3, tmp_path: Path) -> Iterator[RunningRegistry]:
    """A registry for the primary's part, in a bucket of its own."""
    RunningS3(url=storage.endpoint, pid=0, folder=tmp_path).make_bucket(BUCKET)
    kept = S3(endpoint=storage.endpoint, bucket=BUCKET, redirect=False)  # all bytes by the proxy
    registry = start(RegistrySpec(name="on-s3", storage=kept), tmp_path)
    yield registry
    registry.stop()


@contextmanager
def between(site: Site, primary: RunningRegistry, s3: S3Double) -> Iterator[Between]:
    """Route the deployed functions/sync of a site to the registries and S3 through counting proxies."""
    client, name = site.client("lambda"), site.about["functions"]["sync"]
    before = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    with CountingProxy(primary.url) as there, CountingProxy(site.about["registry"]) as here:
        more = {
            "PRIMARY_REGISTRY_URL": there.url,
            "PRIMARY_REGISTRY_SECRET_ARN": "",
            "LOCAL_REGISTRY_URL": here.url,
            "AWS_ENDPOINT_URL_S3": s3.url,
        }
        client.update_function_configuration(FunctionName=name, Environment={"Variables": before | more})
        try:
            yield Between(primary=there, local=here, s3=s3)
        finally:
            client.update_function_configuration(FunctionName=name, Environment={"Variables": before})


@contextmanager
def told_the_buckets(stack: Stack, site: Site, storage: S3) -> Iterator[None]:
    """Update a site's stack with both buckets, as its operator does; afterwards it is as before."""
    (deployed,) = [one for one in SITES if one.name == site.name]
    told = {
        "PrimaryRegistryBucket": f"{BUCKET}{S3(endpoint='', bucket=BUCKET).root}",
        "LocalRegistryBucket": f"{storage.bucket}{storage.root}",
    }
    deploy.change(stack.emulator, deployed, told)
    try:
        yield
    finally:
        deploy.change(stack.emulator, deployed, dict.fromkeys(told, ""))


def test_s3_copies_the_layers_and_what_it_does_not_prove_is_streamed(
    stack: Stack, primary: Site, oregon: Site, storage: S3, on_s3: RunningRegistry
) -> None:
    repository = f"e2e/s3/{uuid.uuid4().hex[:10]}"
    with (
        told_the_buckets(stack, oregon, storage),
        closing(S3Double(storage.endpoint)) as s3,
        between(oregon, on_s3, s3) as counted,
        maker_at(on_s3.url) as make,
        maker(primary) as tells,
        maker(oregon) as there,
    ):

        def push(tag: str, layers: int) -> str:
            contents = [os.urandom(LEAST) for _ in range(layers)]
            made = make.image(
                repository, tag, layers=0, reuse=[make.blob(repository, one, OCI_LAYER) for one in contents]
            )
            config = make.send("GET", f"/v2/{repository}/blobs/{made.blobs[0]}", repository).content
            for content in (*contents, config):
                tells.blob(repository, content, OCI_LAYER)
            tells.retag(made, tag)
            return made.digest

        first = push("v1", LAYERS)
        eventually(lambda: digest(there, repository, "v1") == first, what="the image")
        assert_same(make, there, repository, "v1")
        assert counted.s3.operations.count("upload_part_copy") == LAYERS
        assert counted.layer_bytes() == 0
        assert counted.s3.bytes_moved < LEAST
        eventually(lambda: copied(oregon, repository) == [LAYERS], what="the log of the copy")

        counted.s3.computes_checksums = False  # what S3 does not prove is not linked
        second = push("v2", 1)
        eventually(lambda: digest(there, repository, "v2") == second, what="the image that is streamed")
        assert_same(make, there, repository, "v2")
        assert counted.layer_bytes() == 2 * LEAST
        assert counted.s3.uploads_left() == 0


def copied(site: Site, repository: str) -> list[int]:
    """The layers that a site's log says S3 copied to a repository."""
    lines = [line for line in site.log("sync") if line.get("message") == "layers_copied_by_s3"]
    return [line["layers"] for line in lines if line["repository"] == repository]
