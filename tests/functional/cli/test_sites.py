"""`geosync sites`: the sites that a primary expects, by name, address and the digest of a token."""

import json
import time
from dataclasses import replace
from typing import Any

import boto3
import pytest
from tests.functional.cli.conftest import REGION, PlayedClock, Site
from tests.support.findings import problem, problems

from geosync.cli.checks import wiring
from geosync.cli.site import StackSite as DeployedSite
from geosync.clock import moment
from geosync.operating import sites
from geosync.sync_registry.site.reported_rows import ReportedPage, ReportedRow
from geosync.sync_registry.site.sites import KnownSites, SiteReport, site_id
from geosync.sync_registry.site.told import Told, ToldSite

KEY = sites.report_key("t" * 48)
URL = "https://oregon.example.com/geo"


def made_private(site: DeployedSite) -> DeployedSite:
    return replace(site, parameters={**site.parameters, "AdminVpcEndpointIds": "vpce-0a1b2c3d"})


def known_sites(site: Site) -> KnownSites:
    return site.sync_registry.sites


def now() -> int:
    return int(time.time() * 1000)


def test_a_primary_is_told_whom_to_expect_and_shows_who_is_silent(primary: Site) -> None:
    assert primary.run("sites", "list").exit_code == 0
    added = primary.run("sites", "add", "oregon", URL, "--report-key", KEY)
    assert added.exit_code == 0, added.output
    assert "PrimaryAdminUrl=https://admin.example.com/geo/" in added.output
    silent = primary.run("sites", "list")
    assert (silent.exit_code, "never" in silent.output) == (1, True)
    report = SiteReport(site="oregon", sent_at=now(), arrived_at=now(), status="{}")
    assert known_sites(primary).record(report)
    shown = primary.run("sites", "list", "--json")
    (oregon,) = json.loads(shown.output)
    assert (shown.exit_code, oregon["name"], oregon["url"], oregon["late"]) == (0, "oregon", URL, False)
    assert KEY not in shown.output


def test_a_private_admin_api_is_given_no_sites_to_expect(primary: Site, stacks: dict[str, DeployedSite]) -> None:
    stacks["geosync-test"] = made_private(stacks["geosync-test"])
    refused = primary.run("sites", "add", "oregon", URL, "--report-key", KEY)
    assert refused.exit_code != 0
    assert "AdminVpcEndpointIds" in str(refused.exception) + refused.output
    assert known_sites(primary).find("oregon") is None


def test_sites_that_were_expected_before_the_api_became_private_are_a_problem(
    primary: Site, stacks: dict[str, DeployedSite]
) -> None:
    site = stacks["geosync-test"]
    assert problems(wiring.look_at_the_reports(site)) == set()
    assert primary.run("sites", "add", "oregon", URL, "--report-key", KEY).exit_code == 0
    assert problems(wiring.look_at_the_reports(site)) == set()
    assert "oregon" in problem(wiring.look_at_the_reports(made_private(site)), "reports_arrive").text


def test_the_digest_is_read_where_the_token_is(primary: Site, stacks: dict[str, DeployedSite]) -> None:
    secret = boto3.client("secretsmanager", region_name=REGION).create_secret(Name="report", SecretString="t" * 48)
    own = stacks["geosync-test"]
    stacks["geosync-oregon"] = DeployedSite(
        access=own.access,
        stack="geosync-oregon",
        region=REGION,
        state="CREATE_COMPLETE",
        parameters={"SiteName": "oregon", "SiteRole": "secondary"},
        outputs={**own.outputs, "ReportTokenSecretArn": secret["ARN"]},
    )
    assert primary.run("sites", "add", "oregon", URL, "--secondary", f"geosync-oregon@{REGION}").exit_code == 0
    known = known_sites(primary).find("oregon")
    assert sites.may_report(known, "t" * 48)
    assert not sites.may_report(known, KEY)


def test_two_sites_with_one_name_are_refused(primary: Site) -> None:
    primary.run("sites", "add", "oregon", URL, "--report-key", KEY)
    twin = primary.run("sites", "add", "oregon", "https://elsewhere.example.com", "--report-key", "0" * 64)
    assert (twin.exit_code, "two sites must not have one name" in twin.output) == (2, True)
    known = known_sites(primary).find("oregon")
    assert known is not None
    assert (known.url, known.report_key) == (URL, KEY)
    moved = primary.run("sites", "add", "oregon", "https://elsewhere.example.com", "--report-key", KEY)
    assert moved.exit_code == 0
    own = primary.run("sites", "add", "frankfurt", URL, "--report-key", KEY)
    assert (own.exit_code, "two sites must not have one name" in own.output) == (2, True)


def test_the_id_of_a_site_follows_from_its_name(primary: Site) -> None:
    primary.run("sites", "add", "oregon", URL, "--report-key", KEY)
    (oregon,) = json.loads(primary.run("sites", "list", "--json").output)
    assert oregon["id"] == site_id("oregon")


def test_a_site_of_which_a_former_primary_told_can_be_removed(primary: Site) -> None:
    primary.sync_registry.told.record(Told(at=now(), sites=(ToldSite(name="dublin", url=None, primary=True),)))
    assert primary.run("sites", "remove", "dublin").exit_code == 0
    assert primary.sync_registry.told.read().sites == ()


def test_a_site_that_is_removed_is_expected_no_more(primary: Site) -> None:
    primary.run("sites", "add", "oregon", URL, "--report-key", KEY)
    assert primary.run("sites", "remove", "oregon").exit_code == 0
    assert primary.run("sites", "remove", "oregon").exit_code == 1
    assert known_sites(primary).all() == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "Oregon", URL, "--report-key", KEY),
        ("add", "oregon", "https://user:password@oregon.example.com", "--report-key", KEY),
        ("add", "oregon", URL, "--report-key", "t" * 48),
        ("add", "oregon", URL),
        ("add", "oregon", URL, "--report-key", KEY, "--secondary", "geosync-oregon"),
        ("add", "frankfurt", URL, "--report-key", KEY),
    ],
)
def test_only_another_site_can_be_expected(primary: Site, arguments: tuple[Any, ...]) -> None:
    assert primary.run("sites", *arguments).exit_code == 2
    assert known_sites(primary).all() == []


def test_a_primary_lists_its_repositories_and_what_each_site_has(primary: Site) -> None:
    assert "No site has reported" in primary.run("repositories").output
    primary.run("sites", "add", "oregon", URL, "--report-key", KEY)
    rows = tuple(
        ReportedRow(name=name, state=state, verification_state="2") for name, state in (("a/x", "2"), ("b/y", "3"))
    )
    primary.sync_registry.reported_rows.put("oregon", ReportedPage(after="", until="~", at=now(), rows=rows))
    primary.run("sites", "add", "seoul", URL, "--report-key", KEY)
    shown = primary.run("repositories")
    assert shown.exit_code == 1, "one has failed"
    assert ("synced" in shown.output, "failed" in shown.output, "not reported yet" in shown.output) == (True,) * 3
    document = primary.run("repositories", "a/", "--json")
    (found,) = json.loads(document.output)["repositories"]
    assert document.exit_code == 0
    assert found["name"] == "a/x"
    assert [(one["site"], one["known"], one["state"]) for one in found["sites"]] == [
        ("oregon", True, "synced"),
        ("seoul", None, None),
    ]
    assert primary.run("repositories", "--state", "failed").exit_code == 2
    primary.run("sites", "remove", "oregon")
    assert "No site has reported" in primary.run("repositories").output


def test_a_primary_shows_its_endpoint_its_catalogue_and_each_of_its_sites(primary: Site, clock: PlayedClock) -> None:
    now_ms, known = clock.now_ms(), primary.sync_registry.sites
    primary.sync_registry.minute.record()
    for name in ("oregon", "oslo"):
        known.add(name=name, url=f"https://{name}.example.com", key=sites.report_key("t" * 48), now_ms=now_ms)
    told = {
        "name": "oregon",
        **{"health_status": "Healthy", "health": "Healthy", "healthy": True, "health_reasons": []},
        **{"recovery_point_at": moment(now_ms - 90_000), "owed_references_count": 3, "version": "9.9.9"},
        **{"primary_repositories_count": 7, "primary_repositories_counted_at": moment(now_ms - 3_600_000)},
    }
    known.record(SiteReport(site="oregon", sent_at=now_ms, arrived_at=now_ms, status=json.dumps(told)))
    shown = dict(line.split("\t", 1) for line in primary.run("status").stdout.splitlines() if not line.startswith("\t"))
    assert shown["heartbeat"] == "its own endpoint has taken none yet"
    assert shown["events"] == "none lately"
    assert shown["catalogue"].startswith("repositories: 7, as a comparison saw them 60 min ago")
    assert shown["sites"].startswith("oregon: Healthy, recovery point 9")
    assert shown["sites"].endswith("old, 3 owed")

    answer = primary.run("sites", "status")
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in answer.stdout.splitlines()}
    assert answer.exit_code == 1  # oslo never reported
    assert rows["oregon"][1:] == ["Healthy", rows["oregon"][2], "?", "?", "3", "?", "?"]
    assert rows["oslo"][1].startswith("Unhealthy: This site has not reported yet")
    documents = {one["name"]: one for one in json.loads(primary.run("sites", "status", "-o", "json").stdout)}
    assert (documents["oregon"]["version"], documents["oregon"]["owed_references_count"]) == ("9.9.9", 3)
    assert documents["frankfurt"]["primary"] is True
    assert "owed_references_count" not in documents["oslo"]
