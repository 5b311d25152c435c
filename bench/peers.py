"""The tools that ours is compared with: each is a process for each copy, as it is used.

skopeo is always there (local/bootstrap.sh). Debian has no packages of crane, regctl and oras: they are compared where
they are on the PATH. The options are those of each tool's own pages: plain HTTP, all platforms of an index, defaults
for the rest.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One copy to make: `source` and `destination` are `host:port` of registries that speak plain HTTP."""

    source: str
    destination: str
    repository: str
    tag: str

    @property
    def images(self) -> tuple[str, str]:
        """The references at both ends, as every tool but skopeo takes them."""
        return (
            f"{self.source}/{self.repository}:{self.tag}",
            f"{self.destination}/{self.repository}:{self.tag}",
        )


@dataclass(frozen=True, slots=True)
class Peer:
    """A tool that copies images between registries."""

    name: str
    version_command: Sequence[str]
    command: Callable[[Copy], Sequence[str]]

    def is_there(self) -> bool:
        """True if the tool is on the PATH."""
        return shutil.which(self.name) is not None

    def version(self) -> str:
        """Return the tool's name and version: the last word of the first line that it prints of it."""
        done = subprocess.run([self.name, *self.version_command], check=True, capture_output=True, text=True)
        return f"{self.name} {done.stdout.splitlines()[0].split()[-1]}"

    def copy(self, copy: Copy) -> None:
        """Copy an image; raises subprocess.CalledProcessError when the tool fails."""
        subprocess.run(self._whole(copy), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def memory_bytes(self, copy: Copy) -> int:
        """Copy an image; returns the peak of the tool's resident set.

        Its parent is a small process: a child's peak begins with what its parent had when it was forked.
        """
        parent = (
            "import resource, subprocess, sys; "
            "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)"
        )
        command = [sys.executable, "-c", parent, *self._whole(copy)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def _whole(self, copy: Copy) -> list[str]:
        return [self.name, *self.command(copy)]


def _skopeo(copy: Copy) -> Sequence[str]:
    source, destination = copy.images
    plain = ("--src-tls-verify=false", "--dest-tls-verify=false")
    return "--insecure-policy", "copy", "--all", "--quiet", *plain, f"docker://{source}", f"docker://{destination}"


def _crane(copy: Copy) -> Sequence[str]:
    return "copy", "--insecure", *copy.images


def _crane_all_tags(copy: Copy) -> Sequence[str]:
    ends = (f"{host}/{copy.repository}" for host in (copy.source, copy.destination))
    return "copy", "--insecure", "--all-tags", *ends


def _regctl(copy: Copy) -> Sequence[str]:
    hosts = (f"--host=reg={host},tls=disabled" for host in (copy.source, copy.destination))
    return "image", "copy", *hosts, *copy.images


def _oras(copy: Copy) -> Sequence[str]:
    return "cp", "--from-plain-http", "--to-plain-http", *copy.images


SKOPEO = Peer("skopeo", ("--version",), _skopeo)
CRANE = Peer("crane", ("version",), _crane)
CRANE_ALL_TAGS = Peer("crane", ("version",), _crane_all_tags)
"""Copies every tag of the repository, whatever tag the copy names."""
PEERS = (
    SKOPEO,
    CRANE,
    Peer("regctl", ("version", "--format", "{{.VCSTag}}"), _regctl),
    Peer("oras", ("version",), _oras),
)
