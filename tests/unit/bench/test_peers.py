"""The command of each tool, as its own pages have it."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.peers import PEERS, SKOPEO, Copy

COPY = Copy(source="127.0.0.1:5001", destination="127.0.0.1:5002", repository="bench/a", tag="v1")
SOURCE, DESTINATION = "127.0.0.1:5001/bench/a:v1", "127.0.0.1:5002/bench/a:v1"
COMMANDS = {
    "crane": f"copy --insecure {SOURCE} {DESTINATION}",
    "regctl": (
        "image copy --host=reg=127.0.0.1:5001,tls=disabled --host=reg=127.0.0.1:5002,tls=disabled "
        f"{SOURCE} {DESTINATION}"
    ),
    "oras": f"cp --from-plain-http --to-plain-http {SOURCE} {DESTINATION}",
    "skopeo": (
        "--insecure-policy copy --all --quiet --src-tls-verify=false --dest-tls-verify=false "
        f"docker://{SOURCE} docker://{DESTINATION}"
    ),
}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_tool_on_the_path_is_run_with_the_options_of_its_pages(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (peer,) = (one for one in PEERS if one.name == name)
    program = tmp_path / name
    program.write_text(f'#!/bin/sh\necho "$*" > {tmp_path}/asked\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert peer.is_there()
    peer.copy(COPY)
    assert (tmp_path / "asked").read_text().strip() == COMMANDS[name]


def test_a_tool_that_is_not_on_the_path_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not any(peer.is_there() for peer in PEERS)


def test_the_version_is_one_word() -> None:
    """skopeo's, the real one."""
    name, version = SKOPEO.version().split()
    assert name == "skopeo"
    assert version[0].isdigit()
