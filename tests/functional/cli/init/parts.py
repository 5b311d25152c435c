"""What the tests of `geosync init` share: answers, and what the files have."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from click.testing import Result

from geosync.cli.site import StackSite as DeployedSite

ADMIN = "https://a1.execute-api.eu-west-1.amazonaws.com/geo/"
URL, TOKEN = "https://n1.execute-api.eu-west-1.amazonaws.com/api/v4/container_registry_event/events", "t" * 48
PASSWORD = "a password that nobody is shown"
ANSWERS: dict[str, Any] = {
    "primary": {
        "name": "dublin",
        "region": "eu-west-1",
        "registry": "https://registry.dublin.example.com",
        "kind": "distribution",
    },
    "secondaries": [
        {
            "name": "oregon",
            "region": "us-west-2",
            "registry": "https://registry.oregon.example.com",
            "kind": "distribution",
            "primary": {"type": "basic", "username": "reader", "password": PASSWORD},
            "local": {"type": "basic", "username": "writer", "password": PASSWORD},
        }
    ],
}
REGIONS = {"dublin": "eu-west-1", "oregon": "us-west-2"}

Init = Callable[..., Result]
Deploy = Callable[..., DeployedSite]


def topic(site: str) -> str:
    return f"arn:aws:sns:{REGIONS[site]}:123456789012:geosync-{site}"


def overrides(folder: Path, site: str) -> dict[str, str]:
    settings = tomllib.loads((folder / "samconfig.toml").read_text())[site]["deploy"]["parameters"]
    assert (settings["stack_name"], settings["region"]) == (f"geosync-{site}", REGIONS[site])
    assert settings["capabilities"] == "CAPABILITY_IAM"
    return dict(word.split("=", 1) for word in settings["parameter_overrides"].split())


def put_secrets(folder: Path) -> None:
    """Make the secrets, as the printed commands do."""
    client = boto3.client("secretsmanager", region_name="us-west-2")
    for which in ("primary", "local"):
        file = folder / f"oregon-{which}-registry.json"
        client.create_secret(Name=f"geosync/oregon/{which}-registry", SecretString=file.read_text())
        file.unlink()
