"""The things that a run made, found by name and tag, and their removal. What lacks one of the two is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError

from geosync.cli.failover.stack_update import POLL_SECONDS
from geosync.cli.smoke import stacks
from geosync.cli.smoke.names import TAG, SmokePlace
from geosync.cli.smoke.registries import SmokeRegistries
from geosync.cli.smoke.steps import NotSeen
from geosync.errors import GeosyncError

STACK, TABLE, SECRET, REPOSITORY, BUCKET, IMAGES = "stack", "table", "secret", "ECR repository", "bucket", "images"
_DELETED_AT_ONCE = 1000
"""Objects that one DeleteObjects takes."""
GONE_SECONDS = 120.0
"""The longest that a removed thing may still be listed: Secrets Manager removes in the background."""
_GONE = frozenset({"ResourceNotFoundException", "RepositoryNotFoundException", "NoSuchBucket", "404"})


_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A thing with the name of a run. `command` removes it by hand; `why` it is still there, "" while nobody tried."""

    kind: str
    name: str
    region: str
    is_tagged: bool
    command: str
    remove: Callable[[], object] = field(repr=False, compare=False)
    why: str = ""

    @property
    def words(self) -> str:
        """The thing, for people."""
        return f"{self.kind} {self.name}" + (f" in {self.region}" if self.region else "")


def find(place: SmokePlace, registries: SmokeRegistries) -> list[Leftover]:
    """Look for everything that has a name of the run, in its regions and at its registries.

    For a kind that cannot be looked for there is one thing with the reason, which is not removed.
    """
    found = [
        one
        for region in place.distinct_regions
        for kind, look in _KINDS.items()
        for one in _looked(kind, region, partial(look, place, region))
    ]
    return [*found, *_looked(IMAGES, "", partial(_images, place, registries))]


def _looked(kind: str, region: str, look: Callable[[], Iterator[Leftover]]) -> Iterator[Leftover]:
    try:
        yield from look()
    except (BotoCoreError, ClientError, GeosyncError, OSError) as error:
        yield Leftover(
            kind=kind,
            name="that nobody could look for",
            region=region,
            is_tagged=False,
            command="",
            remove=lambda: None,
            why=f"cannot be looked for: {error}",
        )


def remove(place: SmokePlace, registries: SmokeRegistries, say: Callable[[str], None]) -> list[Leftover]:
    """Remove all of it, the stacks first; returns what is left then, each with the reason. What fails stops nothing."""
    why: dict[_Key, str] = {}
    deployed = [one for one in find(place, registries) if one.kind == STACK and one.is_tagged]
    for one in deployed:
        say(f"removing the {one.words} …")
        _try(one, one.remove, why)
    for one in deployed:
        if _key(one) not in why:
            _try(one, partial(_await_stack, place, one), why)
    for one in find(place, registries):
        if one.kind != STACK and one.is_tagged:
            say(f"removing the {one.words} …")
            _try(one, one.remove, why)
    return _await_gone(place, registries, why)


def _await_gone(place: SmokePlace, registries: SmokeRegistries, why: dict[_Key, str]) -> list[Leftover]:
    """Look until all is gone but what failed: some services list for a while what they have removed."""
    end_s = place.clock.monotonic_s() + GONE_SECONDS
    while True:
        found = find(place, registries)
        is_awaited = any(one.is_tagged and _key(one) not in why for one in found)
        if not is_awaited or place.clock.monotonic_s() >= end_s:
            break
        place.clock.sleep(POLL_SECONDS)
    untagged = f"it has no tag {TAG}={place.names.id}, so it was left alone"
    return [
        replace(one, why=why.get(_key(one), "it is still there") if one.is_tagged else one.why or untagged)
        for one in found
    ]


def _key(one: Leftover) -> _Key:
    return one.kind, one.name, one.region


def _try(one: Leftover, act: Callable[[], object], why: dict[_Key, str]) -> None:
    try:
        act()
    except ClientError as error:
        if error.response["Error"]["Code"] not in _GONE:
            why[_key(one)] = str(error)
    except (BotoCoreError, GeosyncError, OSError, NotSeen) as error:
        why[_key(one)] = str(error)


def _await_stack(place: SmokePlace, one: Leftover) -> None:
    state = stacks.await_deleted(place, one.region, one.name)
    if state not in ("", "DELETE_COMPLETE"):
        raise NotSeen(f"its removal ended as {state}: its events say why")


# ---------------------------------------------------------------------------------------------------- of each service


def _images(place: SmokePlace, registries: SmokeRegistries) -> Iterator[Leftover]:
    for side, repository in registries.images_left(place):
        host = registries.parameters(side)["LocalRegistryUrl"].rstrip("/")
        yield Leftover(
            kind=IMAGES,
            name=f"{host}/{repository}",
            region="",
            is_tagged=True,  # a registry's repositories have no tags in this sense: the name alone says whose it is
            command=f"delete the tags of {repository} at {host}",
            remove=partial(registries.remove_images, side, repository),
        )


def _stacks(place: SmokePlace, region: str) -> Iterator[Leftover]:
    client = place.client("cloudformation", region)
    for page in client.get_paginator("describe_stacks").paginate():
        for stack in page["Stacks"]:
            name, state = stack["StackName"], stack["StackStatus"]
            if place.names.holds(name) and state != "DELETE_COMPLETE":
                tags = {one["Key"]: one["Value"] for one in stack.get("Tags", [])}
                yield Leftover(
                    kind=STACK,
                    name=name,
                    region=region,
                    is_tagged=place.names.marks(tags),
                    command=f"aws cloudformation delete-stack --region {region} --stack-name {name}",
                    remove=partial(stacks.delete, place, region, name, state),
                )


def _tables(place: SmokePlace, region: str) -> Iterator[Leftover]:
    client = place.client("dynamodb", region)
    for page in client.get_paginator("list_tables").paginate():
        for name in filter(place.names.holds, page["TableNames"]):
            try:
                table = client.describe_table(TableName=name)["Table"]
                tags = client.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]
            except client.exceptions.ResourceNotFoundException:
                continue
            if table["TableStatus"] == "DELETING":
                continue
            yield Leftover(
                kind=TABLE,
                name=name,
                region=region,
                is_tagged=place.names.marks({one["Key"]: one["Value"] for one in tags}),
                command=f"aws dynamodb delete-table --region {region} --table-name {name}",
                remove=partial(client.delete_table, TableName=name),
            )


def _secrets(place: SmokePlace, region: str) -> Iterator[Leftover]:
    client = place.client("secretsmanager", region)
    pages = client.get_paginator("list_secrets").paginate(Filters=[{"Key": "name", "Values": [place.names.prefix]}])
    for page in pages:
        for secret in page["SecretList"]:
            name = secret["Name"]
            if not place.names.holds(name):
                continue
            yield Leftover(
                kind=SECRET,
                name=name,
                region=region,
                is_tagged=place.names.marks({one["Key"]: one["Value"] for one in secret.get("Tags", [])}),
                command=f"aws secretsmanager delete-secret --region {region} --secret-id {name} "
                "--force-delete-without-recovery",
                remove=partial(client.delete_secret, SecretId=name, ForceDeleteWithoutRecovery=True),
            )


def _repositories(place: SmokePlace, region: str) -> Iterator[Leftover]:
    client = place.client("ecr", region)
    for page in client.get_paginator("describe_repositories").paginate():
        for one in page["repositories"]:
            name = one["repositoryName"]
            if not place.names.holds(name):
                continue
            tags = client.list_tags_for_resource(resourceArn=one["repositoryArn"])["tags"]
            yield Leftover(
                kind=REPOSITORY,
                name=name,
                region=region,
                is_tagged=place.names.marks({tag["Key"]: tag["Value"] for tag in tags}),
                command=f"aws ecr delete-repository --region {region} --repository-name {name} --force",
                remove=partial(client.delete_repository, repositoryName=name, force=True),
            )


def _buckets(place: SmokePlace, region: str) -> Iterator[Leftover]:
    """The one bucket of a region, unless it is another account's."""
    client, bucket = place.client("s3", region), place.names.bucket(place.account, region)
    owned = {"Bucket": bucket, "ExpectedBucketOwner": place.account}
    try:
        client.head_bucket(**owned)
    except ClientError as error:
        if error.response["Error"]["Code"] in {"404", "403", "NoSuchBucket", "AccessDenied"}:
            return
        raise
    tags: dict[str, str] = {}
    try:
        tags = {one["Key"]: one["Value"] for one in client.get_bucket_tagging(**owned)["TagSet"]}
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchTagSet":
            raise

    def empty_and_delete() -> None:
        for page in client.get_paginator("list_objects_v2").paginate(**owned):
            keys = [{"Key": one["Key"]} for one in page.get("Contents", [])]
            for start in range(0, len(keys), _DELETED_AT_ONCE):
                client.delete_objects(**owned, Delete={"Objects": keys[start : start + _DELETED_AT_ONCE]})
        client.delete_bucket(**owned)

    yield Leftover(
        kind=BUCKET,
        name=bucket,
        region=region,
        is_tagged=place.names.marks(tags),
        command=f"aws s3 rb --force s3://{bucket}",
        remove=empty_and_delete,
    )


_KINDS = {STACK: _stacks, TABLE: _tables, SECRET: _secrets, REPOSITORY: _repositories, BUCKET: _buckets}
"""In the order of removal."""
