"""The parts of geosync smoke that ask AWS or a site: Amazon ECR by moto, parameters, metrics, notifications, waits."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from local.processes import free_port
from tests.functional.cli.conftest import PlayedClock
from tests.functional.cli.smoke.conftest import ACCOUNT, LOOKS, NAMES, A, B, PlayedRegistries, Smoked

from geosync.cli.site import AwsAccess, StackSite
from geosync.cli.smoke import leftovers
from geosync.cli.smoke import promises as promises_module
from geosync.cli.smoke.names import TAG, SmokePlace
from geosync.cli.smoke.package import SmokePackage
from geosync.cli.smoke.promises import METRICS, Promises
from geosync.cli.smoke.registries import EcrRegistries, GivenRegistries, GivenRegistry, Happening
from geosync.cli.smoke.run import OURS, SmokeOptions, SmokeRun
from geosync.cli.smoke.steps import NotKnown, NotSeen, wait_for
from geosync.clock import Clock
from geosync.operating.owed_references import OwedReference
from geosync.registries.registry import Registry
from geosync.registries.secrets import RegistrySecret
from geosync.registries.vendors.ecr import Ecr, EcrAccess

MEASURES, PROMOTES = Promises.measures, Promises.promotes
"""As they are: the fixture `smoke` has looks in the place of all."""


@pytest.fixture
def place(smoke: Smoked) -> SmokePlace:
    access = AwsAccess(session=boto3.Session(region_name=A), clock=PlayedClock())
    return SmokePlace.find(access, NAMES, {"a": A, "b": B})


def run(place: SmokePlace, registries: Any) -> SmokeRun:
    options = SmokeOptions(
        package=SmokePackage(folder=Path(), zips=()), parameters={"Reads": "on"}, timeout_s=1, metrics_timeout_s=1
    )
    return SmokeRun(place=place, registries=registries, options=options, say=lambda _: None, tell=lambda _: None)


# ------------------------------------------------------------------------------------------------------------- ECR


def test_ecr_s_registries_are_found_and_what_functions_sync_makes_there_has_the_tag(place: SmokePlace) -> None:
    registries = EcrRegistries(place)
    registries.make()
    assert registries.urls == {
        side: f"https://{ACCOUNT}.dkr.ecr.{region}.amazonaws.com" for side, region in (("a", A), ("b", B))
    }
    text = boto3.client("secretsmanager", region_name=B).get_secret_value(SecretId=registries.secret_arn)
    given = RegistrySecret.parse(text["SecretString"], Ecr.SECRETS).credentials
    assert isinstance(given, EcrAccess)
    assert dict(given.repository_tags) == {TAG: NAMES.id}
    for side, region in (("a", A), ("b", B)):
        registry = registries.open(side)  # type: ignore[arg-type]
        assert isinstance(registry, Ecr)
        assert registry.make_repository(NAMES.repository)
        registry.close()
        (made,) = boto3.client("ecr", region_name=region).describe_repositories()["repositories"]
        assert made["repositoryName"] == NAMES.repository
    found = leftovers.find(place, registries)
    assert [(one.kind, one.region, one.is_tagged) for one in found] == [
        ("ECR repository", A, True),
        ("secret", B, True),
        ("ECR repository", B, True),
    ]
    assert leftovers.remove(place, registries, lambda _: None) == []


@pytest.mark.parametrize("regions", [{"a": A, "b": B}, {"a": A, "b": A}])
def test_the_sites_of_ecr_take_its_events_and_replicate_the_run_s_repositories_alone(
    smoke: Smoked, place: SmokePlace, regions: Any
) -> None:
    place = replace(place, regions=regions)
    registries = EcrRegistries(place)
    registries.make()
    first, second = (run(place, registries).parameters(side) for side in ("a", "b"))
    assert (first["SiteRole"], second["SiteRole"]) == ("primary", "secondary")
    assert first["NotificationSource"] == second["NotificationSource"] == "ecr"
    assert second["PrimaryTopicArn"] == f"arn:aws:sns:{A}:{ACCOUNT}:geosync-{first['SiteName']}"
    assert second["IncludeRepositories"] == f"geosync-smoke-{NAMES.id}/**"
    assert second["PrimaryRegistryUrl"] == first["LocalRegistryUrl"]
    assert second["LocalRegistrySecretArn"] == registries.secret_arn
    # Within one registry a copy has another name, which the selection does not have: it is not copied again.
    assert ("RepositoryPrefix" in second) is (regions["b"] == A)
    assert "OptInRegions" not in second
    for name, value in {**first, **second}.items():
        known = smoke.stacks.template["Parameters"][name]
        assert re.fullmatch(known.get("AllowedPattern", ".*"), value), (name, value)
        assert value in known.get("AllowedValues", [value]), (name, value)
    assert {*first, *second} - {"Reads"} <= OURS


@pytest.mark.parametrize(("other", "named"), [(B, "eu-south-1"), ("eu-south-1", None)])
def test_a_primary_in_a_region_that_one_opts_in_to_is_let_in(place: SmokePlace, other: str, named: str | None) -> None:
    place = replace(place, regions={"a": "eu-south-1", "b": other})
    assert run(place, PlayedRegistries()).parameters("b").get("OptInRegions") == named


# --------------------------------------------------------------------------------------------------------- metrics


def promises(place: SmokePlace, registries: Any) -> Promises:
    return Promises(place, registries, 10.0, began_ms=place.clock.now_ms())


def test_the_metrics_of_both_sites_are_read(place: SmokePlace) -> None:
    for number, (side, metric) in enumerate(METRICS, 1):
        boto3.client("cloudwatch", region_name=place.regions[side]).put_metric_data(
            Namespace="Geosync",
            MetricData=[
                {
                    "MetricName": metric,
                    "Dimensions": [{"Name": "site", "Value": NAMES.site(side)}],
                    "Timestamp": datetime.now(UTC),
                    "Value": number,
                }
            ],
        )
    said = MEASURES(promises(place, PlayedRegistries()), 60.0)
    assert said == "EventsAccepted 1, HeartbeatsPosted 2, ReferencesSynced 3, ReconcileRuns 4"


def test_a_metric_that_cloudwatch_has_no_value_of_is_not_known(place: SmokePlace) -> None:
    with pytest.raises(NotKnown, match=r"no value of EventsAccepted, .* after 60 s"):
        MEASURES(promises(place, PlayedRegistries()), 60.0)


@pytest.mark.parametrize("code", ["AccessDenied", "Throttling"])
def test_metrics_that_nobody_may_read_are_not_known(smoke: Smoked, place: SmokePlace, code: str) -> None:
    smoke.refusals.left["GetMetricData"] = code, 1_000
    with pytest.raises(NotKnown, match=f"{code}.*not now: GetMetricData"):
        MEASURES(promises(place, PlayedRegistries()), 60.0)


def test_a_read_of_metrics_that_fails_in_passing_is_made_again(smoke: Smoked, place: SmokePlace) -> None:
    smoke.refusals.left["GetMetricData"] = "Throttling", 4
    with pytest.raises(NotKnown, match=r"after 60 s$"):  # the last look was answered
        MEASURES(promises(place, PlayedRegistries()), 60.0)


# ------------------------------------------------------------------------------------------------------- a promotion


@dataclass
class Promoted:
    """A site that becomes the primary."""

    clock: Clock = field(default_factory=PlayedClock)
    name: str = "b"
    is_primary: bool = True


def promoted(place: SmokePlace, monkeypatch: pytest.MonkeyPatch, *, lost: str = "", waiting: int = 0) -> str:
    """Promote a site of which `lost` is owed, with messages in its queue."""
    owed = OwedReference(
        repository=lost, reference="pushed", owed_since=0, due=0, attempts=0, failure=None, parked=False
    )
    found = SimpleNamespace(
        status=SimpleNamespace(would_be_lost=[owed] if lost else []),
        unmarked={"events_waiting": waiting, "dead_letters": 0},
    )
    monkeypatch.setattr(promises_module, "read_losses", lambda _: found)
    monkeypatch.setattr(promises_module, "make_primary", lambda *_, **__: None)
    monkeypatch.setattr(promises_module, "find_again", lambda site: site)
    looks = promises(place, PlayedRegistries())
    looks._sites["b"] = Promoted()  # type: ignore[assignment]
    return PROMOTES(looks)


def test_pushes_of_others_that_wait_fail_no_promotion_and_are_told(
    place: SmokePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert promoted(place, monkeypatch).endswith("nothing known to be lost")
    said = promoted(place, monkeypatch, waiting=3)
    assert said.endswith("nothing known to be lost; of 3 messages in its queues nobody knows the repository")
    with pytest.raises(NotSeen, match=f"would be lost: {NAMES.repository}:pushed"):
        promoted(place, monkeypatch, lost=NAMES.repository, waiting=3)


def test_every_look_is_one_of_the_promises() -> None:
    assert [name for name in LOOKS if not callable(getattr(Promises, name, None))] == []


# ------------------------------------------------------------------------------------------------- given registries


def test_a_site_that_does_not_answer_is_named_without_its_token(place: SmokePlace) -> None:
    secrets = boto3.client("secretsmanager", region_name=A)
    arn = secrets.create_secret(Name="token", SecretString="a-secret-token-of-the-site")["ARN"]
    url = f"http://127.0.0.1:{free_port()}/api"
    site = StackSite(
        access=place.access,
        stack=NAMES.stack("a"),
        region=A,
        state="CREATE_COMPLETE",
        parameters={},
        outputs={"NotificationsUrl": url, "NotificationTokenSecretArn": arn},
    )
    given = GivenRegistries(place=place, given={"a": GivenRegistry(url=url), "b": GivenRegistry(url=url)})
    assert given.are_one
    with pytest.raises(NotSeen, match="does not answer: ConnectionError") as raised:
        given.announce(site, Happening(action="push", repository="app", tag="v1"))
    assert "a-secret-token" not in str(raised.value)


def test_a_given_registry_is_opened_with_its_secret_of_the_secondary_s_region(place: SmokePlace) -> None:
    secrets = boto3.client("secretsmanager", region_name=B)
    account = json.dumps({"type": "basic", "username": "writer", "password": "w"})
    arn = secrets.create_secret(Name="writer", SecretString=account)["ARN"]
    url = "https://registry.example.com"
    given = GivenRegistries(
        place=place, given={"a": GivenRegistry(url=url, secret_arn=arn), "b": GivenRegistry(url=url)}
    )
    registry = given.open("a")
    assert isinstance(registry, Registry)
    assert "writer" in repr(registry.credentials)
    assert given.parameters("b")["PrimaryRegistrySecretArn"] == arn
    registry.close()


# ------------------------------------------------------------------------------------------------------------ waits


def test_a_wait_goes_on_after_a_look_that_fails_in_passing_and_names_it_at_its_end() -> None:
    clock, throttled = PlayedClock(), ClientError({"Error": {"Code": "Throttling", "Message": "slow down"}}, "Query")
    answers: list[object] = [throttled, None, "here"]

    def look() -> object:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert wait_for(look, "it", clock=clock, timeout_s=60.0) == "here"
    answers[:] = [throttled] * 100
    with pytest.raises(NotSeen, match=r"waited 5 s for it .*slow down"):
        wait_for(look, "it", clock=clock, timeout_s=5.0)


def test_a_wait_ends_at_once_where_no_later_look_can_find_anything() -> None:
    def look() -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "Query")

    with pytest.raises(ClientError):
        wait_for(look, "it", clock=PlayedClock(), timeout_s=60.0)
