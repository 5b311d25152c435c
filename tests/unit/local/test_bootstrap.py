"""`make setup` goes on where containerd cannot be had: one test pulls with it, and is left out without it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from release import ROOT

SCRIPT = (ROOT / "local" / "bootstrap.sh").read_text()
FUNCTIONS = SCRIPT.split("# fits PYTHON", 1)[0]
(STEP,) = (line for line in SCRIPT.splitlines() if line.startswith("( unpack_containerd )"))
SAID = "Without containerd the test of its pulls is left out"


@pytest.mark.skipif(shutil.which("containerd") is not None, reason="the system has containerd")
@pytest.mark.parametrize(
    "apt_get",
    [
        "exit 100",  # no lists, or no archive
        '[ "$2" != download ] || echo broken >containerd_1.deb',
    ],
)
def test_setup_goes_on_without_containerd_and_says_so(tmp_path: Path, apt_get: str) -> None:
    (tmp_path / "local").mkdir()
    script = tmp_path / "local" / "bootstrap.sh"
    script.write_text(f"{FUNCTIONS}\n{STEP}\necho went on\n")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("apt-get", apt_get), ("sudo", "exit 1"), ("dpkg-deb", "exit 2")):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    done = subprocess.run(
        ["sh", str(script)],
        env={"PATH": f"{programs}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "went on\n"), done.stderr
    assert SAID in done.stderr
    assert not (tmp_path / ".local" / "containerd").exists()
