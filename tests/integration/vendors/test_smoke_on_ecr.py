"""geosync smoke at Amazon ECR, as the double has it: a push into nothing, a read, the delete of a tag."""

from __future__ import annotations

from tests.support.vendors.ecr import ACCOUNT, REGION, EcrDouble

from geosync.cli.smoke.names import TAG, SmokeNames
from geosync.cli.smoke.registries import delete_tag
from geosync.drilling.canary import Canary
from geosync.oci.deadline import Deadline
from geosync.oci.repository import Repository
from geosync.registries.vendors.ecr import Ecr, EcrAccess

NAMES = SmokeNames("0123456789")


def test_a_push_makes_the_repository_with_the_tag_and_a_tag_is_deleted_by_its_name(ecr: EcrDouble) -> None:
    access = EcrAccess(account=ACCOUNT, region=REGION, repository_tags={TAG: NAMES.id})
    registry = Ecr(ecr.url, access, deadline=Deadline(), writes=True)
    there, image = Repository(registry, NAMES.repository), Canary.of("0123456789 first", "geosync smoke")
    image.push(there, "pushed")
    assert ecr.repositories[NAMES.repository].request["tags"] == [{"Key": TAG, "Value": NAMES.id}]
    found = there.get_manifest("pushed")
    assert found is not None
    assert found.content == image.manifest.content
    delete_tag(there, "pushed", image.digest)
    assert there.head_manifest("pushed") is None
    assert ecr.calls["BatchDeleteImage"] == 1
    registry.close()
