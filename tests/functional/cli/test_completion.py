"""The completions of a shell: commands, options, contexts, sites and repositories."""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path

import boto3
import pytest
from click.testing import CliRunner
from tests.functional.cli.conftest import REGION, Site
from tests.functional.cli.test_look import synced

import geosync
from geosync.cli.choosing.contexts import SiteContext
from geosync.cli.completion import names
from geosync.cli.completion.command import SHELLS
from geosync.cli.completion.names import NamedPlace
from geosync.cli.main import main
from geosync.cli.site import StackSite


def complete(line: str) -> list[str]:
    """The words that may follow a command line, the last of whose words is begun."""
    words = line.split(" ")
    asked = {"_GEOSYNC_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    answer = CliRunner().invoke(main, [], prog_name="geosync", env=asked)
    assert answer.exit_code == 0, answer.output
    return [one.partition(",")[2] for one in answer.output.split()]


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_its_script(shell: str) -> None:
    script = CliRunner().invoke(main, ["completion", shell])
    assert (script.exit_code, "_GEOSYNC_COMPLETE" in script.output) == (0, True)
    program = shutil.which(shell)
    if program is not None:  # it is a script that the shell can read
        subprocess.run([program, "-n"], input=script.output, text=True, check=True, capture_output=True)


RUN_ALONE = {"bash": ("--norc", "-c"), "zsh": ("-f", "-c"), "fish": ("-c",)}
LOOKED_AT = {
    "bash": "source ./script; COMP_WORDS=(%s); COMP_CWORD=${#COMP_WORDS[@]}; let COMP_CWORD-=1; "
    "_geosync_completion geosync; printf '%%s\\n' \"${COMPREPLY[@]}\"",
    # What zsh gives the functions in its editor alone, and what it would show.
    "zsh": "compdef() :; compadd() { print -l -- ${(P)@[-1]} }; _describe() { print -l -- ${(P)3} }; "
    "words=(%s); CURRENT=$#words; source ./script; _geosync_completion",
    "fish": "source ./script; complete --do-complete '%s'",
}
"""What a shell offers for a line, a name in each line of its output."""


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_offers_what_it_was_told(shell: str, tmp_path: Path) -> None:
    """In the shell itself, where it is there: bash is everywhere, zsh and fish are not."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell} here")
    (tmp_path / "stack.json").write_text('{"sites": [{"name": "dublin"}, {"name": "oregon"}, {"name": "oslo"}]}')
    (tmp_path / "script").write_text(CliRunner().invoke(main, ["completion", shell]).output)
    command = tmp_path / "geosync"
    start = "import sys; sys.argv[0] = 'geosync'; from geosync.cli.entry import main; main()"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c "{start}"\n')
    command.chmod(0o755)
    library = Path(geosync.__file__).parents[1]
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(library)}

    def offered(line: str) -> set[str]:
        asked = [program, *RUN_ALONE[shell], LOOKED_AT[shell] % line]
        done = subprocess.run(asked, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
        assert done.stderr == ""
        return set(done.stdout.splitlines())

    assert offered("geosync --local-state . --local o") == {"oregon", "oslo"}
    said = "Show what is owed, since when and why."
    shown = {"bash": "status", "zsh": f"status:{said}", "fish": f"status\t{said}"}
    assert offered("geosync statu") == {shown[shell]}


def test_commands_and_options_are_completed() -> None:
    assert complete("geosync res") == ["resume", "resync"]
    assert complete("geosync status --lo") == ["--local", "--local-state"]
    assert complete("geosync status -o j") == ["json"]
    assert complete("geosync context ") == ["add", "list", "remove", "use"]


def test_contexts_and_sites_of_the_local_stack_are_completed(own_folders: Path) -> None:
    CliRunner().invoke(main, ["context", "add", "oregon", "--stack", "geosync-oregon"])
    assert complete("geosync --context o") == ["oregon"]
    (own_folders / "stack.json").write_text('{"sites": [{"name": "dublin"}, {"name": "oregon"}]}')
    assert complete(f"geosync --local-state {own_folders} --local d") == ["dublin"]
    assert complete("geosync --local-state /nowhere --local d") == []


def test_repositories_of_the_chosen_site_are_completed_and_kept_for_a_minute(
    secondary: Site, own_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("group/app", "group/base", "other/app"):
        synced(secondary, name)
    site = f"--stack {secondary.stack} --region {REGION}"
    assert complete(f"geosync {site} show group/") == ["group/app", "group/base"]
    monkeypatch.setattr(StackSite, "find", lambda *_: pytest.fail("AWS is asked again"))
    assert complete(f"geosync {site} resync other/") == ["other/app"]
    (kept,) = (own_folders / "cache" / "geosync").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_at_a_site_with_many_repositories_only_those_that_begin_with_the_word_are_read(
    secondary: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "MOST", 2)
    for name in ("a/a", "a/b", "z/app"):
        synced(secondary, name)
    assert complete(f"geosync show --stack {secondary.stack} --region {REGION} z/") == ["z/app"]


def test_sites_that_a_primary_expects_are_completed_and_what_cannot_be_read_is_nothing(primary: Site) -> None:
    primary.sync_registry.sites.add(name="oregon", url="https://oregon.example.com", key="0" * 64, now_ms=1)
    assert complete(f"geosync --stack {primary.stack} --region {REGION} sites remove o") == ["oregon"]
    boto3.client("dynamodb", region_name=REGION).delete_table(TableName=primary.outputs["SyncRegistryTable"])
    assert complete(f"geosync --stack {primary.stack} --region {REGION} show g") == []


def test_what_a_shell_does_not_read_any_more_is_deleted_and_nothing_else(
    secondary: Site, own_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced(secondary, "group/app")
    folder = own_folders / "cache" / "geosync"
    line = f"geosync --stack {secondary.stack} --region {REGION} show group/"
    complete(line)
    (kept,) = folder.iterdir()
    left, others = folder / ".names-abc", folder / "notes.json"
    for one in (left, others):
        one.write_text("")
    for one in (kept, left, others):
        os.utime(one, (1, 1))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")  # whoever this is may see another site
    assert complete(line) == ["group/app"]
    found = {one.name for one in folder.iterdir()}
    assert (len(found), others.name in found, kept.name in found, left.name in found) == (2, True, False, False)


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_PROFILE"])
def test_the_names_of_one_account_are_not_those_of_another(own_folders: Path, name: str) -> None:
    def names_of(whose: str, read: list[str]) -> list[str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(name, whose)
            return names._kept(place, "repositories", lambda: read)

    place = NamedPlace(context=lambda: SiteContext(stack="s"), choose=lambda: pytest.fail("chosen"), local_state="x")
    assert names_of("AKIAONE", ["a"]) == names_of("AKIAONE", ["not read"]) == ["a"]
    assert names_of("AKIATWO", ["b"]) == ["b"]
    assert not any("AKIA" in one.name for one in (own_folders / "cache" / "geosync").iterdir())


def test_the_sites_of_one_folder_are_not_those_of_another(own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = NamedPlace(
        context=lambda: SiteContext(local="dublin"), choose=lambda: pytest.fail("chosen"), local_state=".local"
    )
    for folder in ("one", "two"):
        (own_folders / folder).mkdir()
        monkeypatch.chdir(own_folders / folder)
        assert names._kept(place, "repositories", partial(list, [folder])) == [folder]
