"""uv trusts whom this machine trusts, wherever the project calls it: a proxy may have a certificate of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from local.processes import plain_environment
from release import ROOT

UV = ROOT / ".local" / "uv" / "bin" / "uv"


@pytest.mark.skipif(not UV.exists(), reason="uv is not here: make setup")
@pytest.mark.parametrize(
    ("folder", "command"),
    [
        (".", ("pip", "sync", "requirements/dev.txt")),  # local/bootstrap.sh
        ("requirements", ("pip", "compile", "dev.in")),  # local/lock.sh
        ("layers/dependencies", ("pip", "install", "--requirements", "../../requirements/layer.txt")),  # packages.mk
        ("layers/geosync", ("run", "--no-project", "python")),  # bytecode.mk, which may fetch a Python
    ],
)
def test_uv_takes_the_machine_s_authorities(folder: str, command: tuple[str, ...]) -> None:
    asked = (str(UV), "--show-settings", *command)  # it says what it would go by, and does nothing
    shown = subprocess.run(
        asked, cwd=Path(ROOT, folder), env=plain_environment(), capture_output=True, text=True, check=True
    ).stdout
    assert "system_certs: true" in shown
