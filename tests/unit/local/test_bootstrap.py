"""`make setup` goes on without containerd and without a browser: only tests need them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from release import ROOT
from tests.e2e.browser import BROWSERS, browser_and_driver

SCRIPT = (ROOT / "local" / "bootstrap.sh").read_text()
FUNCTIONS = SCRIPT.split("# fits PYTHON", 1)[0]
(STEP,) = (line for line in SCRIPT.splitlines() if line.startswith("( unpack_containerd )"))
STEPS = "".join(line + "\n" for line in SCRIPT.splitlines() if line == "programs" or line.startswith("( browser )"))
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


def fake_programs(folder: Path, **texts: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name.replace("_", "-")).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name.replace("_", "-")).chmod(0o755)


def setup_programs(folder: Path, system: str, *, refused: str, **there: str) -> tuple[int, str, list[str]]:
    """Run the steps on a machine without other programs; return exit code, standard error and apt-get's calls."""
    programs, calls = folder / "bin", folder / "calls"
    calls.touch()
    apt_get = f'echo "$*" >>{calls}\ncase "$*" in {refused}) exit 100 ;; esac'
    fake_programs(programs, apt_get=apt_get, id="echo 0", systemctl="exit 0", **there)
    for name in ("cat", "dirname", "env", "mktemp", "rm", "sh", "tail"):
        (programs / name).symlink_to(shutil.which(name) or name)
    (folder / "os-release").write_text(system)
    (folder / "local").mkdir()
    script = folder / "local" / "bootstrap.sh"
    here = FUNCTIONS.replace(":/usr/sbin:/usr/bin", "").replace("/etc/os-release", str(folder / "os-release"))
    script.write_text(f"{here}\n{STEPS}\nexit 7\n")
    environment = {"PATH": str(programs), "TMPDIR": str(folder)}
    command = [str(programs / "sh"), str(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr, re.findall(r"--no-install-recommends (.*)", calls.read_text())


DEBIAN, UBUNTU = 'NAME="Debian GNU/Linux"\nID=debian\n', 'NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n'
NO_BROWSER = "Without a browser the tests of the dashboard fail"


def test_setup_asks_debian_for_a_browser(tmp_path: Path) -> None:
    code, said, calls = setup_programs(tmp_path, DEBIAN, refused="none")
    assert (code, calls) == (7, ["install docker-registry skopeo", "install chromium chromium-driver"])
    assert NO_BROWSER not in said


def test_setup_goes_on_where_the_archive_has_no_browser(tmp_path: Path) -> None:
    code, said, calls = setup_programs(tmp_path, DEBIAN, refused="*chrom*", chromium="exit 0")
    assert (code, calls) == (
        7,
        ["install docker-registry skopeo", "install chromium-driver", "update", "install chromium-driver"],
    )
    assert NO_BROWSER in said


def test_setup_asks_ubuntu_for_no_snap_and_says_what_to_get(tmp_path: Path) -> None:
    code, said, calls = setup_programs(tmp_path, UBUNTU, refused="none", chromedriver="exit 0")
    assert (code, calls) == (7, ["install docker-registry skopeo"])
    assert "Google Chrome's own package" in said
    assert NO_BROWSER in said


@pytest.mark.parametrize("name", BROWSERS)
def test_setup_and_the_tests_take_a_browser_of_any_usual_name(tmp_path: Path, name: str) -> None:
    there = {name: "exit 0", "chromedriver": "exit 0", "docker-registry": "exit 0", "skopeo": "exit 0"}
    assert setup_programs(tmp_path, UBUNTU, refused="none", **there) == (7, "", [])
    found = browser_and_driver(str(tmp_path / "bin"))
    assert found == (str(tmp_path / "bin" / name), str(tmp_path / "bin" / "chromedriver"))


def test_setup_ends_where_the_stack_s_programs_cannot_be_had(tmp_path: Path) -> None:
    code, said, _ = setup_programs(tmp_path, UBUNTU, refused="*docker-registry*")
    assert code == 1
    assert "apt-get could not install docker-registry skopeo" in said


def test_a_test_of_the_dashboard_fails_without_a_browser(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="and the chromedriver of its version on PATH"):
        browser_and_driver(str(tmp_path))
