"""The things that a run made, found by name and tag, and their removal. What lacks one of the two is left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from geosync.cli.failover.stack_update import POLL_SECONDS
from geosync.cli.following import FailedLook, look_once
from geosync.cli.smoke import stacks
from geosync.cli.smoke.names import PRIMARY, SIDES, TAG, Side, SmokePlace
from geosync.cli.smoke.registries import SmokeRegistries
from geosync.cli.smoke.steps import NotSeen
from geosync.clock import Clock
from geosync.errors import GeosyncError

STACK, TABLE, SECRET, REPOSITORY, BUCKET, IMAGES = "stack", "table", "secret", "ECR repository", "bucket", "images"
_DELETED_AT_ONCE = 1000
"""Objects that one DeleteObjects takes."""
GONE_SECONDS = 120.0
"""The longest that a removed thing may still be listed: Secrets Manager removes in the background."""
PASSING_SECONDS = 30.0
"""The longest that a call is repeated after temporary errors: AWS throttles it, or is not reached."""
_GONE = frozenset({"ResourceNotFoundException", "RepositoryNotFoundException", "NoSuchBucket", "404"})


_Key = tuple[str, str, str]
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A thing with the name of a run. `command` removes it by hand; `why` it is still there, "" while nobody tried.

    `await_removal` ends when a removal that was begun has ended. While a thing `runs`, nothing else of its region is
    removed: the functions of a site use it.
    """

    kind: str
    name: str
    region: str
    is_tagged: bool
    command: str
    remove: Callable[[], object] = field(repr=False, compare=False)
    await_removal: Callable[[], object] = field(default=lambda: None, repr=False, compare=False)
    runs: bool = False
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
        for one in _looked(place.clock, kind, region, partial(look, place, region))
    ]
    for side in SIDES:
        found += _looked(place.clock, IMAGES, "", partial(_images, place, registries, side), where=_REGISTRY[side])
    return found


def _looked(
    clock: Clock, kind: str, region: str, look: Callable[[], Iterator[Leftover]], *, where: str = ""
) -> list[Leftover]:
    try:
        return _again(clock, lambda: list(look()))
    except (BotoCoreError, ClientError, GeosyncError, OSError, NotSeen) as error:
        unknown = Leftover(
            kind=kind,
            name=f"that nobody could look for{where}",
            region=region,
            is_tagged=False,
            command="",
            remove=lambda: None,
            runs=kind == STACK,
            why=f"cannot be looked for: {error}",
        )
        return [unknown]


def _again(clock: Clock, act: Callable[[], _Found]) -> _Found:
    """Act, and again after a temporary error. Raises NotSeen after PASSING_SECONDS of these, and every other error."""
    end_s = clock.monotonic_s() + PASSING_SECONDS
    while isinstance(found := look_once(act), FailedLook):
        if clock.monotonic_s() >= end_s:
            raise NotSeen(found.why)
        clock.sleep(POLL_SECONDS)
    return found


def remove(place: SmokePlace, registries: SmokeRegistries, say: Callable[[str], None]) -> list[Leftover]:
    """Remove all of it, the stacks first; returns what is left then, each with the reason.

    What fails stops nothing, with one exception: in a region where a stack runs, or where nobody could look for the
    stacks, everything else stays.
    """
    why: dict[_Key, str] = {}
    found, gone = _remove_stacks(place, registries, say, why)
    running = {one.region: one for one in found if one.runs and (one.is_tagged or one.why) and _key(one) not in gone}
    for one in found:
        if one.kind == STACK or not one.is_tagged:
            continue
        if one.region in running:
            why[_key(one)] = f"it stays while the {running[one.region].words} may use it"
            continue
        say(f"removing the {one.words} …")
        _try(place.clock, one, one.remove, why)
    return _await_gone(place, registries, why)


def _remove_stacks(
    place: SmokePlace, registries: SmokeRegistries, say: Callable[[str], None], why: dict[_Key, str]
) -> tuple[list[Leftover], set[_Key]]:
    """Remove the stacks until a look finds no other; returns what that look found, and the stacks that are gone."""
    tried = set[_Key]()
    while True:
        found = find(place, registries)
        deployed = [one for one in found if one.kind == STACK and one.is_tagged and _key(one) not in tried]
        if not deployed:
            return found, tried - why.keys()
        for one in deployed:
            say(f"removing the {one.words} …")
            _try(place.clock, one, one.remove, why)
        for one in deployed:
            tried.add(_key(one))
            if _key(one) not in why:
                _try(place.clock, one, one.await_removal, why)


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


def _try(clock: Clock, one: Leftover, act: Callable[[], object], why: dict[_Key, str]) -> None:
    try:
        _again(clock, act)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _GONE:
            why[_key(one)] = str(error)
    except (BotoCoreError, GeosyncError, OSError, NotSeen) as error:
        why[_key(one)] = str(error)


def _await_stack(place: SmokePlace, region: str, stack_id: str) -> None:
    state = stacks.await_deleted(place, region, stack_id)
    if state not in ("", "DELETE_COMPLETE"):
        raise NotSeen(f"its removal ended as {state}: its events say why")


# ---------------------------------------------------------------------------------------------------- of each service


def _images(place: SmokePlace, registries: SmokeRegistries, side: Side) -> Iterator[Leftover]:
    for repository in registries.images_left(place, side):
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
            name, stack_id, state = stack["StackName"], stack["StackId"], stack["StackStatus"]
            if place.names.holds(name) and state != "DELETE_COMPLETE":
                yield Leftover(
                    kind=STACK,
                    name=name,
                    region=region,
                    is_tagged=place.names.marks(stack.get("Tags", [])),
                    command=f"aws cloudformation delete-stack --region {region} --stack-name {name}",
                    remove=partial(stacks.delete, place, region, stack_id, state),
                    await_removal=partial(_await_stack, place, region, stack_id),
                    runs=state != "DELETE_FAILED",
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
                is_tagged=place.names.marks(tags),
                command=f"aws dynamodb delete-table --region {region} --table-name {name}",
                remove=partial(client.delete_table, TableName=name),
            )


def _secrets(place: SmokePlace, region: str) -> Iterator[Leftover]:
    """The one secret of a run, asked for by its name: the list of all is minutes behind."""
    client, name = place.client("secretsmanager", region), place.names.secret
    try:
        secret = client.describe_secret(SecretId=name)
    except client.exceptions.ResourceNotFoundException:
        return
    yield Leftover(
        kind=SECRET,
        name=name,
        region=region,
        is_tagged=place.names.marks(secret.get("Tags", [])),
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
            try:
                tags = client.list_tags_for_resource(resourceArn=one["repositoryArn"])["tags"]
            except client.exceptions.RepositoryNotFoundException:
                continue
            yield Leftover(
                kind=REPOSITORY,
                name=name,
                region=region,
                is_tagged=place.names.marks(tags),
                command=f"aws ecr delete-repository --region {region} --repository-name {name} --force",
                remove=partial(client.delete_repository, repositoryName=name, force=True),
            )


def _buckets(place: SmokePlace, region: str) -> Iterator[Leftover]:
    """The one bucket of a region. It is not there where S3 says so: 403 is a permission that is missing as well."""
    client, bucket = place.client("s3", region), place.names.bucket(place.account, region)
    owned = {"Bucket": bucket, "ExpectedBucketOwner": place.account}
    tags: list[Any] = []
    try:
        client.head_bucket(**owned)
        tags = client.get_bucket_tagging(**owned)["TagSet"]
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _GONE:
            return
        if code != "NoSuchTagSet":
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
_REGISTRY = {side: f" at the {'primary' if side == PRIMARY else 'secondary'}'s registry" for side in SIDES}
