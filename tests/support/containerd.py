"""A containerd of a test's own: its content and its socket in one folder, no rights, no runtime, and ctr beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.processes import StartError, plain_environment, spawn, tail

UNPACKED = Path(__file__).parents[2] / ".local" / "containerd" / "usr" / "bin"
"""Where `make setup` puts the programs of Debian's package, if the system has none."""
UNWANTED = (
    "io.containerd.grpc.v1.cri",
    "io.containerd.grpc.v1.tasks",
    "io.containerd.internal.v1.opt",
    "io.containerd.internal.v1.restart",
    "io.containerd.internal.v1.tracing",
    "io.containerd.monitor.v1.cgroups",
    "io.containerd.runtime.v1.linux",
    "io.containerd.runtime.v2.task",
    "io.containerd.service.v1.tasks-service",
    *(f"io.containerd.snapshotter.v1.{name}" for name in ("aufs", "btrfs", "devmapper", "overlayfs", "zfs")),
    "io.containerd.tracing.processor.v1.otlp",
)
"""Plugins that run containers or want rights: this one only fetches."""
CONFIGURATION = """version = 2
root = "{folder}/root"
state = "{folder}/state"
disabled_plugins = {unwanted}
[grpc]
  address = "{folder}/grpc.sock"
  uid = {user}
  gid = {group}
[ttrpc]
  address = "{folder}/ttrpc.sock"
  uid = {user}
  gid = {group}
"""
PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Containerd:
    """A containerd that runs."""

    folder: Path

    def fetch(self, image: str, hosts: Path, *, account: str | None = None) -> subprocess.CompletedProcess[str]:
        """Fetch an image with all of its blobs; `hosts` has a folder with a hosts.toml for each registry's host."""
        user = ("--user", account) if account is not None else ()
        return self._ctr("content", "fetch", "--hosts-dir", str(hosts), *user, image)

    def digest(self, image: str) -> str:
        """The digest of an image that was fetched."""
        lines = [line.split() for line in self._ctr("images", "ls").stdout.splitlines()]
        return next(line[2] for line in lines if line and line[0] == image)

    def content(self, digest: str) -> bytes:
        """A blob, or a manifest, as it is kept."""
        kind, _, name = digest.partition(":")
        return (self.folder / "root" / "io.containerd.content.v1.content" / "blobs" / kind / name).read_bytes()

    def _ctr(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        line = [_program("ctr"), "--address", str(self.folder / "grpc.sock"), *arguments]
        return subprocess.run(
            line,
            env=plain_environment(HOME=str(self.folder)),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )


@contextmanager
def running(folder: Path) -> Iterator[Containerd]:
    """Run one in `folder`, whose path has to be short: it has the sockets. Raises StartError."""
    configuration, log = folder / "config.toml", folder / "containerd.log"
    unwanted = ", ".join(f'"{name}"' for name in UNWANTED)
    text = CONFIGURATION.format(folder=folder, unwanted=f"[{unwanted}]", user=os.getuid(), group=os.getgid())
    configuration.write_text(text)
    process = spawn(
        [_program("containerd"), "--config", str(configuration)],
        log=log,
        environment=plain_environment(HOME=str(folder)),
    )
    try:
        one, until_s = Containerd(folder), time.monotonic() + PATIENCE_S
        while one._ctr("version").returncode != 0:
            if process.poll() is not None or time.monotonic() > until_s:
                raise StartError(f"containerd does not answer:\n{tail(log)}")
            time.sleep(0.1)
        yield one
    finally:
        process.terminate()
        process.wait()


def is_here() -> bool:
    """Tell whether the system has it, or `make setup` has unpacked it."""
    return all(map(_found, ("containerd", "ctr")))


def _found(name: str) -> str | None:
    return shutil.which(name, path=f"{plain_environment().get('PATH', '')}:/usr/sbin:/usr/bin:{UNPACKED}")


def _program(name: str) -> str:
    found = _found(name)
    if found is None:
        raise StartError(f"{name} is not here: make setup unpacks it")
    return found
