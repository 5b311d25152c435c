"""What `geosync init` writes for `sam deploy`, and what it leaves as it is."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from botocore.exceptions import NoCredentialsError
from tests.functional.cli.init.parts import (
    ANSWERS,
    REGIONS,
    Deploy,
    Init,
    overrides,
    topic,
)

from geosync.cli.init import command


def test_what_a_promotion_changes_is_left_to_the_stack(
    init: Init, deploy: Deploy, answers: str, tmp_path: Path
) -> None:
    init("--answers", answers)
    assert "SiteRole" in overrides(tmp_path, "oregon")
    deploy("oregon", "primary")
    init()
    assert {name for name in overrides(tmp_path, "oregon") if name.startswith(("SiteRole", "Primary"))} == set()
    assert overrides(tmp_path, "oregon")["LocalRegistryUrl"] == "https://registry.oregon.example.com"


def test_the_notifications_of_a_promoted_site_stay_as_they_are(init: Init, deploy: Deploy, tmp_path: Path) -> None:
    (oregon,) = ANSWERS["secondaries"]
    on_google = {**oregon, "registry": "https://us-west1-docker.pkg.dev", "kind": "gar", "prefix": "project/copies"}
    credentials = {"type": "basic", "username": "_json_key", "password": "{}"}
    given = tmp_path / "given.json"
    given.write_text(json.dumps({**ANSWERS, "secondaries": [{**on_google, "local": credentials}]}))
    init("--answers", str(given))
    deploy("oregon", "primary")
    init()
    assert {name for name in overrides(tmp_path, "oregon") if name.startswith("Notification")} == set()
    file = tmp_path / "samconfig.toml"
    theirs = {
        "NotificationAudience": "geosync-oregon",
        "NotificationSender": "push@ours.iam.gserviceaccount.com",
        "NotificationSource": "gar",
    }
    written = " ".join(f"{name}={value}" for name, value in theirs.items())
    file.write_text(file.read_text().replace("SiteName=oregon", f"{written} SiteName=oregon"))
    init()
    assert theirs.items() <= overrides(tmp_path, "oregon").items()


def test_a_site_that_is_added_after_a_failover_follows_the_primary_as_it_is_now(
    init: Init, deploy: Deploy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REGIONS, "tokyo", "ap-northeast-1")
    (oregon,) = ANSWERS["secondaries"]
    tokyo = {**oregon, "name": "tokyo", "region": "ap-northeast-1", "registry": "https://registry.tokyo.example.com"}
    given = tmp_path / "given.json"
    given.write_text(json.dumps({**ANSWERS, "secondaries": [oregon, tokyo]}))
    deploy("dublin", "secondary")
    deploy("oregon", "primary")
    told = init("--answers", str(given)).output
    found = overrides(tmp_path, "tokyo")
    assert (found["SiteRole"], found["PrimaryTopicArn"]) == ("secondary", topic("oregon"))
    assert found["PrimaryRegistryUrl"] == "https://registry.oregon.example.com"
    assert "have oregon expect reports of tokyo" in told


def test_a_former_primary_whose_stack_is_gone_comes_back_as_a_secondary(
    init: Init, deploy: Deploy, answers: str, tmp_path: Path
) -> None:
    init("--answers", answers)
    assert overrides(tmp_path, "dublin")["SiteRole"] == "primary"
    deploy("oregon", "primary")
    init()
    found = overrides(tmp_path, "dublin")
    assert (found["SiteRole"], found["PrimaryTopicArn"]) == ("secondary", topic("oregon"))


@pytest.mark.parametrize(
    "state",
    ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED", "UPDATE_ROLLBACK_COMPLETE"],
)
def test_what_a_promotion_changes_is_left_to_a_stack_in_whatever_state(
    init: Init, deploy: Deploy, answers: str, tmp_path: Path, state: str
) -> None:
    init("--answers", answers)
    deploy("oregon", "primary", state=state)
    init()
    assert {name for name in overrides(tmp_path, "oregon") if name.startswith(("SiteRole", "Primary"))} == set()


@pytest.mark.parametrize("state", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "REVIEW_IN_PROGRESS"])
def test_a_stack_that_was_never_created_is_given_its_role(
    init: Init, deploy: Deploy, answers: str, tmp_path: Path, state: str
) -> None:
    deploy("oregon", "secondary", state=state)
    init("--answers", answers)
    assert overrides(tmp_path, "oregon")["SiteRole"] == "secondary"


def test_where_aws_cannot_be_looked_at_the_role_of_a_site_stays_left_to_its_stack(
    init: Init, deploy: Deploy, answers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy("oregon", "primary")
    init("--answers", answers)
    before = (tmp_path / "samconfig.toml").read_text()

    def refuse(*_: object) -> None:
        raise NoCredentialsError

    monkeypatch.setattr(command, "look", refuse)
    assert init().exit_code == 2
    assert (tmp_path / "samconfig.toml").read_text() == before


def test_what_somebody_added_to_the_settings_stays(init: Init, answers: str, tmp_path: Path) -> None:
    file = tmp_path / "samconfig.toml"
    before = "version = 0.1\n\n# ours\n[default.deploy.parameters]\nresolve_s3 = true\n"
    file.write_text(before)
    init("--answers", answers)
    assert file.read_text().startswith(before)
    text = file.read_text().replace('parameter_overrides = "', 'parameter_overrides = "Deletes=keep ')
    text = text.replace("confirm_changeset = false", 'confirm_changeset = true # by hand\ntags = ["a=b",\n  "c=d"]')
    text = text.replace("resolve_s3 = true\n\n[oregon", 's3_bucket = "ours"\n# of oregon\n\n[ oregon')
    file.write_text(text + "# the end\n")
    init()
    assert overrides(tmp_path, "dublin")["Deletes"] == "keep"
    assert file.read_text() == text + "# the end\n", "nothing was to be changed"


def test_new_parameters_take_the_place_of_those_that_are_there_and_of_nothing_else(
    init: Init, deploy: Deploy, answers: str, tmp_path: Path
) -> None:
    file = tmp_path / "samconfig.toml"
    given = (
        "# first\n [ dublin . deploy.'parameters'] # ours\n"
        'parameter_overrides = """\nParameterKey=Deletes,ParameterValue=keep\n\nMaxBandwidth=\'1 2\'"""\n'
        'profile = "ours"\n\n# of the next table\n  [other.deploy.parameters]\nregion = 1\n'
    )
    file.write_text(given)
    init("--answers", answers)
    deploy("dublin", "primary")
    init()
    text = file.read_text()
    settings = tomllib.loads(text)["dublin"]["deploy"]["parameters"]
    assert settings["parameter_overrides"].startswith("Deletes=keep LocalRegistryUrl=https://registry.dublin")
    assert "MaxBandwidth='1 2'" in settings["parameter_overrides"]
    assert "SiteRole" not in settings["parameter_overrides"]
    assert (settings["profile"], settings["stack_name"]) == ("ours", "geosync-dublin")
    assert text.startswith("# first\n [ dublin . deploy.'parameters'] # ours\n")
    assert "\n\n# of the next table\n  [other.deploy.parameters]\nregion = 1\n" in text
    assert overrides(tmp_path, "oregon")["SiteRole"] == "secondary"


@pytest.mark.parametrize(
    "given",
    [
        'parameter_overrides = "Deletes"',
        'parameter_overrides = "file://parameters.json"',
        'parameter_overrides = "Deletes=\'keep"',
        "parameter_overrides = {Deletes = 1}",
        "parameter_overrides = [1]",
    ],
)
def test_parameters_that_are_not_understood_are_refused_and_not_lost(
    init: Init, answers: str, tmp_path: Path, given: str
) -> None:
    file = tmp_path / "samconfig.toml"
    file.write_text(f"[dublin.deploy.parameters]\n{given}\n")
    told = init("--answers", answers)
    assert (told.exit_code, "parameter_overrides of dublin are not understood" in told.output) == (2, True)
    assert file.read_text() == f"[dublin.deploy.parameters]\n{given}\n"


@pytest.mark.parametrize(
    "given", ["dublin.deploy.parameters.profile = 'a'", "[dublin]\ndeploy = {parameters = {a = 1}}"]
)
def test_an_environment_in_another_form_is_refused_and_not_lost(
    init: Init, answers: str, tmp_path: Path, given: str
) -> None:
    (tmp_path / "samconfig.toml").write_text(given)
    told = init("--answers", answers)
    assert (told.exit_code, "below a line [dublin.deploy.parameters]" in told.output) == (2, True)
    assert (tmp_path / "samconfig.toml").read_text() == given


def test_every_site_lets_in_the_opt_in_regions_of_all_others_and_of_those_that_somebody_added(
    init: Init, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (oregon,) = ANSWERS["secondaries"]
    monkeypatch.setitem(REGIONS, "dublin", "eu-south-1")
    monkeypatch.setitem(REGIONS, "tokyo", "ap-east-1")
    there = {"dublin": {**ANSWERS["primary"], "region": "eu-south-1"}, "tokyo": {**oregon, "name": "tokyo"}}
    there["tokyo"] |= {"region": "ap-east-1", "registry": "https://registry.tokyo.example.com"}
    given = tmp_path / "given.json"
    given.write_text(json.dumps({"primary": there["dublin"], "secondaries": [oregon, there["tokyo"]]}))
    init("--answers", str(given))
    named = {site: overrides(tmp_path, site)["OptInRegions"] for site in ("dublin", "oregon", "tokyo")}
    assert named == {"dublin": "ap-east-1", "oregon": "eu-south-1,ap-east-1", "tokyo": "eu-south-1"}
    file = tmp_path / "samconfig.toml"
    file.write_text(file.read_text().replace("OptInRegions=ap-east-1 ", "OptInRegions=af-south-1,us-east-1 "))
    init()
    assert overrides(tmp_path, "dublin")["OptInRegions"] == "af-south-1,ap-east-1"


def test_sites_in_default_regions_have_no_opt_in_regions_to_let_in(init: Init, answers: str, tmp_path: Path) -> None:
    init("--answers", answers)
    assert "OptInRegions" not in overrides(tmp_path, "dublin") | overrides(tmp_path, "oregon")
