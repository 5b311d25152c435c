"""The registries of a site while Secrets Manager does not answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.clock import FakeClock

from geosync.errors import SecretUnreadable
from geosync.oci.deadline import Deadline
from geosync.pair.settings import SyncSettings
from geosync.pair.site_registries import REREAD_AFTER_S, SiteRegistries

SETTINGS = SyncSettings(
    site_name="berlin",
    site_role="secondary",
    sync_table="table",
    dlq_url="https://sqs.invalid/dlq",
    local_registry_url="https://local.example.com:5000",
    primary_registry_url="https://primary.example.com",
    primary_registry_secret_arn="arn:secret",
)


class Secrets:
    """Secrets Manager, which throttles while it is told to."""

    def __init__(self) -> None:
        self.throttles = False
        self.password = "first-password"
        self.asked = 0

    def get_secret_value(self, **_: str) -> dict[str, str]:
        self.asked += 1
        if self.throttles:
            error: Any = {"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}
            raise ClientError(error, "GetSecretValue")
        return {
            "SecretString": json.dumps({"username": "geo", "password": self.password}),
            "VersionId": self.password,
        }


@pytest.fixture
def secrets() -> Secrets:
    return Secrets()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def site(secrets: Secrets, clock: FakeClock) -> SiteRegistries:
    habits: Any = None  # nobody asks for them here
    client: Any = secrets
    return SiteRegistries(SETTINGS, client, habits, deadline=Deadline(), clock=clock)


def test_the_names_are_known_without_a_secret(site: SiteRegistries, secrets: Secrets) -> None:
    assert site.names == ("local.example.com:5000", "primary.example.com")
    assert secrets.asked == 0


def test_without_a_secret_the_error_names_its_registry(site: SiteRegistries, secrets: Secrets) -> None:
    secrets.throttles = True
    with pytest.raises(SecretUnreadable, match="ThrottlingException") as raised:
        site.get()
    assert raised.value.registry == "primary.example.com"
    secrets.throttles = False
    assert site.get().primary.name == "primary.example.com"


def test_a_secret_stays_in_use_while_it_cannot_be_read_again(
    site: SiteRegistries, secrets: Secrets, clock: FakeClock
) -> None:
    before = site.get()
    secrets.throttles = True
    clock.pass_(REREAD_AFTER_S)
    assert site.get() is before
    assert "ThrottlingException" in str(site.unread)
    asked = secrets.asked
    site.get()
    assert secrets.asked == asked, "it is left alone for a while"

    secrets.throttles, secrets.password = False, "second-password"
    clock.pass_(REREAD_AFTER_S)
    assert site.get() is not before
    assert site.unread is None
    assert site.get().credentials("primary.example.com") == "second-password"
