"""Each page of getting started is complete: few commands, in their order, and those that `geosync init` prints."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.runbook import command_lines

from geosync.cli.init.answers import KINDS, Answers, SiteAnswers
from geosync.cli.init.steps import CommandPlace, Found, notice_file, steps
from geosync.cli.site import AwsAccess, StackSite

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "docs" / "getting-started"
KINDS_WITH_A_PAGE = ("distribution", "gitlab", "ecr", "acr", "gar", "ghcr")
MOST_COMMANDS, MOST_BY_HAND = 8, 1
BY_HAND = re.compile(r"^   (?:Copy|Run|Make) .*", re.MULTILINE)
"""How a page tells what no command does: with the file that `geosync init` wrote, in which all values are."""
TO_BE_FILLED_IN = re.compile(r"<|…|arn:|[0-9]{12}|execute-api")
"""Values that somebody would copy from elsewhere into a command."""


def section(kind: str, title: str) -> str:
    return (FOLDER / f"{kind}.md").read_text().split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def printed(kind: str, folder: Path) -> list[str]:
    """What `geosync init` prints to be run, from nothing to two sites, for registries of this kind."""
    assert kind in KINDS
    has = kind != "ecr"
    dublin = SiteAnswers(name="dublin", region="eu-west-1", registry="https://r.example.com", kind=kind)
    oregon = replace(dublin, name="oregon", region="us-west-2", has_local_secret=has, has_primary_secret=has)
    answers, access = Answers(primary=dublin, secondaries=(oregon,)), AwsAccess.of(region="eu-west-1")
    deployed = StackSite(
        access=access,
        stack="geosync-dublin",
        region="eu-west-1",
        state="",
        parameters={"SiteRole": "primary"},
        outputs={"TopicArn": "arn"},
    )
    place = CommandPlace(folder=folder)
    arns = {("oregon", "local"): "arn", ("oregon", "primary"): "arn"}
    before = [one.command for one in steps(answers, Found(stacks={}), place) if one.command]
    after = steps(answers, Found(stacks={"dublin": deployed}, secrets=arns), place)  # type: ignore[arg-type]
    return [*before, *(one.command for one in after if one.command)]


def test_each_kind_that_differs_has_a_page_which_the_first_one_names() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.md")) == sorted(KINDS_WITH_A_PAGE)
    overview = (ROOT / "docs" / "getting-started.md").read_text()
    for kind in KINDS:
        assert f"getting-started/{kind}.md" in overview or f"`{kind}`" in overview, kind
    assert all(name in overview for name in ("Harbor", "Quay", "zot", "Bundle Bar"))


@pytest.mark.parametrize("kind", KINDS_WITH_A_PAGE)
def test_a_page_has_few_commands_and_those_that_init_prints_in_its_order(kind: str, tmp_path: Path) -> None:
    commands = command_lines(section(kind, "From nothing to the first image"))[:-1]  # the last one waits for the image
    assert len(commands) <= MOST_COMMANDS
    assert commands[:2] == ("pipx install ../geosync-0.1.0-py3-none-any.whl", "geosync init")
    assert commands[-1] == "geosync init"
    assert [one for one in commands[2:] if one != "geosync init"] == printed(kind, tmp_path)
    assert not [one for one in commands if TO_BE_FILLED_IN.search(one)], "no value is to be copied"


@pytest.mark.parametrize("kind", KINDS_WITH_A_PAGE)
def test_one_thing_is_done_by_hand_and_no_page_asks_to_copy_a_value(kind: str) -> None:
    """What is copied is a whole file, once: it has the URL and the token, which `geosync init` fetched."""
    text = section(kind, "From nothing to the first image")
    by_hand = BY_HAND.findall(text)
    assert len(by_hand) == (MOST_BY_HAND if kind != "ecr" else 0)
    assert all("dublin-notifications.txt" in one for one in by_hand)
    assert "Outputs[" not in text


@pytest.mark.parametrize("kind", KINDS_WITH_A_PAGE)
def test_a_page_numbers_its_steps_and_shows_the_registrys_settings(kind: str) -> None:
    text = section(kind, "From nothing to the first image")
    numbers = re.findall(r"^(\d)\. ", text, re.MULTILINE)
    assert numbers == [str(number + 1) for number in range(len(numbers))]
    dublin = SiteAnswers(name="dublin", region="eu-west-1", registry="https://r.example.com", kind="zot")
    assert (str(notice_file(dublin)) in text) is (kind != "ecr")
    assert "token create" in section(kind, "Then")
    assert "AdminUrl" in section(kind, "Then")
    assert "sites add" in text
