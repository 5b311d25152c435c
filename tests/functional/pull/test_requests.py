"""The handler as API Gateway calls it: admission, answers, marks and wakes, and the log."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
from functions.pull import app
from tests.functional.pull.parts import BASIC, PASSWORD, TABLE, WRONG, Site, invoke, pull, sample
from tests.support.patience import PATIENCE_S
from tests.support.throttled import throttled

from geosync.aws.errors import WAY_OUT
from geosync.clock import SYSTEM_CLOCK
from geosync.sync_registry.items import Reference
from geosync.sync_registry.transitions.marks import Mark

Lines = Callable[[], list[dict[str, Any]]]


@pytest.mark.parametrize(("authorization", "effect"), [(BASIC, "Allow"), (WRONG, "Deny"), (None, "Deny")])
def test_api_gateway_is_told_whom_the_site_s_registry_lets_in(
    site: Site, authorization: str | None, effect: str
) -> None:
    asked = sample("pull-admission.json", authorization)
    answer = invoke(asked)
    (statement,) = answer["policyDocument"]["Statement"]
    assert (statement["Effect"], statement["Resource"]) == (effect, asked["methodArn"])
    assert "context" not in answer


def test_a_registry_that_does_not_answer_denies_nobody(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_REGISTRY_URL", "http://127.0.0.1:9")
    app.site.cache_clear()
    (statement,) = invoke(sample("pull-admission.json"))["policyDocument"]["Statement"]
    assert statement["Effect"] == "Allow"
    answer = pull("group/app", "v1")
    assert (answer["statusCode"], json.loads(answer["body"])["errors"][0]["code"]) == (503, "UNAVAILABLE")


def test_a_synced_tag_is_served(site: Site, repository: str, capsys: pytest.CaptureFixture[str]) -> None:
    point_ms = site.account()
    made = site.synced(repository)
    answer = pull(repository, "v1")
    assert (answer["statusCode"], answer["body"].encode()) == (200, made.content)
    assert 99 <= int(answer["headers"]["X-Geosync-Lag"]) <= (SYSTEM_CLOCK.now_ms() - point_ms) / 1000 + 1
    assert '"ReadsServed":[1.0]' in capsys.readouterr().out.replace(" ", "")
    assert site.woken() == []


def test_a_pull_of_a_missing_tag_marks_it_and_sends_a_wake_at_once(site: Site, repository: str, log: Lines) -> None:
    site.account()
    site.synced(repository)
    answer = pull(repository, "v2", seconds=6.0)
    assert (answer["statusCode"], json.loads(answer["body"])["errors"][0]["code"]) == (404, "MANIFEST_UNKNOWN")
    assert site.owed(repository) == ["tag#v2"]
    assert (site.woken(), site.woken(site.work_url)) == ([repository], [])
    (line,) = [one for one in log() if one["message"] == "pull_not_served_at_once"]
    assert (line["repository"], line["reference"], line["outcome"]) == (repository, "v2", "fell through")


def test_a_name_that_only_clients_ever_said_is_woken_for_behind_every_push(site: Site, repository: str) -> None:
    site.account()
    assert pull(repository, "v1", seconds=6.0)["statusCode"] == 404
    assert pull(repository, "v2", seconds=6.0)["statusCode"] == 404
    assert site.owed(repository) == ["tag#v1", "tag#v2"]
    assert site.woken() == []
    assert set(site.woken(site.work_url)) == {repository}
    # An event named it since: pulls go first in line.
    site.sync_registry.mark(repository, Reference.tag("v3"), Mark(expects=f"sha256:{'a' * 64}"))
    lease = site.sync_registry.acquire(repository)
    assert lease is not None
    site.sync_registry.release(lease)
    assert pull(repository, "v4", seconds=6.0)["statusCode"] == 404
    assert (site.woken(), site.woken(site.work_url)) == ([repository], [])


@pytest.mark.parametrize("authorization", [None, WRONG])
def test_a_refused_client_causes_nothing(site: Site, repository: str, authorization: str | None) -> None:
    site.account()
    site.synced(repository)
    for tag in ("v1", "v2"):
        answer = pull(repository, tag, authorization)
        assert (answer["statusCode"], json.loads(answer["body"])["errors"][0]["code"]) == (401, "UNAUTHORIZED")
        assert answer["headers"]["WWW-Authenticate"].startswith("Basic realm=")
    assert (site.owed(repository), site.woken()) == ([], [])


def test_a_refused_client_does_not_learn_what_is_selected(
    site: Site, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INCLUDE_TAGS", "v*")
    site.account()
    site.synced(repository)
    selected, other = (pull(repository, tag, WRONG) for tag in ("v1", "latest"))
    assert (selected["statusCode"], selected["headers"]) == (401, other["headers"])


def test_nothing_of_a_client_s_credentials_is_written_anywhere(
    site: Site, repository: str, log: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    site.account()
    for authorization in (BASIC, WRONG, f"Bearer {PASSWORD}\r\nX: y"):
        invoke(sample("pull-admission.json", authorization))
        answer = pull(repository, "v1", authorization, seconds=5.0)
        written = f"{log()}{capsys.readouterr()}{answer}"
        assert authorization.split()[1] not in written
        assert PASSWORD not in written


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({"authorization": None}, 401, "UNAUTHORIZED"),
    ({"authorization": WRONG}, 401, "UNAUTHORIZED"),
    ({"httpMethod": "PUT", "body": "{}"}, 405, "UNSUPPORTED"),
    ({"repository": "outside/app"}, 404, "NAME_UNKNOWN"),
    ({"repository": "outside/app", "authorization": WRONG}, 401, "UNAUTHORIZED"),
    ({"repository": "a" * 300}, 400, "NAME_INVALID"),
    ({"Range": "bytes=0-9"}, 416, "UNSUPPORTED"),
]


@pytest.mark.parametrize(("bad", "status", "code"), BAD, ids=[code + str(at) for at, (_, _, code) in enumerate(BAD)])
def test_bad_input_is_refused_as_a_registry_refuses_and_causes_nothing(
    site: Site, repository: str, monkeypatch: pytest.MonkeyPatch, bad: dict[str, Any], status: int, code: str
) -> None:
    monkeypatch.setenv("INCLUDE_REPOSITORIES", "group/**")
    site.account()
    asked = {"repository": repository, "authorization": BASIC} | bad
    event = sample("pull-manifest.json", asked["authorization"], path=f"/v2/{asked['repository']}/manifests/v1")
    headers = event["headers"] | {name: value for name, value in asked.items() if name == "Range"}
    answer = invoke(event | {name: value for name, value in asked.items() if name in event} | {"headers": headers})
    url = f"{site.registry.url}/v2/{repository}/manifests/v1"
    of_the_registry = requests.get(url, headers={"Authorization": BASIC}, timeout=PATIENCE_S)
    (error,) = json.loads(answer["body"])["errors"]
    assert (answer["statusCode"], error["code"]) == (status, code)
    assert json.loads(answer["body"]).keys() == of_the_registry.json().keys()
    assert error.keys() == of_the_registry.json()["errors"][0].keys()
    assert "json" in answer["headers"]["Content-Type"]
    assert answer["headers"]["Docker-Distribution-Api-Version"] == "registry/2.0"
    did_the_registry_let_it_in = status == 404
    assert ("X-Geosync-Recovery-Point" in answer["headers"]) == did_the_registry_let_it_in
    assert (site.owed(repository), site.owed("outside/app"), site.woken()) == ([], [], [])


def test_a_primary_passes_on_what_its_registry_has(
    site: Site, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SITE_ROLE", "primary")
    made = site.make.image(repository, "v1")
    answer = pull(repository, "v1")
    assert (answer["statusCode"], answer["body"].encode()) == (200, made.content)
    assert answer["headers"]["X-Geosync-Lag"] == "0"
    assert pull(repository, "v2")["statusCode"] == 404
    assert (site.owed(repository), site.woken()) == ([], [])


def test_a_table_that_does_not_answer_serves_nothing(site: Site, repository: str, log: Lines) -> None:
    site.make.image(repository, "v1")
    site.dynamodb.delete_table(TableName=TABLE)
    answer = pull(repository, "v1")
    assert (answer["statusCode"], json.loads(answer["body"])["errors"][0]["code"]) == (503, "UNAVAILABLE")
    assert answer["headers"]["X-Geosync-Recovery-Point"] == "not known"
    assert [one["message"] for one in log()] == ["pull_failed"]


def test_the_log_names_the_call_that_was_throttled(site: Site, repository: str, log: Lines) -> None:
    site.make.image(repository, "v1")
    with throttled("dynamodb"):
        assert pull(repository, "v1")["statusCode"] == 503
    (line,) = log()
    assert line["message"] == "pull_failed"
    assert f"AWS throttles DynamoDB BatchGetItem; {WAY_OUT} [ProvisionedThroughput" in line["reason"]


def test_the_site_s_prefix_is_part_of_the_name_here(
    site: Site, repository: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPOSITORY_PREFIX", "mirror")
    site.account()
    assert json.loads(pull(repository, "v1")["body"])["errors"][0]["code"] == "NAME_UNKNOWN"
    assert pull(f"mirror/{repository}", "v1", seconds=5.0)["statusCode"] == 404
    assert (site.owed(repository), site.woken(site.work_url)) == (["tag#v1"], [repository])
