"""Registries that cannot be used: a secret, a setting, a refused password, one that is down."""

from __future__ import annotations

import json

import pytest
from tests.functional.sync.parts import DONE, PASSWORD, TABLE, USERNAME, Log, Site, handle, push, until_free, wake
from tests.support.throttled import THROTTLING, throttled

from geosync.aws.errors import WAY_OUT
from geosync.errors import Unauthorized
from geosync.sync_registry.items import SYNCED
from geosync.syncing.reference import ReferenceSync

# ── registries that cannot be used ──


@pytest.mark.parametrize("secret", ["not JSON", '{"type": "song"}', '{"username": "geo"}'])
def test_a_secret_that_cannot_be_read_costs_no_event_and_is_read_again(
    site: Site, repository: str, log: Log, secret: str
) -> None:
    site.set_secret(secret)
    made = site.make.image(repository, "v1")
    assert handle(push(made)) == DONE
    assert site.owed(repository) == ["tag#v1"]
    (line, *_) = [line for line in log() if line["message"] == "registries_misconfigured"]
    assert "secret" in line["reason"]
    site.set_secret({"username": "geo", "password": "s3cret-reader"})
    assert handle(wake(repository)) == DONE
    assert site.digest(repository, "v1") == made.digest


@pytest.mark.parametrize("setting", ["PRIMARY_REGISTRY_URL", "PRIMARY_REGISTRY_SECRET_ARN"])
def test_a_setting_that_is_missing_or_wrong_costs_no_event(
    site: Site, aws: pytest.MonkeyPatch, repository: str, setting: str
) -> None:
    wrong = {"PRIMARY_REGISTRY_URL": "", "PRIMARY_REGISTRY_SECRET_ARN": f"{site.secret_arn}-gone"}
    aws.setenv(setting, wrong[setting])
    assert handle(push(site.make.image(repository, "v1"))) == DONE
    assert site.owed(repository) == ["tag#v1"]
    assert handle(wake(repository)) == DONE


def test_a_secret_that_aws_does_not_give_is_one_hold_that_says_so(site: Site, repository: str, log: Log) -> None:
    made = site.make.image(repository, "v1")
    with throttled("secretsmanager") as throttle:
        assert handle(push(made)) == DONE
        assert site.owed(repository) == ["tag#v1"]
        (hold,) = site.sync_registry.holds()
        assert hold.registry == site.primary.host
        assert "its secret cannot be read" in hold.reason
        said = f"AWS throttles Secrets Manager GetSecretValue; {WAY_OUT}"
        assert hold.reason.endswith(f"{said} [ThrottlingException: Rate exceeded]")
        before = throttle.refused.total()
        assert handle(wake(repository)) == DONE
        assert "registry_on_hold" in [line["message"] for line in log()]
    assert throttle.refused.total() - before <= 4, "who is woken during the hold asks once, as it reads its message"
    site.sync_registry.clear_hold(hold.registry)  # it runs out by itself
    assert handle(wake(repository)) == DONE
    assert site.digest(repository, "v1") == made.digest
    assert site.sync_registry.holds() == []


def test_a_table_that_is_throttled_while_a_reference_is_worked_on_is_said_of_the_reference(
    site: Site, repository: str
) -> None:
    made = site.make.image(repository, "v1")
    with throttled("dynamodb", operations=("TransactWriteItems",), cancelled=THROTTLING):
        assert handle(push(made)) == DONE
        (owed,) = site.sync_registry.owed(repository)
    assert owed.failure is not None
    assert f"AWS throttles DynamoDB TransactWriteItems; {WAY_OUT} [ThrottlingError: " in owed.failure
    assert (owed.attempts, owed.deaths, owed.parked) == (0, 0, False), "it is no fault of the image"
    assert site.sync_registry.bring_forward(owed)
    until_free(site, repository)
    assert handle(wake(repository)) == DONE
    assert site.digest(repository, "v1") == made.digest
    assert site.owed(repository) == []


def test_a_password_that_is_refused_is_one_hold_until_it_is_changed(site: Site, repository: str) -> None:
    site.set_secret({"username": "geo", "password": "wrong-one"})
    made = [site.make.image(f"{repository}-{number}", "v1") for number in range(3)]
    for one in made:
        assert handle(push(one)) == DONE
    (hold,) = site.sync_registry.holds()
    assert "401" in hold.reason
    assert hold.credentials
    owed = [site.sync_registry.owed(one.repository)[0] for one in made]
    assert [(one.attempts, one.parked) for one in owed] == [(0, False)] * 3, "nothing counts as failed"
    assert "401" in (owed[0].failure or "")
    assert "wrong-one" not in json.dumps(list(site.items().values()), default=str)
    assert handle(wake(made[1].repository)) == DONE
    assert site.digest(made[1].repository, "v1") is None

    site.set_secret({"username": USERNAME, "password": PASSWORD})
    assert handle(wake(made[1].repository)) == DONE  # what the sweep sends each minute while the hold is in force
    assert site.sync_registry.holds() == []
    assert site.digest(made[1].repository, "v1") == made[1].digest


def test_a_repository_that_is_forbidden_is_a_failure_of_its_own(
    site: Site, aws: pytest.MonkeyPatch, repository: str
) -> None:
    def forbidden(*_: object) -> None:
        raise Unauthorized("127.0.0.1:1", "GET /v2/secret/manifests/v1", status=403, codes=("DENIED",))

    made = site.make.image(repository, "v1")
    aws.setattr(ReferenceSync, "sync", forbidden)
    assert handle(push(made)) == DONE
    assert site.sync_registry.holds() == []
    (owed,) = site.sync_registry.owed(repository)
    assert (owed.attempts, owed.parked) == (1, False)


def test_a_registry_that_is_down_is_held_and_nothing_counts_as_failed(
    site: Site, aws: pytest.MonkeyPatch, repository: str
) -> None:
    made = site.make.image(repository, "v1")
    aws.setenv("LOCAL_REGISTRY_URL", "http://127.0.0.1:1")
    assert handle(push(made)) == DONE
    (hold,) = site.sync_registry.holds()
    assert hold.registry == "127.0.0.1:1"
    (owed,) = site.sync_registry.owed(repository)
    assert (owed.attempts, owed.parked) == (0, False)
    assert site.row(repository).lease_token is None
    # Another event of another repository is marked, and asks the registry nothing.
    other = site.make.image(f"{repository}/other", "v1")
    assert handle(push(other)) == DONE
    assert site.owed(other.repository) == ["tag#v1"]
    assert site.row(other.repository).lease_token is None


def test_a_hold_is_forgotten_when_the_registry_answers(site: Site, repository: str) -> None:
    name = site.secondary.host
    key = {"repository": {"S": "#site"}, "item": {"S": f"hold#{name}"}}
    past = {"until": {"N": "1"}, "attempts": {"N": "3"}, "reason": {"S": "it was down"}}
    site.dynamodb.put_item(TableName=TABLE, Item=key | past)
    assert handle(push(site.make.image(repository, "v1"))) == DONE
    assert site.row(repository).state == SYNCED
    assert ("#site", f"hold#{name}") not in site.items()
