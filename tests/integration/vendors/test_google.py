"""Google Artifact Registry as its double has it: keys, federation with AWS, deletes, repositories."""

from __future__ import annotations

import pytest
from tests.integration.secondary import pushed
from tests.integration.vendors.world import MIB, World, wait_for
from tests.support.vendors.gar import GarDouble

from geosync.errors import ConfigurationError, Denied, NotFound, Unauthorized


def test_google_s_key_becomes_one_access_token(world: World, below: str) -> None:
    double = world.double("gar")
    secondary = world.into("gar", double)
    for number in range(3):
        secondary.receive(pushed(world.make.image(below, f"v{number}", layers=1)))
    wait_for(secondary, below)
    assert double.asked.count("jwt-bearer") == 1
    assert set(double.asked) == {"jwt-bearer", "oauth2accesstoken"}


def test_google_s_key_as_a_password_asks_no_one_else(world: World, below: str) -> None:
    double = world.double("gar")
    assert isinstance(double, GarDouble)
    world.beside.image(below, "v1", layers=1)
    assert world.open("gar", double, double.basic_secret).head_manifest(below, "v1") is not None
    assert set(double.asked) == {"_json_key_base64"}


def test_google_takes_this_function_s_aws_identity(world: World, no_aws: pytest.MonkeyPatch, below: str) -> None:
    double = world.double("gar")
    assert isinstance(double, GarDouble)
    no_aws.setenv("AWS_ACCESS_KEY_ID", double.aws_key)
    no_aws.setenv("AWS_SECRET_ACCESS_KEY", double.aws_secret)
    no_aws.setenv("AWS_SESSION_TOKEN", "a-session")
    no_aws.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    world.beside.image(below, "v1", layers=1)
    assert world.open("gar", double, double.federated_secret).head_manifest(below, "v1") is not None
    assert double.asked[:2] == ["token-exchange", "generateAccessToken"]

    no_aws.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(Unauthorized, match=r"AWS signature does not match: check the workload identity pool"):
        world.open("gar", double, double.federated_secret).head_manifest(below, "v1")


def test_google_s_impersonation_that_is_not_allowed_says_what_to_grant(
    world: World, no_aws: pytest.MonkeyPatch, below: str
) -> None:
    double = world.double("gar")
    assert isinstance(double, GarDouble)
    no_aws.setenv("AWS_ACCESS_KEY_ID", double.aws_key)
    no_aws.setenv("AWS_SECRET_ACCESS_KEY", double.aws_secret)
    no_aws.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    no_aws.setattr(double, "_federated", frozenset())
    no_aws.setattr(double, "_sts", lambda _: double.document({"access_token": "ya29.d.other", "expires_in": 60}))
    with pytest.raises(Denied, match=r"PERMISSION_DENIED.*workloadIdentityUser"):
        world.open("gar", double, double.federated_secret).head_manifest(below, "v1")


def test_without_aws_credentials_a_federation_says_so(world: World, below: str) -> None:
    double = world.double("gar")
    assert isinstance(double, GarDouble)
    with pytest.raises(ConfigurationError, match="no AWS credentials"):
        world.open("gar", double, double.federated_secret).head_manifest(below, "v1")


def test_google_s_layers_come_in_one_piece_whatever_their_size(world: World, below: str) -> None:
    double = world.double("gar")
    secondary = world.into("gar", double)
    made = world.make.image(below, "large", layers=1, size=21 * MIB)
    secondary.receive(pushed(made))
    wait_for(secondary, below)
    assert secondary.digest(below, "large") == made.digest
    assert max(len(request.body) for request in double.requests) >= 21 * MIB


def test_google_s_digest_is_deleted_after_its_tags(world: World, below: str) -> None:
    double = world.double("gar")
    registry = world.open("gar", double)
    image = world.beside.image(below, "v1", layers=1)
    world.beside.retag(image, "v2")
    kept = world.beside.image(below, "v3", layers=1)
    registry.delete_manifest(below, image.digest)
    assert registry.head_manifest(below, image.digest) is None
    assert registry.head_manifest(below, "v1") is None
    assert [one.tag for page in registry.tags_with_digests(below) for one in page] == [kept.reference]


def test_google_s_repository_that_is_not_there_says_how_it_is_made(world: World) -> None:
    double = world.double("gar")
    registry = world.open("gar", double)
    with pytest.raises(NotFound, match=r"no repository my-project/none.*gcloud artifacts repositories create"):
        registry.begin_upload("my-project/none/app")
