"""Amazon ECR mounts a layer from another repository only where the account is set so; without, nothing costs more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.integration.conftest import Place
from tests.integration.secondary import Secondary, pushed
from tests.support.images import ImageMaker, Made
from tests.support.vendors.ecr import ACCOUNT, REGION, EcrDouble

from geosync.errors import Denied
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.registries.registry import Registry
from geosync.registries.vendors.ecr import Ecr, EcrAccess
from geosync.sync_registry.items import SYNCED

HERE = EcrAccess(account=ACCOUNT, region=REGION)


@pytest.fixture
def secondary(plain_registry: Place, ecr: EcrDouble) -> Iterator[Secondary]:
    one = Secondary(plain_registry, ecr, vendors=(Registry, Ecr), accesses=(Anonymous(), HERE), probing=True)
    yield one
    one.close()


@pytest.fixture
def registry(ecr: EcrDouble) -> Iterator[Ecr]:
    one = Ecr(ecr.url, HERE, deadline=Deadline(), writes=True)
    yield one
    one.close()


def sync_to_two(secondary: Secondary, make: ImageMaker, repository: str) -> tuple[int, dict[tuple[str, str], int]]:
    """Bring an image to a second repository; returns its blobs that were read, and the requests to ECR."""
    first = make.image(f"{repository}/a", "v1", layers=5)
    secondary.receive(pushed(first))
    second = also_in(make, first, f"{repository}/b")
    secondary.reset()
    secondary.receive(pushed(second))
    assert secondary.row(second.repository).state == SYNCED
    requests = dict(secondary.secondary_proxy.counts())
    assert secondary.digest(second.repository, "v1") == second.digest
    return secondary.primary_proxy.counts().get(("GET", "blob"), 0), requests


def also_in(make: ImageMaker, made: Made, repository: str) -> Made:
    for digest in made.blobs:
        make.send("POST", f"/v2/{repository}/blobs/uploads/?mount={digest}&from={made.repository}", repository)
    return make.retag(replace(made, repository=repository), made.reference)


def test_with_the_accounts_setting_layers_are_mounted(
    secondary: Secondary, ecr: EcrDouble, make: ImageMaker, repository: str
) -> None:
    ecr.mounts_blobs = True
    read, requests = sync_to_two(secondary, make, repository)
    assert read == 0
    assert requests["POST", "uploads"] == 6
    assert ("PUT", "upload") not in requests


def test_without_the_setting_a_copy_costs_no_extra_request_and_logs_nothing_about_mounts(
    secondary: Secondary, make: ImageMaker, repository: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING")
    read, requests = sync_to_two(secondary, make, repository)
    assert read == 6
    assert (requests["HEAD", "blob"], requests["POST", "uploads"], requests["PUT", "upload"]) == (6, 6, 6)
    assert [one.message for one in caplog.records if "mounted" in one.message] == []


def test_the_setting_is_asked_for_and_the_way_to_it_is_a_command(registry: Ecr, ecr: EcrDouble) -> None:
    command = f"aws ecr put-account-setting --region {REGION} --name BLOB_MOUNTING --value ENABLED"
    assert registry.mounting_advice() == command
    ecr.mounts_blobs = True
    assert registry.mounting_advice() is None
    ecr.may_not.add("ecr:GetAccountSetting")
    with pytest.raises(Denied, match="ecr:GetAccountSetting"):
        registry.mounting_advice()
