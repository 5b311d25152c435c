"""The admin API as it is deployed: through API Gateway, under its own role, with what the sites report."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

import pytest
from tests.e2e.parts import PATIENCE_S, Site, eventually

from geosync.sync_registry.site.sites import site_id


def ask(site: Site, method: str, path: str, body: object = None, *, token: str | None = "read") -> tuple[int, Any]:  # noqa: S107 - the name of one
    """Ask a site's admin API with its read or act token, another one, or none: status and JSON."""
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if token is not None:
        headers["Authorization"] = f"Bearer {site.about.get(f'admin_{token}_token', token)}"
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"{site.about['admin_url']}{path}", data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def test_the_tokens_open_what_they_are_for_and_nothing_else_does(sites: list[Site]) -> None:
    for site in sites:
        for token in (None, "x" * 48, site.token()):
            assert ask(site, "GET", "/api/v4/geo_sites", token=token)[0] == 401
        code, known = ask(site, "GET", "/api/v4/geo_sites")
        assert (code, known[0]["name"], known[0]["current"]) == (200, site.name, True)
        assert ask(site, "POST", "/api/v4/geo/resume", {})[0] == 403


def test_the_primary_shows_what_the_secondaries_report(primary: Site, secondaries: list[Site]) -> None:
    for site in secondaries:
        assert site.invoke("reconcile")["report"] == "done"
    _, statuses = ask(primary, "GET", "/api/v4/geo_sites/status")
    assert [status["name"] for status in statuses] == [primary.name, *(site.name for site in secondaries)]
    assert all(status["reported_at"] for status in statuses[1:])
    assert {status["selective_sync_type"] for status in statuses} == {None}
    # Every site shows every site, under the same ids.
    shown = {status["name"]: status["geo_node_id"] for status in statuses}
    for site in secondaries:
        assert site.invoke("reconcile")["report"] == "done"  # the primary's answer to the last one was without it
        _, others = ask(site, "GET", "/api/v4/geo_sites/status")
        assert {status["name"]: status["geo_node_id"] for status in others} == shown
        code, status = ask(site, "GET", f"/api/v4/geo_sites/{shown[primary.name]}/status")
        assert (code, status["name"], status["primary"]) == (200, primary.name, True)
        assert status["health_status"] in STATES


STATES = {"Healthy", "Degraded", "Unhealthy"}


def test_no_site_can_report_for_another(primary: Site, secondaries: list[Site]) -> None:
    one, other = secondaries
    secret = one.client("secretsmanager").get_secret_value(SecretId=one.about["report_secret_arn"])["SecretString"]
    report = {"site": other.name, "sent_at": int(time.time() * 1000), "status": {}}
    assert ask(primary, "POST", "/api/v4/geo/status", report, token=secret)[0] == 401


def test_an_operator_pauses_resyncs_and_resumes_and_finds_it_in_the_audit_log(secondaries: list[Site]) -> None:
    site = secondaries[0]
    code, answer = ask(site, "POST", "/api/v4/geo/pause", {"reason": "a test"}, token="act")
    assert code == 200, answer
    try:
        assert ask(site, "GET", f"/api/v4/geo_sites/{site_id(site.name)}/status")[1]["pause_reason"] == "a test"
    finally:
        assert ask(site, "POST", "/api/v4/geo/resume", {}, token="act")[0] == 200
    scope = {"scope": "failed"}
    assert ask(site, "POST", "/api/v4/geo/container_repositories/resync", scope, token="act")[0] == 202
    _, page = ask(site, "GET", "/api/v4/geo/audit_events")
    done = [event["action"].rpartition("/")[2] for event in page["nodes"] if event["outcome"] == "done"]
    assert done[:3] == ["resync", "resume", "pause"]


def test_a_dead_letter_is_listed_and_discarded_with_a_reason(secondaries: list[Site]) -> None:
    site = secondaries[1]
    sent = site.client("sqs").send_message(QueueUrl=site.about["dlq_url"], MessageBody="poison of a test")
    letter = sent["MessageId"]

    def listed() -> bool:
        return letter in [one["id"] for one in ask(site, "GET", "/api/v4/geo/dead_letters")[1]["nodes"]]

    eventually(listed, what="the message in the list")
    body = {"ids": [letter], "reason": "put there by a test"}
    assert ask(site, "POST", "/api/v4/geo/dead_letters/discard", body, token="act")[1]["done"] == [letter]
    assert not listed()


@pytest.mark.parametrize(
    ("method", "path", "code"), [("GET", "/api/v4/no", 404), ("DELETE", "/api/v4/geo_sites/9", 409)]
)
def test_what_is_not_there_or_not_possible_is_said(secondaries: list[Site], method: str, path: str, code: int) -> None:
    found, answer = ask(secondaries[0], method, path, token="act")
    assert (found, bool(answer["message"])) == (code, True)
