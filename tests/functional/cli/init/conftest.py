"""Sites that `geosync init` finds deployed, or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from tests.functional.cli.init.parts import (
    ADMIN,
    ANSWERS,
    REGIONS,
    TOKEN,
    URL,
    Deploy,
    Init,
    topic,
)

from geosync.cli.main import main
from geosync.cli.site import AwsAccess, StackName
from geosync.cli.site import StackSite as DeployedSite
from geosync.errors import ConfigurationError
from geosync.sync_registry.table import tables


@pytest.fixture
def found(aws: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, DeployedSite]:
    """The deployed stacks by name."""
    stacks: dict[str, DeployedSite] = {}

    def find(_access: AwsAccess, name: StackName) -> DeployedSite:
        if name.name not in stacks:
            raise ConfigurationError(f"there is no stack {name.name} in {name.region}")
        return stacks[name.name]

    monkeypatch.setattr(DeployedSite, "find", find)
    return stacks


@pytest.fixture
def deploy(found: dict[str, DeployedSite]) -> Deploy:
    def make(name: str, role: str, *, state: str = "CREATE_COMPLETE") -> DeployedSite:
        region = REGIONS[name]
        secret = boto3.client("secretsmanager", region_name=region).create_secret(Name=f"{name}-t", SecretString=TOKEN)
        tables.create(boto3.client("dynamodb", region_name=region), name)
        other = next(one for one in REGIONS if one != name)
        followed = {"PrimaryTopicArn": topic(other)} if role == "secondary" else {}
        outputs = {"TopicArn": topic(name), "AdminUrl": ADMIN, "NotificationsUrl": URL, "SyncRegistryTable": name}
        found[f"geosync-{name}"] = DeployedSite(
            access=AwsAccess(session=boto3.Session(region_name=region)),
            stack=f"geosync-{name}",
            region=region,
            state=state,
            parameters={"SiteName": name, "SiteRole": role, **followed},
            outputs={**outputs, "NotificationTokenSecretArn": secret["ARN"]},
        )
        return found[f"geosync-{name}"]

    return make


@pytest.fixture
def init(found: dict[str, DeployedSite], tmp_path: Path) -> Init:
    def run(*more: str, **given: Any) -> Result:
        return CliRunner().invoke(main, ["init", "--folder", str(tmp_path), "--no-check", *more], **given)

    return run


@pytest.fixture
def answers(tmp_path: Path) -> str:
    file = tmp_path / "given.json"
    file.write_text(json.dumps(ANSWERS))
    return str(file)
