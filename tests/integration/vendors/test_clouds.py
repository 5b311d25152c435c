"""Azure's, Google's, GitHub's and GitLab's registries as their doubles have them: who gets in, what is copied.

Each double fails the test when a rule of its vendor's is broken.
"""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest
from local.certificates import signing_pair
from tests.integration.conftest import Place
from tests.integration.replication.secondary import Access, Secondary, event, pushed
from tests.support.images import ImageMaker
from tests.support.proxy import Call
from tests.support.vendors.acr import AcrDouble
from tests.support.vendors.gar import GarDouble
from tests.support.vendors.ghcr import GhcrDouble
from tests.support.vendors.gitlab import GitLabDouble
from tests.support.vendors.tokens import TokenDouble

from geosync.errors import ConfigurationError, Denied, NotFound, Unauthorized
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.registries.opening import open_registry
from geosync.registries.registry import Registry
from geosync.registries.secrets import RegistrySecret
from geosync.registries.vendors import find
from geosync.replication.deletes import TagRemover
from geosync.replication.work import WorkMessage
from geosync.sync_registry.items import SYNCED, Reference

DOUBLES: dict[str, type[TokenDouble]] = {
    "acr": AcrDouble,
    "gar": GarDouble,
    "ghcr": GhcrDouble,
    "gitlab": GitLabDouble,
}
MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No keys and no profile of this machine."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


@dataclass(kw_only=True)
class World:
    """A plain registry, a vendor's double in front of another one, and what works with the two."""

    plain: Place
    behind: Place
    make: ImageMaker
    beside: ImageMaker
    stack: ExitStack = field(default_factory=ExitStack)

    def double(self, name: str, **behaviour: object) -> TokenDouble:
        """A double in front of `behind`, that checks its rules when the test ends."""
        return self.stack.enter_context(DOUBLES[name](self.behind.url, **behaviour))  # type: ignore[arg-type]

    def into(self, name: str, double: TokenDouble, secret: str | None = None) -> Secondary:
        """A secondary with the vendor's registry, which follows the plain one."""
        access = self.access(name, secret or double.secret)
        one = Secondary(
            self.plain, double, vendors=(Registry, find("", name)), accesses=(Anonymous(), access), probing=True
        )
        self.stack.callback(one.close)
        return one

    def out_of(self, name: str, double: TokenDouble, secret: str | None = None) -> Secondary:
        """A secondary with the plain registry, which follows the vendor's."""
        access = self.access(name, secret or double.secret)
        one = Secondary(double, self.plain, vendors=(find("", name), Registry), accesses=(access, Anonymous()))
        self.stack.callback(one.close)
        return one

    def open(self, name: str, double: TokenDouble, secret: str | None = None) -> Registry:
        """The vendor's registry by itself, opened as the function does."""
        one = open_registry(double.url, secret or double.secret, vendor=name, deadline=Deadline(), writes=True)
        self.stack.callback(one.close)
        return one

    @staticmethod
    def access(name: str, secret: str) -> Access:
        return RegistrySecret.parse(secret, find("", name).SECRETS).credentials


@pytest.fixture
def world(plain_registry: Place, second_registry: Place) -> Iterator[World]:
    with plain_registry.maker(seed=time.time_ns()) as make, second_registry.maker(seed=time.time_ns() + 1) as beside:
        world = World(plain=plain_registry, behind=second_registry, make=make, beside=beside)
        with world.stack:
            yield world


@pytest.fixture
def repository(repository: str) -> str:
    """Below what Google's double has made; for the others a name like any other."""
    return f"my-project/geo/{repository.replace('/', '-')}"


def wait_for(secondary: Secondary, repository: str) -> None:
    secondary.sweep_until(lambda: not secondary.owed(repository))


# ------------------------------------------------------------------------------------------- what all have in common


@pytest.mark.parametrize("name", sorted(DOUBLES))
def test_images_arrive_there_and_come_from_there(world: World, name: str, repository: str) -> None:
    double = world.double(name)
    there, back = world.into(name, double), world.out_of(name, double)
    image, index = world.make.image(repository, "v1"), world.make.index(repository, "multi")
    there.receive(pushed(image), pushed(index))
    wait_for(there, repository)
    assert there.digest(repository, "v1") == image.digest
    assert there.digest(repository, "multi") == index.digest
    assert there.row(repository).state == SYNCED

    made = world.beside.index(f"{repository}-back", "v1", children=2, layers=2)
    back.receive(pushed(made))
    wait_for(back, made.repository)
    assert back.digest(made.repository, "v1") == made.digest


@pytest.mark.parametrize("name", sorted(DOUBLES))
def test_a_token_that_ends_in_the_middle_of_a_copy_is_replaced(world: World, name: str, repository: str) -> None:
    double = world.double(name)
    secondary = world.into(name, double)
    secondary.receive(pushed(world.make.image(repository, "v0", layers=1)))
    made = world.make.index(repository, "multi", children=2, layers=2)
    secondary.secondary_proxy.add(Call(method="POST", kind="uploads", nth=3, before=double.expire_tokens))
    secondary.secondary_proxy.add(Call(method="PUT", kind="upload", nth=2, before=double.expire_tokens))
    secondary.receive(pushed(made))
    wait_for(secondary, repository)
    assert secondary.digest(repository, "multi") == made.digest

    back = world.out_of(name, double)
    made = world.beside.image(f"{repository}-back", "v1", layers=3)
    back.primary_proxy.add(Call(method="GET", kind="blob", nth=2, before=double.expire_tokens))
    back.receive(pushed(made))
    wait_for(back, made.repository)
    assert back.digest(made.repository, "v1") == made.digest


@pytest.mark.parametrize("form", ["seconds", "date"])
@pytest.mark.parametrize("name", sorted(DOUBLES))
def test_a_registry_that_throttles_is_held_for_as_long_as_it_says(
    world: World, name: str, repository: str, form: str
) -> None:
    double = world.double(name)
    secondary = world.into(name, double)
    secondary.receive(pushed(world.make.image(repository, "v0", layers=1)))
    after = "7" if form == "seconds" else email.utils.formatdate(time.time() + 8, usegmt=True)
    before = time.time()
    double.throttle = [after] * 4
    secondary.receive(pushed(world.make.image(repository, "v1", layers=1)))
    (hold,) = secondary.registry.holds()
    assert hold.registry == secondary.registries.secondary.name
    assert 6 <= (hold.until / 1000 - before) <= 12
    assert secondary.owed(repository)[0].attempts == 0


@pytest.mark.parametrize("name", ["acr", "gar", "gitlab"])
def test_a_comparison_costs_pages_where_both_list_digests(world: World, name: str, repository: str) -> None:
    double = world.double(name)
    registry = world.open(name, double)
    made = {f"v{number}": world.beside.image(repository, f"v{number}", layers=1).digest for number in range(7)}
    assert registry.lists_digests
    before = len(double.requests)
    pages = list(registry.tags_with_digests(repository))
    asked = [request.target for request in double.requests[before:] if "tags" in request.target]
    assert {one.tag: one.digest for page in pages for one in page} == made
    assert all(page for page in pages)
    # One request a page, and the one that was refused to learn where tokens are had.
    assert len(asked) <= len(pages) + 1
    assert len(pages) == (3 if name == "acr" else 1)
    later = [one.tag for page in registry.tags_with_digests(repository, last="v4") for one in page]
    assert later == ["v5", "v6"]


@pytest.mark.parametrize("name", ["acr", "gar", "gitlab"])
def test_a_tag_is_removed_alone(world: World, name: str, repository: str) -> None:
    double = world.double(name)
    registry = world.open(name, double)
    image = world.beside.image(repository, "v1", layers=1)
    world.beside.retag(image, "v2")
    TagRemover(registry).remove(repository, "v1", before_tag_write=lambda: None)
    TagRemover(registry).remove(repository, "never-there", before_tag_write=lambda: None)
    assert registry.head_manifest(repository, "v1") is None
    seen = registry.head_manifest(repository, "v2")
    assert seen is not None
    assert seen.digest == image.digest


@pytest.mark.parametrize("name", sorted(DOUBLES))
def test_credentials_that_are_wrong_say_which_registry_and_what_to_check(world: World, name: str) -> None:
    double = world.double(name)
    document = json.loads(double.secret)
    key = {"acr": "client_secret", "gar": "private_key", "ghcr": "password", "gitlab": "private_key"}[name]
    document[key] = signing_pair().private_key if key == "private_key" else "not-the-secret"
    registry = world.open(name, double, json.dumps(document))
    with pytest.raises(Unauthorized) as refused:
        registry.head_manifest("my-project/geo/app", "v1")
    text = str(refused.value)
    assert registry.name in text
    expected = {
        "acr": "AADSTS7000215: Invalid client secret provided: check tenant, client_id and client_secret",
        "gar": "Invalid JWT Signature.: check that the service account is enabled",
        "ghcr": "GET token from 127.0.0.1",
        "gitlab": "does the registry trust the issuer omnibus-gitlab-issuer, the service container_registry",
    }[name]
    assert expected in text
    assert not any(str(value) in text for value in (document[key], json.loads(double.secret)[key]))


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("contoso.azurecr.io", "acr"),
        ("contoso.azurecr.cn", "acr"),
        ("azurecr.io", "plain"),
        ("contoso.azurecr.io.example.com", "plain"),
        ("europe-docker.pkg.dev", "gar"),
        ("us-west1-docker.pkg.dev", "gar"),
        ("gcr.io", "gar"),
        ("eu.gcr.io", "gar"),
        ("notgcr.io", "plain"),
        ("ghcr.io", "ghcr"),
        ("evil-ghcr.io", "plain"),
        ("registry.gitlab.com", "gitlab"),
        ("registry.example.com", "plain"),
    ],
)
def test_a_vendor_is_known_by_its_host(host: str, name: str) -> None:
    assert name == find(f"https://{host}").NAME


# ------------------------------------------------------------------------------------------------------------- Azure


def test_azure_s_principal_is_exchanged_once_and_its_tokens_say_when_they_end(world: World, repository: str) -> None:
    double = world.double("acr")
    secondary = world.into("acr", double)
    for number in range(4):
        secondary.receive(pushed(world.make.image(repository, f"v{number}", layers=1)))
    wait_for(secondary, repository)
    assert double.asked.count("exchange") == 1
    # One access token for the repository, kept for its five minutes although the answer has no expires_in.
    assert double.asked.count("refresh_token") <= 2
    assert "basic" not in double.asked


def test_azure_s_refresh_token_is_renewed_before_it_ends(world: World, repository: str) -> None:
    double = world.double("acr", token_seconds=1, refresh_seconds=2)
    registry = world.open("acr", double)
    world.beside.image(repository, "v1", layers=1)
    assert registry.head_manifest(repository, "v1") is not None
    time.sleep(1.2)
    assert registry.head_manifest(repository, "v1") is not None
    assert double.asked == ["exchange", "refresh_token", "exchange", "refresh_token"]


def test_azure_s_token_passwords_go_to_the_token_service_as_basic(world: World, repository: str) -> None:
    double = world.double("acr")
    assert isinstance(double, AcrDouble)
    secondary = world.into("acr", double, double.basic_secret)
    made = world.make.image(repository, "v1", layers=1)
    secondary.receive(pushed(made))
    wait_for(secondary, repository)
    assert secondary.digest(repository, "v1") == made.digest
    assert set(double.asked) == {"basic"}


def test_azure_s_account_without_metadata_read_lists_without_digests(world: World, repository: str) -> None:
    double = world.double("acr")
    assert isinstance(double, AcrDouble)
    double.may = {"pull"}
    registry = world.open("acr", double, double.basic_secret)
    made = [world.beside.image(repository, f"v{number}", layers=1) for number in range(4)]
    listed = [one for page in registry.tags_with_digests(repository) for one in page]
    assert [one.tag for one in listed] == [one.reference for one in made]
    assert {one.digest for one in listed} == {None}


def test_azure_s_principal_without_a_role_says_what_to_grant(world: World) -> None:
    double = world.double("acr")
    assert isinstance(double, AcrDouble)
    double.principal_has_role = False
    with pytest.raises(Unauthorized, match=r"/oauth2/exchange.*AcrPull"):
        world.open("acr", double).head_manifest("group/app", "v1")


def test_azure_s_large_layers_go_in_chunks(world: World, repository: str) -> None:
    double = world.double("acr")
    secondary = world.into("acr", double)
    made = world.make.image(repository, "large", layers=1, size=21 * MIB)
    secondary.receive(pushed(made))
    wait_for(secondary, repository)
    assert secondary.digest(repository, "large") == made.digest
    assert max(len(request.body) for request in double.requests) <= 16 * MIB
    assert sum(request.method == "PATCH" for request in double.requests) == 2


def test_azure_s_authority_is_https_unless_the_registry_is_not(world: World) -> None:
    document = json.loads(world.double("acr").secret) | {"authority": "http://login.example.com"}
    with pytest.raises(ConfigurationError, match="authority must be an https URL"):
        open_registry("https://contoso.azurecr.io", json.dumps(document), deadline=Deadline())


# ------------------------------------------------------------------------------------------------------------ Google


def test_google_s_key_becomes_one_access_token(world: World, repository: str) -> None:
    double = world.double("gar")
    secondary = world.into("gar", double)
    for number in range(3):
        secondary.receive(pushed(world.make.image(repository, f"v{number}", layers=1)))
    wait_for(secondary, repository)
    assert double.asked.count("jwt-bearer") == 1
    assert set(double.asked) == {"jwt-bearer", "oauth2accesstoken"}


def test_google_s_key_as_a_password_asks_no_one_else(world: World, repository: str) -> None:
    double = world.double("gar")
    assert isinstance(double, GarDouble)
    world.beside.image(repository, "v1", layers=1)
    assert world.open("gar", double, double.basic_secret).head_manifest(repository, "v1") is not None
    assert set(double.asked) == {"_json_key_base64"}


def test_google_takes_this_function_s_aws_identity(world: World, aws: pytest.MonkeyPatch, repository: str) -> None:
    double = world.double("gar")
    assert isinstance(double, GarDouble)
    aws.setenv("AWS_ACCESS_KEY_ID", double.aws_key)
    aws.setenv("AWS_SECRET_ACCESS_KEY", double.aws_secret)
    aws.setenv("AWS_SESSION_TOKEN", "a-session")
    aws.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    world.beside.image(repository, "v1", layers=1)
    assert world.open("gar", double, double.federated_secret).head_manifest(repository, "v1") is not None
    assert double.asked[:2] == ["token-exchange", "generateAccessToken"]

    aws.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(Unauthorized, match=r"AWS signature does not match: check the workload identity pool"):
        world.open("gar", double, double.federated_secret).head_manifest(repository, "v1")


def test_google_s_impersonation_that_is_not_allowed_says_what_to_grant(
    world: World, aws: pytest.MonkeyPatch, repository: str
) -> None:
    double = world.double("gar")
    assert isinstance(double, GarDouble)
    aws.setenv("AWS_ACCESS_KEY_ID", double.aws_key)
    aws.setenv("AWS_SECRET_ACCESS_KEY", double.aws_secret)
    aws.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    aws.setattr(double, "_federated", frozenset())
    aws.setattr(double, "_sts", lambda _: double.document({"access_token": "ya29.d.other", "expires_in": 60}))
    with pytest.raises(Denied, match=r"PERMISSION_DENIED.*workloadIdentityUser"):
        world.open("gar", double, double.federated_secret).head_manifest(repository, "v1")


def test_without_aws_credentials_a_federation_says_so(world: World, repository: str) -> None:
    double = world.double("gar")
    assert isinstance(double, GarDouble)
    with pytest.raises(ConfigurationError, match="no AWS credentials"):
        world.open("gar", double, double.federated_secret).head_manifest(repository, "v1")


def test_google_s_layers_come_in_one_piece_whatever_their_size(world: World, repository: str) -> None:
    double = world.double("gar")
    secondary = world.into("gar", double)
    made = world.make.image(repository, "large", layers=1, size=21 * MIB)
    secondary.receive(pushed(made))
    wait_for(secondary, repository)
    assert secondary.digest(repository, "large") == made.digest
    assert max(len(request.body) for request in double.requests) >= 21 * MIB


def test_google_s_digest_is_deleted_after_its_tags(world: World, repository: str) -> None:
    double = world.double("gar")
    registry = world.open("gar", double)
    image = world.beside.image(repository, "v1", layers=1)
    world.beside.retag(image, "v2")
    kept = world.beside.image(repository, "v3", layers=1)
    registry.delete_manifest(repository, image.digest)
    assert registry.head_manifest(repository, image.digest) is None
    assert registry.head_manifest(repository, "v1") is None
    assert [one.tag for page in registry.tags_with_digests(repository) for one in page] == [kept.reference]


def test_google_s_repository_that_is_not_there_says_how_it_is_made(world: World) -> None:
    double = world.double("gar")
    registry = world.open("gar", double)
    with pytest.raises(NotFound, match=r"no repository my-project/none.*gcloud artifacts repositories create"):
        registry.begin_upload("my-project/none/app")


# ------------------------------------------------------------------------------------------------------------ GitHub


def test_github_s_deletes_are_parked_and_say_so(world: World, repository: str) -> None:
    double = world.double("ghcr")
    secondary = world.into("ghcr", double)
    image = world.make.image(repository, "v1", layers=1)
    secondary.receive(pushed(image))
    wait_for(secondary, repository)
    world.make.delete(image)
    secondary.receive(event("deleted", repository, tag="v1"))
    secondary.sweep_until(lambda: any(owed.parked for owed in secondary.owed(repository)))
    (owed,) = secondary.owed(repository)
    assert "deletes nothing through its registry API" in (owed.failure or "")
    assert secondary.digest(repository, "v1") == image.digest


def test_github_s_limits_are_known() -> None:
    limits = find("https://ghcr.io").upload_limits
    assert (limits.max_chunk, limits.max_blob) == (4 * MIB, 10_000_000_000)


def test_github_s_token_without_the_scope_says_what_is_lacking(world: World, repository: str) -> None:
    double = world.double("ghcr")
    assert isinstance(double, GhcrDouble)
    double.may = {"pull"}
    world.beside.image(repository, "v1", layers=1)
    registry = world.open("ghcr", double)
    with pytest.raises(Unauthorized, match="insufficient_scope"):
        registry.begin_upload(repository)


# ------------------------------------------------------------------------------------------------------------ GitLab


def test_gitlab_s_registry_without_its_database_is_compared_by_the_plain_listing(world: World, repository: str) -> None:
    double = world.double("gitlab", database=False)
    registry = world.open("gitlab", double)
    made = world.beside.image(repository, "v1", layers=1)
    assert not registry.lists_digests
    assert [list(page) for page in registry.tags_with_digests(repository)] == [[(made.reference, None)]]
    assert sum(request.path == "/gitlab/v1/" for request in double.requests) <= 2


def test_gitlab_s_listing_goes_page_by_page(world: World, repository: str, monkeypatch: pytest.MonkeyPatch) -> None:
    double = world.double("gitlab")
    monkeypatch.setattr("geosync.registries.vendors.gitlab.PAGE_SIZE", 2)
    for number in range(5):
        world.beside.image(repository, f"v{number}", layers=1)
    pages = list(world.open("gitlab", double).tags_with_digests(repository))
    assert [len(page) for page in pages] == [2, 2, 1]


def test_gitlab_s_refusals_are_final_and_say_what_to_do(world: World, repository: str) -> None:
    double = world.double("gitlab")
    secondary = world.into("gitlab", double)
    old, odd = world.make.schema1(repository, "old"), world.make.artifact(repository, "odd")
    secondary.receive(pushed(old), pushed(odd))
    failures = {owed.reference.value: owed.failure or "" for owed in secondary.owed(repository) if owed.parked}
    assert "takes no schema 1 manifests" in failures["old"]
    assert "unknown media type" in failures["odd"]
    assert "exclude the repository" in failures["odd"]


def test_gitlab_s_untrusted_issuer_and_missing_scope_are_told_apart(world: World, repository: str) -> None:
    double = world.double("gitlab")
    document = json.loads(double.secret)
    for key in ("issuer", "service"):
        registry = world.open("gitlab", double, json.dumps(document | {key: "somebody-else"}))
        with pytest.raises(Unauthorized) as refused:
            registry.head_manifest(repository, "v1")
        assert "invalid_token: does the registry trust the issuer" in str(refused.value)
        assert "somebody-else" in str(refused.value)
        assert registry.name in str(refused.value)
        assert f"/v2/{repository}/manifests/v1" in str(refused.value)


def test_gitlab_s_comparison_with_azure_s_registry_costs_no_look_at_a_tag(world: World, repository: str) -> None:
    double = world.double("gitlab")
    secondary = world.out_of("gitlab", double)
    images = [world.beside.image(repository, f"v{number}", layers=1) for number in range(3)]
    secondary.receive(*(pushed(image) for image in images))
    wait_for(secondary, repository)
    azure = world.stack.enter_context(AcrDouble(world.plain.url))
    again = Secondary(
        double,
        azure,
        vendors=(find("", "gitlab"), find("", "acr")),
        accesses=(World.access("gitlab", double.secret), World.access("acr", azure.secret)),
        store=secondary.store,
    )
    world.stack.callback(again.close)
    again.registry.mark(repository, Reference.whole())
    again.receive(WorkMessage(repository=repository, reason="resync").to_json())
    again.sweep_until(lambda: not again.owed(repository))
    kinds = {one.kind for proxy in (again.primary_proxy, again.secondary_proxy) for one in proxy.exchanges}
    assert "tag" not in kinds
    assert isinstance(double, GitLabDouble)
    assert double.listings >= 1


@pytest.mark.parametrize("name", ["acr", "gar", "ghcr"])
def test_a_realm_on_another_host_gets_no_credentials(world: World, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    double = world.double(name)
    elsewhere = f"http://localhost:{double.host.rpartition(':')[2]}{double.realm_path}"
    monkeypatch.setattr(type(double), "realm", elsewhere)
    with pytest.raises(Unauthorized, match=r"its token service is at localhost: add it to realm_hosts"):
        world.open(name, double).head_manifest("group/app", "v1")
    assert double.asked == []
