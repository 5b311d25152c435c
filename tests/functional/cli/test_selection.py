"""`geosync selection preview` on a stack in moto, with a real registry as the primary's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from click.testing import Result
from local.registries import BasicAuth, RegistrySpec, RunningRegistry, start
from tests.functional.cli.conftest import REGION, Site
from tests.support.images import ImageMaker
from tests.support.proxy import CountingProxy

from geosync.cli.site import StackSite as DeployedSite
from geosync.sync_registry.items import Reference, Seen
from geosync.sync_registry.sync_registry import SyncRegistry
from geosync.sync_registry.table.dynamodb import DynamoStore

USERNAME, PASSWORD = "geo", "s3cret-reader"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:geosync-dublin"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """The primary's, with three repositories."""
    spec = RegistrySpec(name="previewed", auth=BasicAuth(users={USERNAME: PASSWORD}))
    running = start(spec, tmp_path_factory.mktemp("previewed"))
    make = ImageMaker(running.url, username=USERNAME, password=PASSWORD)
    image = make.image("group/app", "v1", layers=1)
    for tag in ("v2", "v2-rc1", "dev"):
        make.retag(image, tag)
    make.image("group/lib", "v1", layers=1)
    other = make.image("other/tool", "v1", layers=1)
    make.retag(other, "nightly")
    make.close()
    yield running
    running.stop()


@pytest.fixture
def primary(registry: RunningRegistry) -> Iterator[CountingProxy]:
    proxy = CountingProxy(registry.url)
    yield proxy
    proxy.close()


@pytest.fixture
def site(secondary: Site, stacks: dict[str, DeployedSite], primary: CountingProxy) -> Site:
    """A secondary that replicates group/** and has its tags recorded, one of them under a former primary."""
    secret = json.dumps({"type": "basic", "username": USERNAME, "password": PASSWORD})
    arn = boto3.client("secretsmanager", region_name=REGION).create_secret(Name="primary", SecretString=secret)["ARN"]
    parameters: Any = stacks["geosync-test"].parameters
    parameters |= {
        "LocalRegistryUrl": "https://registry.frankfurt.example.com",
        "PrimaryRegistryUrl": primary.url,
        "PrimaryRegistrySecretArn": arn,
        "PrimaryTopicArn": TOPIC,
        "IncludeRepositories": "group/**",
        "ExcludeRepositories": "",
        "IncludeTags": "",
        "ExcludeTags": "",
        "OutsideSelection": "remove",
        "BreakerShare": "50",
        "BreakerTags": "100",
    }
    synced(secondary, "group/app", "v1", "v2", "v2-rc1", "dev")
    synced(secondary, "group/lib", "v1")
    synced(secondary, "group/app", "former", primary="another one")
    return secondary


def synced(site: Site, repository: str, *tags: str, primary: str = TOPIC) -> None:
    """Have the tags seen equal."""
    store = DynamoStore(boto3.client("dynamodb", region_name=REGION), site.outputs["SyncRegistryTable"])
    sync_registry = SyncRegistry(store, primary=primary)
    lease = sync_registry.acquire(repository)
    assert lease is not None
    sync_registry.record(lease, [(Reference.tag(tag), Seen(digest="sha256:a", looked_at=1, seen_at=1)) for tag in tags])
    sync_registry.release(lease)


def table_of(site: Site) -> list[dict[str, Any]]:
    found = boto3.resource("dynamodb", region_name=REGION).Table(site.outputs["SyncRegistryTable"]).scan()["Items"]
    return sorted(found, key=str)


def preview(site: Site, *options: str) -> Result:
    """The command, which must leave the table, the queues and the registry as they are."""
    before = table_of(site)
    answer = site.run("selection", "preview", *options)
    assert "Traceback" not in answer.output
    assert table_of(site) == before
    assert site.bodies("WorkQueueUrl") == site.bodies("EventsQueueUrl") == []
    return answer


def document(site: Site, *options: str) -> dict[str, Any]:
    answer = preview(site, *options, "--json")
    assert answer.exit_code == 0, answer.output
    return dict(json.loads(answer.output))


def named(change: dict[str, Any]) -> dict[str, list[str]]:
    return {one["repository"]: one["names"] for one in change["repositories"]}


def test_without_a_change_nothing_comes_and_nothing_leaves(site: Site, primary: CountingProxy) -> None:
    found = document(site)

    assert (found["brought"]["tags"], found["leaving"]["tags"], found["suspends"]) == (0, 0, None)
    assert found["selection"]["include_repositories"] == "group/**"
    assert {method for method, _ in primary.counts()} == {"GET"}
    assert not any("tags/list" in target for _, target in primary.counts())


def test_other_tags_of_the_same_repositories(site: Site) -> None:
    found = document(site, "--include-tags", "v*", "--exclude-tags", "*-rc*")

    assert named(found["brought"]) == {}
    assert named(found["leaving"]) == {"group/app": ["dev", "v2-rc1"]}
    (app,) = found["leaving"]["repositories"]
    assert (app["tags"], app["known"], app["new"], app["more"]) == (2, 4, 2, False), "the former primary's is not ours"
    assert (found["removed"], found["suspends"]) == (True, None)


def test_other_repositories(site: Site, primary: CountingProxy) -> None:
    found = document(site, "--include-repositories", "other/**, group/lib")

    assert named(found["brought"]) == {"other/tool": ["nightly", "v1"]}
    assert named(found["leaving"]) == {"group/app": ["dev", "v1", "v2", "v2-rc1"]}
    assert found["suspends"] == "4 of the 4 tags of group/app would be outside the selection"
    assert {method for method, _ in primary.counts()} == {"GET"}


def test_everything_brings_what_was_left_out_and_removes_nothing(site: Site) -> None:
    found = document(site, "--include-repositories", "")

    assert named(found["brought"]) == {"other/tool": ["nightly", "v1"]}
    assert found["leaving"] == {"tags": 0, "more": False, "more_repositories": False, "repositories": []}


def test_more_tags_than_the_breaker_takes_would_wait(site: Site, stacks: dict[str, DeployedSite]) -> None:
    parameters: Any = stacks["geosync-test"].parameters
    parameters["BreakerTags"] = "1"
    found = document(site, "--exclude-tags", "dev v2-rc1")
    assert found["suspends"] == "2 tags would be found outside the selection"


def test_it_says_where_it_has_not_looked(site: Site) -> None:
    found = document(site, "--exclude-tags", "v1", "--limit", "1")

    assert found["leaving"]["more"]
    assert named(found["leaving"]) == {"group/app": ["v1"]}
    answer = preview(site, "--exclude-tags", "v1", "--limit", "1")
    assert "Would be removed: at least 1 tag in at least 1 repository" in answer.output


def test_people_are_told_what_comes_what_goes_and_that_nothing_was_done(site: Site) -> None:
    answer = preview(site, "--include-repositories", "other/**")

    assert answer.exit_code == 0
    lines = [" ".join(line.split()) for line in answer.output.splitlines()]
    assert "IncludeRepositories: other/**" in lines
    assert "Would be brought: 2 tags in 1 repository" in lines
    assert "other/tool 2 nightly, v1" in lines
    assert "Would be removed: 5 tags in 2 repositories" in lines
    assert "group/app 4 dev, v1, v2, v2-rc1" in lines
    assert "Deletes by comparison would be suspended: 4 of the 4 tags of group/app" in answer.output
    assert lines[-1] == "Nothing was changed."


def test_under_the_policy_keep_it_stays(site: Site) -> None:
    found = document(site, "--exclude-tags", "*", "--outside-selection", "keep")
    assert (found["leaving"]["tags"], found["removed"], found["suspends"]) == (5, False, None)
    answer = preview(site, "--exclude-tags", "*", "--outside-selection", "keep")
    assert "Would leave the selection: 5 tags in 2 repositories" in answer.output
    assert "They stay here" in answer.output


def test_a_registry_that_deletes_nothing_is_said_to_be_one(site: Site, stacks: dict[str, DeployedSite]) -> None:
    parameters: Any = stacks["geosync-test"].parameters
    parameters["LocalRegistryUrl"] = "https://ghcr.io"
    assert document(site, "--exclude-tags", "dev")["removed"] is False
    said = preview(site, "--exclude-tags", "dev").output
    assert "GitHub's container registry deletes nothing through its API: each removal would be parked" in said


def test_where_the_primary_does_not_answer_what_would_come_is_not_known(
    site: Site, stacks: dict[str, DeployedSite]
) -> None:
    parameters: Any = stacks["geosync-test"].parameters
    parameters["PrimaryRegistryUrl"] = "http://127.0.0.1:9"

    answer = preview(site, "--exclude-tags", "dev", "--json")

    found = json.loads(answer.output)
    assert answer.exit_code == 2
    assert (found["brought"], named(found["leaving"])) == (None, {"group/app": ["dev"]})
    assert "127.0.0.1:9" in found["brought_not_known"]
    assert "What would be brought is not known" in preview(site, "--exclude-tags", "dev").output


def test_a_refused_password_is_said_and_not_shown(site: Site, stacks: dict[str, DeployedSite]) -> None:
    arn = stacks["geosync-test"].parameters["PrimaryRegistrySecretArn"]
    secret = json.dumps({"type": "basic", "username": USERNAME, "password": "wr0ng-password"})
    boto3.client("secretsmanager", region_name=REGION).put_secret_value(SecretId=arn, SecretString=secret)
    answer = preview(site)
    assert answer.exit_code == 2
    assert "not known" in answer.output
    assert "wr0ng" not in answer.output


@pytest.mark.parametrize(
    ("option", "pattern"),
    [("--include-repositories", "Group/*"), ("--exclude-tags", "v[z-a]"), ("--include-tags", "v" * 701)],
)
def test_a_pattern_that_the_template_refuses_is_refused(site: Site, option: str, pattern: str) -> None:
    assert preview(site, option, pattern).exit_code == 2
