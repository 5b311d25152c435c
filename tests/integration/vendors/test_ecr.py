"""Amazon ECR as its double has it: passwords that end, repositories to be made, immutable tags, deletes, limits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from tests.integration.conftest import Place
from tests.integration.secondary import Secondary, event, pushed
from tests.integration.vendors.world import settle, wait_for
from tests.support.images import ImageMaker
from tests.support.proxy import Call, Cut
from tests.support.vendors.ecr import ACCOUNT, MIB, REGION, EcrDouble, Repository

from geosync.errors import Denied, Refused, RegistryUnavailable
from geosync.messages.work import WorkMessage
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.registries.registry import Registry
from geosync.registries.vendors.ecr import Ecr, EcrAccess
from geosync.sync_registry.items import FAILED, SYNCED, Reference

HERE = EcrAccess(account=ACCOUNT, region=REGION)


@pytest.fixture
def follow(plain_registry: Place, ecr: EcrDouble) -> Iterator[Callable[[EcrAccess], Secondary]]:
    """Make secondaries in ECR of `plain_registry`."""
    made: list[Secondary] = []

    def begin(access: EcrAccess = HERE) -> Secondary:
        made.append(
            Secondary(plain_registry, ecr, vendors=(Registry, Ecr), accesses=(Anonymous(), access), probing=True)
        )
        return made[-1]

    yield begin
    for one in made:
        one.close()


@pytest.fixture
def secondary(follow: Callable[[], Secondary]) -> Secondary:
    return follow()


@pytest.fixture
def registry(ecr: EcrDouble) -> Iterator[Ecr]:
    one = Ecr(ecr.url, HERE, deadline=Deadline(), writes=True)
    yield one
    one.close()


# ------------------------------------------------------------------------------------------------- repositories


def test_a_repository_is_made_with_what_the_secret_says_and_everything_arrives(
    follow: Callable[[EcrAccess], Secondary], ecr: EcrDouble, make: ImageMaker, repository: str
) -> None:
    access = EcrAccess(
        account=ACCOUNT,
        region=REGION,
        repository_tags={"team": "geo"},
        scan_on_push=True,
        kms_key=f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1",
    )
    secondary = follow(access)
    image, index = make.image(repository, "v1"), make.index(repository, "multi")

    secondary.receive(pushed(image), pushed(index))
    wait_for(secondary, repository)

    assert ecr.repositories[repository].tags == {"v1": image.digest, "multi": index.digest}
    assert secondary.row(repository).state == SYNCED
    assert ecr.repositories[repository].request == {
        "registryId": ACCOUNT,
        "repositoryName": repository,
        "tags": [{"Key": "team", "Value": "geo"}],
        "imageTagMutability": "MUTABLE",
        "imageScanningConfiguration": {"scanOnPush": True},
        "encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"},
    }
    assert ecr.calls == {"GetAuthorizationToken": 1, "CreateRepository": 1}


def test_who_makes_it_first_does_not_matter(registry: Ecr, ecr: EcrDouble, repository: str) -> None:
    ecr.repositories[repository] = Repository(request={})
    assert registry.make_repository(repository)


def test_many_threads_that_miss_a_repository_make_it_once(registry: Ecr, ecr: EcrDouble, repository: str) -> None:
    threads = [threading.Thread(target=registry.begin_upload, args=(repository,)) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert ecr.calls["CreateRepository"] == 1


def test_where_repositories_are_not_ours_to_make_that_is_said(
    follow: Callable[[EcrAccess], Secondary], ecr: EcrDouble, make: ImageMaker, repository: str
) -> None:
    secondary = follow(EcrAccess(account=ACCOUNT, region=REGION, create_repositories=False))
    secondary.receive(pushed(make.image(repository, "v1")))
    settle(secondary, repository)
    assert ecr.calls["CreateRepository"] == 0
    assert "NAME_UNKNOWN" in (secondary.owed(repository)[0].failure or "")


def test_a_permission_that_is_missing_is_named(
    secondary: Secondary, ecr: EcrDouble, make: ImageMaker, repository: str
) -> None:
    ecr.may_not.add("ecr:CreateRepository")
    made = make.image(repository, "v1")
    secondary.receive(pushed(made))
    settle(secondary, repository)
    said = secondary.owed(repository)[0].failure or ""
    assert "check that the function's role may ecr:CreateRepository in account 111122223333, eu-west-1" in said
    ecr.may_not.clear()
    again = WorkMessage(repository=repository, reason="resync", references=(Reference.tag("v1"),))
    secondary.receive(again.to_json())
    wait_for(secondary, repository)
    assert secondary.digest(repository, "v1") == made.digest


def test_a_403_of_the_registry_is_not_a_401_and_says_what_to_allow(
    registry: Ecr, ecr: EcrDouble, repository: str
) -> None:
    ecr.may_not.add("ecr:InitiateLayerUpload")
    with pytest.raises(Denied) as caught:
        registry.begin_upload(repository)
    assert "not authorized to perform: ecr:InitiateLayerUpload" in str(caught.value)
    assert f"check that the account may pull and push in repository {repository}" in str(caught.value)


# --------------------------------------------------------------------------------------------------------- the token


def test_a_token_is_asked_for_once_and_again_half_an_hour_before_it_ends(ecr: EcrDouble, repository: str) -> None:
    for seconds, asked in ((12 * 3600, 1), (30 * 60 - 1, 4)):
        ecr.token_seconds = seconds
        ecr.calls.clear()
        registry = Ecr(ecr.url, HERE, deadline=Deadline(), writes=True)
        for _ in range(4):
            registry.ping()
        registry.close()
        assert ecr.calls["GetAuthorizationToken"] == asked


def test_tokens_that_end_in_the_middle_of_a_copy_are_replaced(
    secondary: Secondary, ecr: EcrDouble, make: ImageMaker, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("geosync.oci.account.FRESH_S", 0.0)
    secondary.receive(pushed(make.image(repository, "v0", layers=1)))
    made = make.index(repository, "multi", children=2, layers=2)
    secondary.secondary_proxy.add(Call(method="POST", kind="uploads", nth=3, before=ecr.expire_tokens))

    secondary.receive(pushed(made))

    wait_for(secondary, repository)
    assert secondary.digest(repository, "multi") == made.digest
    assert ecr.calls["GetAuthorizationToken"] >= 2


def test_without_credentials_of_aws_the_error_says_so(aws: pytest.MonkeyPatch, ecr: EcrDouble) -> None:
    aws.delenv("AWS_ACCESS_KEY_ID")
    aws.delenv("AWS_SECRET_ACCESS_KEY")
    registry = Ecr(ecr.url, HERE, deadline=Deadline())
    with pytest.raises(Denied, match="no AWS credentials"):
        registry.ping()
    registry.close()


def test_an_api_that_does_not_answer_holds_the_registry(aws: pytest.MonkeyPatch, ecr: EcrDouble) -> None:
    aws.setenv("AWS_ENDPOINT_URL_ECR", "http://127.0.0.1:1")
    registry = Ecr(ecr.url, HERE, deadline=Deadline())
    with pytest.raises(RegistryUnavailable, match="ecr:GetAuthorizationToken"):
        registry.ping()
    registry.close()


# -------------------------------------------------------------------------------------------------------------- tags


def test_an_immutable_tag_that_is_right_is_success_and_one_that_is_not_a_clear_conflict(
    follow: Callable[[EcrAccess], Secondary], ecr: EcrDouble, make: ImageMaker, repository: str
) -> None:
    secondary = follow(EcrAccess(account=ACCOUNT, region=REGION, immutable_tags=True))
    first = make.image(repository, "v1", layers=1)
    secondary.receive(pushed(first))
    wait_for(secondary, repository)
    assert ecr.repositories[repository].immutable
    again = WorkMessage(repository=repository, reason="resync", references=(Reference.tag("v1"),))
    secondary.receive(again.to_json(), pushed(first))
    wait_for(secondary, repository)

    second = make.image(repository, "v1", layers=1)
    secondary.receive(pushed(second))
    settle(secondary, repository)

    (owed,) = secondary.owed(repository)
    assert owed.parked
    assert f"the tag v1 is immutable here and is {first.digest}, not {second.digest}" in (owed.failure or "")
    assert secondary.row(repository).state == FAILED
    assert len(secondary.dlq.messages) == 1


def test_a_put_that_finds_its_own_immutable_tag_is_success(
    registry: Ecr, ecr: EcrDouble, make: ImageMaker, plain_registry: Place, repository: str
) -> None:
    """What a PUT whose answer was lost comes to."""
    ecr.repositories[repository] = Repository(request={"imageTagMutability": "IMMUTABLE"})
    made = make.artifact(repository, "v1")
    source = Registry(plain_registry.url, Anonymous(), deadline=Deadline())
    manifest = source.get_manifest(repository, "v1")
    assert manifest is not None
    for blob in manifest.blobs:
        with source.open_blob(repository, blob) as body:
            registry.put_small_blob(repository, blob.digest, body.read(10_000))
    source.close()
    registry.put_manifest(repository, "v1", manifest)
    registry.put_manifest(repository, "v1", manifest)
    assert ecr.repositories[repository].tags == {"v1": made.digest}


def test_a_comparison_costs_pages_and_no_look_at_a_tag_where_the_primary_lists_digests_too(
    ecr: EcrDouble, make: ImageMaker, plain_registry: Place, repository: str
) -> None:
    """ECR to ECR: here the two are one registry, at different names."""
    username = {"username": "AWS", "password": ecr.password()}
    ecr.repositories[repository] = Repository(request={})
    secondary = Secondary(ecr, ecr, vendors=(Ecr, Ecr), accesses=(HERE, HERE), probing=True, prefix="copy/")
    with ImageMaker(ecr.url, seed=time.time_ns(), **username) as pusher:
        secondary.receive(*(pushed(pusher.image(repository, f"v{number}", layers=1)) for number in range(6)))
    wait_for(secondary, repository)
    secondary.reset()
    ecr.calls.clear()

    secondary.receive(WorkMessage(repository=repository, reason="resync", references=(Reference.whole(),)).to_json())
    wait_for(secondary, repository)

    # ECR has the referrers API: each image is asked about, and read at the secondary, as it may be an index.
    assert secondary.primary_proxy.counts() == {("GET", "referrers"): 6}
    assert secondary.secondary_proxy.counts() == {("GET", "manifest"): 6}
    assert ecr.calls == {"ListImages": 3}, "both sides' tags, and the primary's images without one"
    assert len(ecr.repositories[f"copy/{repository}"].tags) == 6
    secondary.close()


def test_all_tags_and_all_repositories_are_listed_whatever_their_number_and_order(
    registry: Ecr, ecr: EcrDouble
) -> None:
    digest = f"sha256:{'a' * 64}"
    tags = {f"v{number}": digest for number in range(2500)}
    ecr.repositories = {f"many-{number:04}": Repository(request={}, tags=tags) for number in range(2500)}

    listed = [one for page in registry.tags_with_digests("many-0000") for one in page]
    names = [name for page in registry.repositories() for name in page]

    assert dict(listed) == tags
    assert names == sorted(ecr.repositories)
    assert ecr.calls == {"ListImages": 3, "DescribeRepositories": 3}
    after = [name for page in registry.repositories(last="many-2000") for name in page]
    assert after == sorted(ecr.repositories)[2001:]


# ----------------------------------------------------------------------------------------------------------- deletes


def deleted(secondary: Secondary, make: ImageMaker, repository: str, *tags: str) -> None:
    secondary.receive(*(event("deleted", repository, tag=tag) for tag in tags))
    secondary.sweep_until(lambda: all(secondary.digest(repository, tag) is None for tag in tags))
    wait_for(secondary, repository)


def test_a_tag_is_removed_and_its_sibling_and_an_index_that_needs_the_image_are_not(
    secondary: Secondary, ecr: EcrDouble, plain_registry: Place, make: ImageMaker, repository: str
) -> None:
    image = make.image(repository, "v1", layers=1)
    sibling = make.retag(image, "sibling")
    child = make.image(repository, "child", layers=1)
    index = make.index_of(repository, "multi", [child])
    secondary.receive(*(pushed(one) for one in (image, sibling, child, index)))
    wait_for(secondary, repository)
    # At the primary (2.8) a tag goes with its digest: the sibling is put again, as the vendor's delete would leave it.
    plain = Registry(plain_registry.url, Anonymous(), deadline=Deadline(), writes=True)
    kept = {tag: plain.get_manifest(repository, tag) for tag in ("sibling", "multi")}
    for made in (index, child, image):
        make.delete(made)
    for tag, manifest in kept.items():
        assert manifest is not None
        for one in manifest.children:
            below = secondary.registries.secondary.get_manifest(repository, one.digest)
            assert below is not None
            plain.put_manifest(repository, one.digest, below)
        plain.put_manifest(repository, tag, manifest)
    plain.close()

    deleted(secondary, make, repository, "v1", "child")

    assert ecr.repositories[repository].tags == {"sibling": image.digest, "multi": index.digest}
    assert secondary.registries.secondary.head_manifest(repository, child.digest) is not None


def test_what_is_not_there_is_removed_and_a_throttled_api_holds_the_registry(
    registry: Ecr, ecr: EcrDouble, repository: str
) -> None:
    ecr.repositories[repository] = Repository(request={})
    registry.delete_manifest(repository, "v1")
    ecr.may_not.add("ecr:BatchDeleteImage")
    with pytest.raises(Denied, match="ecr:BatchDeleteImage"):
        registry.delete_manifest(repository, "v1")


# ------------------------------------------------------------------------------------------------ formats and limits


def test_an_index_of_blobs_is_not_tried_and_says_what_to_do(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    form_b = make.buildkit_cache(repository, "cache-b", form="B")
    secondary.receive(pushed(make.buildkit_cache(repository, "cache-a", form="A")), pushed(form_b))
    settle(secondary, repository)
    (owed,) = secondary.owed(repository)
    assert owed.parked
    assert "Amazon ECR takes no index of blobs" in (owed.failure or "")
    assert "image-manifest=true" in (owed.failure or "")
    assert secondary.digest(repository, "cache-b") == form_b.digest


def test_throttling_holds_the_registry_as_long_as_it_says_and_loses_nothing(
    secondary: Secondary, ecr: EcrDouble, make: ImageMaker, repository: str
) -> None:
    secondary.receive(pushed(make.image(repository, "v0", layers=1)))
    wait_for(secondary, repository)
    ecr.throttle, ecr.retry_after = 100, "6"
    made = make.image(repository, "v1", layers=1)
    before = time.time()

    secondary.receive(pushed(made))
    secondary.sweep_until(lambda: bool(secondary.sync_registry.holds()))

    (hold,) = secondary.sync_registry.holds()
    assert hold.registry == secondary.registries.secondary.name
    assert 6 <= hold.until / 1000 - before <= 7 + (time.time() - before)
    assert secondary.owed(repository)[0].attempts == 0


class InParts(Ecr):
    """ECR with layers that do not fit into one invocation."""

    upload_limits = replace(Ecr.upload_limits, max_body=20 * MIB)


@pytest.mark.parametrize("lost", [None, Cut(method="PATCH", nth=2), Cut(method="PATCH", nth=2, request_bytes=0)])
def test_a_layer_in_parts_counts_for_itself_as_range_stays_at_the_first(
    plain_registry: Place, ecr: EcrDouble, make: ImageMaker, repository: str, lost: Cut | None
) -> None:
    """A part that arrived unheard is answered with 416, and the layer is begun anew."""
    made = make.image(repository, "v1", layers=1, size=24 * MIB)
    secondary = Secondary(plain_registry, ecr, vendors=(Registry, InParts), accesses=(Anonymous(), HERE), probing=True)
    if lost is not None:
        secondary.secondary_proxy.add(lost)
    secondary.receive(pushed(made))
    wait_for(secondary, repository)
    assert secondary.digest(repository, "v1") == made.digest
    assert secondary.secondary_proxy.counts()["PATCH", "upload"] >= 2
    assert secondary.secondary_proxy.counts()["GET", "upload"] == 0, "what it would say is not true"
    secondary.close()


def test_layers_come_from_s3_without_our_password(
    ecr: EcrDouble, second_registry: Place, plain_registry: Place, repository: str
) -> None:
    """ECR as primary: the double refuses an Authorization at the storage it redirects to."""
    ecr.repositories[repository] = Repository(request={})
    secondary = Secondary(ecr, plain_registry, vendors=(Ecr, Registry), accesses=(HERE, Anonymous()))
    with ImageMaker(ecr.url, seed=3, username="AWS", password=ecr.password()) as pusher:
        made = pusher.index(repository, "multi")
        secondary.receive(pushed(made))
        wait_for(secondary, repository)
    assert secondary.digest(repository, "multi") == made.digest
    secondary.close()


def test_a_name_that_ecr_does_not_take_is_refused_with_its_words(registry: Ecr, ecr: EcrDouble) -> None:
    ecr.may_not.clear()
    with pytest.raises(Refused, match="repositoryName"):
        registry.make_repository("a" * 3 + "/" + "-b")
