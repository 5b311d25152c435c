"""`geosync init`: what it asks, writes and prints, from nothing to sites that are deployed, and leaves nowhere."""

from __future__ import annotations

import json
import re
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import NoCredentialsError
from click.testing import CliRunner, Result
from tests.unit.template.parts import PARAMETERS

from geosync.cli.init import asking, command
from geosync.cli.init.answers import KINDS, Answers
from geosync.cli.main import main
from geosync.cli.site import AwsAccess, StackName
from geosync.cli.site import StackSite as DeployedSite
from geosync.errors import ConfigurationError
from geosync.operating import sites
from geosync.registries.secrets import RegistrySecret
from geosync.sync_registry.site.sites import KnownSite
from geosync.sync_registry.table import tables

TOPIC, ADMIN = (
    "arn:aws:sns:eu-west-1:123456789012:geosync-dublin",
    "https://a1.execute-api.eu-west-1.amazonaws.com/geo/",
)
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


class _OwnAccess:
    """Takes a profile that this machine does not have."""

    @classmethod
    def of(cls, *, profile: str | None) -> AwsAccess:
        assert profile == "ours"
        return AwsAccess(session=boto3.Session())


Init = Callable[..., Result]
Deploy = Callable[..., DeployedSite]


@pytest.fixture
def found(aws: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, DeployedSite]:
    """Stacks by name; what is not here is not deployed."""
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
        outputs = {"TopicArn": TOPIC, "AdminUrl": ADMIN, "NotificationsUrl": URL, "SyncRegistryTable": name}
        found[f"geosync-{name}"] = DeployedSite(
            access=AwsAccess(session=boto3.Session(region_name=region)),
            stack=f"geosync-{name}",
            region=region,
            state=state,
            parameters={"SiteName": name, "SiteRole": role},
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


def overrides(folder: Path, site: str) -> dict[str, str]:
    settings = tomllib.loads((folder / "samconfig.toml").read_text())[site]["deploy"]["parameters"]
    assert (settings["stack_name"], settings["region"]) == (f"geosync-{site}", REGIONS[site])
    assert settings["capabilities"] == "CAPABILITY_IAM"
    return dict(word.split("=", 1) for word in settings["parameter_overrides"].split())


def put_secrets(folder: Path) -> None:
    """What the printed commands do."""
    client = boto3.client("secretsmanager", region_name="us-west-2")
    for which in ("primary", "local"):
        file = folder / f"oregon-{which}-registry.json"
        client.create_secret(Name=f"geosync/oregon/{which}-registry", SecretString=file.read_text())
        file.unlink()


def test_from_nothing_the_files_are_written_and_the_commands_that_can_run_are_printed(
    init: Init, answers: str, tmp_path: Path
) -> None:
    told = init("--answers", answers)
    assert told.exit_code == 1, told.output
    assert "next     1. deploy dublin" in told.output
    assert "sam deploy --config-env dublin" in told.output
    assert "sam deploy --config-env oregon" not in told.output, "it needs what is not known yet"
    for which in ("primary", "local"):
        file = tmp_path / f"oregon-{which}-registry.json"
        assert f"--name geosync/oregon/{which}-registry --secret-string file://{file.name}" in told.output
        assert f"&& rm {file.name}" in told.output
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert RegistrySecret.parse(file.read_text())
    assert overrides(tmp_path, "dublin") == {
        "SiteName": "dublin",
        "SiteRole": "primary",
        "LocalRegistryUrl": "https://registry.dublin.example.com",
        "LocalRegistryVendor": "auto",
        "NotificationSource": "distribution",
    }
    assert overrides(tmp_path, "oregon")["PrimaryRegistryUrl"] == "https://registry.dublin.example.com"
    kept = (tmp_path / "geosync-init.json").read_text() + (tmp_path / "samconfig.toml").read_text()
    assert PASSWORD not in kept + told.output


def test_each_step_that_was_done_is_seen_and_fills_in_what_the_next_one_needs(
    init: Init, deploy: Deploy, answers: str, tmp_path: Path
) -> None:
    init("--answers", answers)
    dublin = deploy("dublin", "primary")
    put_secrets(tmp_path)
    told = init()
    assert told.exit_code == 1
    assert "done     1. geosync-dublin is deployed" in told.output
    assert "sam deploy --config-env oregon" in told.output
    parameters = overrides(tmp_path, "oregon")
    assert (parameters["PrimaryTopicArn"], parameters["PrimaryAdminUrl"]) == (TOPIC, ADMIN)
    assert parameters["PrimaryRegistrySecretArn"].startswith(
        "arn:aws:secretsmanager:us-west-2:123456789012:secret:geosync/oregon/primary-registry-"
    )
    notice = tmp_path / "dublin-notifications.txt"
    assert stat.S_IMODE(notice.stat().st_mode) == 0o600
    assert URL in notice.read_text()
    assert TOKEN in notice.read_text()
    assert TOKEN not in told.output

    oregon = deploy("oregon", "secondary")
    told = init()
    assert f"sites add oregon {oregon.outputs['AdminUrl']} --secondary geosync-oregon@us-west-2" in told.output
    assert (told.exit_code, told.output.count("by hand")) == (0, 2), "nothing that is copied waits for these"
    notice.unlink()
    sites.expect(dublin.sync_registry.sites, "dublin", KnownSite(name="oregon", url=ADMIN, added_at=1, report_key="0"))
    told = init()
    assert (told.exit_code, told.output.count("done "), len(told.output.splitlines())) == (0, 6, 6), told.output
    assert not notice.exists(), "it is written once: it has the token"


@pytest.mark.parametrize(("codes", "worst"), [((0, 0), 0), ((2, 1), 1), ((0, 2), 2)])
def test_sites_that_are_all_deployed_are_checked_with_each_other(
    deploy: Deploy, answers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codes: tuple[int, int], worst: int
) -> None:
    run, checked = main.main, []

    def play(args: list[str], **more: Any) -> Any:
        if "check" not in args:
            return run(args, **more)
        checked.append(args)
        raise SystemExit(codes[len(checked) - 1])

    monkeypatch.setattr(main, "main", play)
    monkeypatch.setattr(command, "steps", lambda *_, **__: [])
    monkeypatch.setattr(command, "AwsAccess", _OwnAccess)
    deploy("dublin", "primary")
    deploy("oregon", "secondary")
    told = CliRunner().invoke(main, ["--profile", "ours", "init", "--folder", str(tmp_path), "--answers", answers])
    assert told.exit_code == worst, told.output
    assert [" ".join(args) for args in checked] == [
        "--stack geosync-dublin --region eu-west-1 --profile ours check --secondary geosync-oregon@us-west-2",
        "--stack geosync-oregon --region us-west-2 --profile ours check --primary geosync-dublin@eu-west-1",
    ]


def test_what_a_promotion_changes_is_left_to_the_stack(
    init: Init, deploy: Deploy, answers: str, tmp_path: Path
) -> None:
    init("--answers", answers)
    assert "SiteRole" in overrides(tmp_path, "oregon")
    deploy("oregon", "primary")
    init()
    assert {name for name in overrides(tmp_path, "oregon") if name.startswith(("SiteRole", "Primary"))} == set()
    assert overrides(tmp_path, "oregon")["LocalRegistryUrl"] == "https://registry.oregon.example.com"


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
        "# first\n[dublin.deploy.parameters] # ours\n"
        'parameter_overrides = """\nParameterKey=Deletes,ParameterValue=keep\n\nMaxBandwidth=\'1 2\'"""\n'
        'profile = "ours"\n\n# of the next table\n[oregon.build.parameters]\ncached = true\n'
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
    assert text.startswith("# first\n[dublin.deploy.parameters] # ours\n")
    assert "\n\n# of the next table\n[oregon.build.parameters]\ncached = true\n" in text
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


def test_a_stack_that_failed_is_not_done(init: Init, deploy: Deploy, answers: str) -> None:
    init("--answers", answers)
    deploy("dublin", "primary", state="ROLLBACK_COMPLETE")
    assert "deploy dublin (the stack geosync-dublin is ROLLBACK_COMPLETE)" in init().output
    deploy_again = init()
    assert "done     1." not in deploy_again.output


def test_without_aws_the_files_are_written_and_nothing_is_said_to_be_done(
    init: Init, answers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise NoCredentialsError

    monkeypatch.setattr(command, "look", refuse)
    told = init("--answers", answers)
    assert (told.exit_code, "nothing is known to be done" in told.output) == (2, True)
    assert overrides(tmp_path, "dublin")["SiteRole"] == "primary"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"kind": "floppy"}, "kind"),
        ({"registry": "registry.example.com"}, "registry"),
        ({"name": "Oregon"}, "name"),
        ({"region": "here"}, "region"),
        ({"colour": "red"}, "colour"),
        ({"name": "dublin"}, "a name of its own"),
        ({"local": {"type": "basic", "username": "u"}}, "password is missing"),
    ],
)
def test_an_answer_that_cannot_be_is_named(change: dict[str, Any], named: str) -> None:
    document = {**ANSWERS, "secondaries": [{**ANSWERS["secondaries"][0], **change}]}
    with pytest.raises(ConfigurationError, match=named) as refused:
        Answers.parse(json.dumps(document))
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize(
    "prefix",
    ["", "mirror", "my-project/geo", "a__b.c/d", "geo/", "/geo", "a//b", ".", "a..b", "-", "A", "a" * 60 + "!"],
)
def test_a_prefix_is_one_that_the_template_takes(prefix: str) -> None:
    document = json.dumps({**ANSWERS, "secondaries": [{**ANSWERS["secondaries"][0], "prefix": prefix}]})
    if re.search(PARAMETERS["RepositoryPrefix"]["AllowedPattern"], prefix):
        assert Answers.parse(document).secondaries[0].prefix == prefix
    else:
        with pytest.raises(ConfigurationError, match="prefix"):
            Answers.parse(document)


@pytest.mark.parametrize(
    "sender",
    ["push@project.iam.gserviceaccount.com", "push.er@project.iam.gserviceaccount.com", "push@example.com", "push", ""],
)
def test_a_sender_is_one_that_the_template_takes(sender: str) -> None:
    document = json.dumps({**ANSWERS, "primary": {**ANSWERS["primary"], "kind": "gar", "sender": sender}})
    if sender and re.search(PARAMETERS["NotificationSender"]["AllowedPattern"], sender):
        assert Answers.parse(document).primary.sender == sender
    else:
        with pytest.raises(ConfigurationError, match="sender"):
            Answers.parse(document)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_registry_is_deployed_with_parameters_that_the_template_takes(
    kind: str, init: Init, deploy: Deploy, tmp_path: Path
) -> None:
    site = {"kind": kind, "sender": "push@project.iam.gserviceaccount.com", "prefix": "my/geo" if kind == "gar" else ""}
    primary = {**ANSWERS["primary"], **site}
    secondary = {key: value for key, value in ANSWERS["secondaries"][0].items() if key not in {"local", "primary"}}
    file = tmp_path / "given.json"
    file.write_text(json.dumps({"primary": primary, "secondaries": [{**secondary, **site}]}))
    assert init("--answers", str(file)).exit_code == 1
    for name in REGIONS:
        for parameter, value in overrides(tmp_path, name).items():
            assert value in PARAMETERS[parameter].get("AllowedValues", [value]), (parameter, value)
    deploy("dublin", "primary")
    init()
    notice = tmp_path / "dublin-notifications.txt"
    assert notice.exists() is (kind != "ecr")
    if kind not in {"ecr", "gar"}:
        assert TOKEN in notice.read_text()


def test_the_questions_lead_to_the_same_answers(init: Init, tmp_path: Path) -> None:
    primary = ("distribution", "https://registry.dublin.example.com", "dublin", "eu-west-1")
    secondary = ("distribution", "https://registry.oregon.example.com", "oregon", "us-west-2")
    typed = [*primary, *secondary, "reader", PASSWORD, "writer", PASSWORD, "n"]
    told = init(input="\n".join(typed) + "\n")
    assert told.exit_code == 1, told.output
    assert PASSWORD not in told.output
    assert json.loads((tmp_path / "oregon-primary-registry.json").read_text()) == ANSWERS["secondaries"][0]["primary"]
    asked_again = init()
    assert "Kind of registry" not in asked_again.output


@pytest.mark.parametrize(
    ("kind", "typed"),
    [
        ("gitlab", ["user", "secret", "gitlab.example.com"]),
        ("acr", ["tenant", "id", "secret"]),
        ("ghcr", ["user", "secret", "my-org other"]),
        ("harbor", ["user", "secret"]),
    ],
)
def test_the_credentials_of_a_kind_are_a_secret_that_the_site_reads(
    kind: str, typed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = iter(typed)
    monkeypatch.setattr("geosync.cli.init.asking.click.prompt", lambda *_, **__: next(words))
    document = asking._credentials(kind)
    site = {**ANSWERS["primary"], "kind": kind}
    follower = {**ANSWERS["secondaries"][0], "primary": document}
    assert Answers.parse(json.dumps({"primary": site, "secondaries": [follower]})).secondaries[0].has_primary_secret
