"""What `geosync init` asks and is answered, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.functional.cli.init.parts import (
    ANSWERS,
    PASSWORD,
    REGIONS,
    TOKEN,
    Deploy,
    Init,
    overrides,
)
from tests.unit.template.parts import PARAMETERS

from geosync.cli.init import asking
from geosync.cli.init.answers import KINDS, Answers
from geosync.errors import ConfigurationError


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
        ({"region": "us-gov-west-1"}, "another partition than eu-west-1"),
        ({"region": "cn-north-1"}, "SNS delivers nothing from one to another"),
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
    told = init()
    notice = tmp_path / "dublin-notifications.txt"
    assert notice.exists() is (kind != "ecr")
    has_token = notice.exists() and TOKEN in notice.read_text()
    assert has_token is (kind not in {"ecr", "gar"}), "Google signs with a key of its own"
    assert ("it has the token" in told.output) is has_token


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


def test_an_answer_that_is_not_understood_is_asked_for_again_and_the_others_stay(init: Init, tmp_path: Path) -> None:
    url = "https://registry.dublin.example.com"
    sender = "push@project.iam.gserviceaccount.com"
    primary = ("gar", "registry.dublin.example.com", f"{url}/", "Dublin", "dublin", "europe", "eu-west-1", "me", sender)
    typed = ("ghcr", "https://ghcr.io", "dublin", "oregon", "us-gov-west-1", "us-west-2", "UPPER", "my-org")
    told = init(input="\n".join([*primary, *typed]) + "\n")
    assert [line.removeprefix("Error: ") for line in told.output.splitlines() if line.startswith("Error: ")] == [
        "it must be https://host or https://host:port",
        "it must be at most 32 lower-case letters, digits and dashes, a letter first",
        "it must be a region of AWS",
        "it must be name@project.iam.gserviceaccount.com",
        "dublin is another site's",
        "SNS delivers nothing from eu-west-1 to us-gov-west-1",
        "it must be the first part of a repository's name",
    ]
    assert f"What this site reads {url} with:" in told.output


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
