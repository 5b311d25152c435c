"""Amazon ECR of the AWS emulator, API and data plane, with the permissions that the template gives and no others.

The emulator enforces IAM for the API. Its data plane asks for no password; the rules of that are the double's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from local.emulator import ACCOUNT, RunningEmulator, make_user, start_emulator
from tests.integration.conftest import Place
from tests.integration.secondary import Secondary, event, pushed
from tests.support.images import ImageMaker
from tests.unit.template.parts import actions, statements

from geosync.errors import Denied
from geosync.messages.work import WorkMessage
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.registries.registry import Registry
from geosync.registries.vendors.ecr import Ecr, EcrAccess
from geosync.sync_registry.items import SYNCED, Reference

REGION = "eu-west-1"
HERE = EcrAccess(account=ACCOUNT, region=REGION, repository_tags={"team": "geo"})


def policy(*sids: str) -> dict[str, Any]:
    """These statements of the template, for the emulator's account and region."""
    allowed = [
        {
            "Effect": "Allow",
            "Action": actions(statement),
            "Resource": "*" if statement["Resource"] == "*" else f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/*",
        }
        for statement in statements("SyncRole")
        if statement["Sid"] in sids
    ]
    assert len(allowed) == len(sids)
    # AWS asks for repository/* when no repository is named, the emulator for everything.
    named = "ecr:DescribeRepositories"
    if any(named in statement["Action"] for statement in allowed):
        allowed.append({"Effect": "Allow", "Action": [named], "Resource": "*"})
    return {"Version": "2012-10-17", "Statement": allowed}


@dataclass(frozen=True)
class Aws:
    emulator: RunningEmulator
    environment: pytest.MonkeyPatch

    @property
    def url(self) -> str:
        return self.emulator.url

    def become(self, name: str, *sids: str) -> None:
        """Become a user with the permissions of these statements."""
        key = make_user(self.emulator, name, policy(*sids))
        self.environment.setenv("AWS_ACCESS_KEY_ID", key["aws_access_key_id"])
        self.environment.setenv("AWS_SECRET_ACCESS_KEY", key["aws_secret_access_key"])


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    running = start_emulator(tmp_path_factory.mktemp("emulator"), detached=False)
    yield running
    running.stop()


@pytest.fixture
def emulated(emulator: RunningEmulator, aws: pytest.MonkeyPatch) -> Aws:
    aws.setenv("AWS_ENDPOINT_URL", emulator.url)
    return Aws(emulator, aws)


def test_pushes_deletes_and_comparisons_reach_ecr_with_the_template_s_permissions(
    emulated: Aws, plain_registry: Place, repository: str
) -> None:
    emulated.become("secondary", "GetEcrTokens", "ManageEcr")
    secondary = Secondary(plain_registry, emulated, vendors=(Registry, Ecr), accesses=(Anonymous(), HERE), probing=True)
    with plain_registry.maker(seed=time.time_ns()) as make:
        image, index = make.image(repository, "v1"), make.index(repository, "multi")
        secondary.receive(pushed(image), pushed(index))
        secondary.sweep_until(lambda: not secondary.owed(repository))
        assert secondary.digest(repository, "v1") == image.digest
        assert secondary.digest(repository, "multi") == index.digest

        there = emulated.emulator.client("ecr", REGION)
        (made,) = there.describe_repositories(repositoryNames=[repository])["repositories"]
        assert there.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"] == [
            {"Key": "team", "Value": "geo"}
        ]
        assert tags(there, repository) == {"v1": image.digest, "multi": index.digest}

        make.delete(image)
        secondary.receive(event("deleted", repository, tag="v1"))
        secondary.sweep_until(lambda: not secondary.owed(repository))
        assert tags(there, repository) == {"multi": index.digest}

    secondary.receive(WorkMessage(repository=repository, reason="resync", references=(Reference.whole(),)).to_json())
    secondary.sweep_until(lambda: not secondary.owed(repository))
    assert secondary.row(repository).state == SYNCED
    secondary.close()


def test_a_primary_in_ecr_is_walked_and_read_with_the_template_s_permissions(
    emulated: Aws, second_registry: Place, repository: str
) -> None:
    emulated.emulator.client("ecr", REGION).create_repository(repositoryName=repository)
    emulated.become("primary", "GetEcrTokens", "ListEcr")
    secondary = Secondary(emulated, second_registry, vendors=(Ecr, Registry), accesses=(HERE, Anonymous()))
    with ImageMaker(emulated.url, seed=time.time_ns()) as make:
        made = make.index(repository, "multi")
    secondary.receive(json.dumps({"version": "1", "kind": "catalogue"}))
    secondary.sweep_until(lambda: secondary.digest(repository, "multi") == made.digest)
    secondary.close()


def test_without_the_statement_the_permission_is_named(emulated: Aws, repository: str) -> None:
    emulated.become("nobody", "GetEcrTokens")
    registry = Ecr(emulated.url, HERE, deadline=Deadline(), writes=True)
    with pytest.raises(Denied, match="check that the function's role may ecr:CreateRepository"):
        registry.put_small_blob(repository, f"sha256:{'0' * 64}", b"")
    registry.close()


def tags(there: Any, repository: str) -> dict[str, str]:
    listed = there.list_images(repositoryName=repository, filter={"tagStatus": "TAGGED"})["imageIds"]
    return {one["imageTag"]: one["imageDigest"] for one in listed}
