"""The fronts of the sites' pull APIs (pull_front.py), in one process: each site has a port where clients pull."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.deploy import Site, pull_url
from local.emulator import ROOT, RunningEmulator
from local.inventory import write_private
from local.processes import plain_environment, spawn, wait_for_http

TARGETS = "targets.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class PullFront:
    """The fronts of the sites' pull APIs, in one process. `urls`: where each site's clients pull."""

    urls: Mapping[Site, str]
    pid: int
    folder: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)


def start_pull_front(emulator: RunningEmulator, ports: Mapping[Site, int], folder: Path) -> PullFront:
    """Start the fronts and wait until they answer. Raises StartError."""
    folder.mkdir(parents=True, exist_ok=True)
    write_targets(emulator, ports, folder)
    command = [sys.executable, "-m", "local.pull_front", "--targets", str(folder / TARGETS)]
    log = folder / "pull_front.log"
    environment = plain_environment(PYTHONPATH=str(ROOT), PYTHONDONTWRITEBYTECODE="1")
    process = spawn(command, log=log, environment=environment, detached=True)
    urls = {site: f"http://127.0.0.1:{port}" for site, port in ports.items()}
    for url in urls.values():
        wait_for_http(url, process, log)
    return PullFront(urls=urls, pid=process.pid, folder=folder, process=process)


def write_targets(emulator: RunningEmulator, ports: Mapping[Site, int], folder: Path) -> None:
    """Tell the fronts the addresses that the sites' pull APIs have now."""
    targets = {str(port): pull_url(emulator, site) for site, port in ports.items()}
    write_private(folder / TARGETS, targets)
