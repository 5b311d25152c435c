"""functions/sync between two registries of Amazon ECR: the calls of AWS's API that its role has to allow."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import boto3
import pytest
from local.registries import RunningRegistry
from tests.functional.sync.parts import DONE, Site, handle, push, sample, wake
from tests.support.images import ImageMaker
from tests.support.vendors.ecr import ACCOUNT, REGION, EcrDouble, Repository

from geosync.working.worker import ENOUGH_S

ROLE = f"arn:aws:iam::{ACCOUNT}:role/geosync"


@pytest.fixture
def ecr(
    site: Site, aws: pytest.MonkeyPatch, registries: tuple[RunningRegistry, RunningRegistry]
) -> Iterator[EcrDouble]:
    """Both registries of the site: the primary's, used by a role there, and below copy/ its own."""
    own = {"type": "ecr", "account": ACCOUNT, "region": REGION, "repository_tags": {"team": "geo"}}
    secrets = boto3.client("secretsmanager")
    arn = secrets.create_secret(Name="local-registry", SecretString=json.dumps(own))["ARN"]
    site.set_secret(json.dumps({"type": "ecr", "account": ACCOUNT, "region": REGION, "role_arn": ROLE}))
    with EcrDouble(registries[1].url) as double:
        aws.setenv("AWS_ENDPOINT_URL_ECR", double.url)
        for end in ("LOCAL", "PRIMARY"):
            aws.setenv(f"{end}_REGISTRY_URL", double.url)
            aws.setenv(f"{end}_REGISTRY_VENDOR", "ecr")
        aws.setenv("LOCAL_REGISTRY_SECRET_ARN", arn)
        aws.setenv("REPOSITORY_PREFIX", "copy")
        yield double


@pytest.fixture
def make(ecr: EcrDouble) -> Iterator[ImageMaker]:
    with ImageMaker(ecr.url, seed=time.time_ns(), username="AWS", password=ecr.password()) as maker:
        yield maker


def test_a_push_a_comparison_and_a_delete_go_from_ecr_to_ecr(
    site: Site, ecr: EcrDouble, make: ImageMaker, repository: str
) -> None:
    ecr.repositories[repository] = Repository(request={})
    gone, stays = make.image(repository, "1.0", layers=1), make.image(repository, "2.0", layers=1)

    assert handle(push(gone)) == DONE
    assert handle(push(stays)) == DONE
    copy = ecr.repositories[f"copy/{repository}"]
    assert copy.tags == {"1.0": gone.digest, "2.0": stays.digest}
    assert copy.request["tags"] == [{"Key": "team", "Value": "geo"}]

    assert handle(sample("sync-catalogue.json"), seconds=ENOUGH_S) == DONE
    assert site.owed(repository) == ["*"]
    assert handle(wake(repository), seconds=ENOUGH_S) == DONE
    assert site.owed(repository) == []
    assert ecr.calls["ListImages"] == 3  # each side's tags, and the primary's images without one

    del ecr.repositories[repository].tags["1.0"]
    assert handle(sample("sync-delete.json", repository=repository, tag="1.0")) == DONE
    assert copy.tags == {"2.0": stays.digest}


def test_an_archived_image_is_neither_removed_nor_restored_by_a_look(
    site: Site, ecr: EcrDouble, make: ImageMaker, repository: str
) -> None:
    primary = ecr.repositories[repository] = Repository(request={})
    image = make.image(repository, "1.0", layers=1)
    assert handle(push(image)) == DONE
    copy = ecr.repositories[f"copy/{repository}"]

    primary.archived.add(image.digest)
    for message in (sample("sync-catalogue.json"), wake(repository)):
        assert handle(message, seconds=ENOUGH_S) == DONE
    assert site.owed(repository) == [], "a comparison finds its tag listed, with the digest that is here"

    assert handle(sample("sync-delete.json", repository=repository, tag="1.0")) == DONE
    assert copy.tags == {"1.0": image.digest}
    assert "1.0 is archived at " in site.failure(repository, "tag#1.0")


def test_an_image_that_the_secondary_archived_is_not_pushed_again(
    site: Site, ecr: EcrDouble, make: ImageMaker, repository: str
) -> None:
    ecr.repositories[repository] = Repository(request={})
    image = make.image(repository, "1.0", layers=1)
    assert handle(push(image)) == DONE
    copy = ecr.repositories[f"copy/{repository}"]
    copy.archived.add(image.digest)

    assert handle(push(image, id="another")) == DONE

    assert copy.archived == {image.digest}
    assert "1.0 is archived at " in site.failure(repository, "tag#1.0")
