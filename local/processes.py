"""Start a server, wait until it answers, and stop it, also from another process that knows only its id."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

_kept: list[socket.socket] = []


class StartError(RuntimeError):
    """A server did not come up; the text says why and shows the end of its log."""


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free, and that no other process gets while this one lives.

    It may be seconds until a server listens there, and others ask for ports meanwhile. The socket that keeps it does
    not listen: by SO_REUSEADDR, which servers have, a server may.
    """
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind(("127.0.0.1", 0))
    _kept.append(one)
    port: int = one.getsockname()[1]
    return port


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of 127.0.0.1: another server there would answer in the place of ours."""
    with socket.socket() as one:
        # As servers do: connections that have ended do not keep a port.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def spawn(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str], detached: bool = False
) -> subprocess.Popen[bytes]:
    """Start a process that writes to `log`.

    A `detached` one lives on when the terminal or the parent is gone. Any other ends with the thread that started it,
    also when a test run is killed (on Linux, where setpriv is).
    """
    tied = None if detached else shutil.which("setpriv")
    if tied is not None:
        command = [tied, "--pdeathsig", "TERM", *command]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=detached,
        )


def plain_environment(**more: str) -> dict[str, str]:
    """Return an environment with nothing of AWS or of proxies in it: a registry panics over a strange AWS_CA_BUNDLE."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR", "LANG") if key in os.environ}
    return kept | more


def wait_for_http(url: str, process: subprocess.Popen[bytes], log: Path, *, seconds: float = 120.0) -> None:
    """Wait until `url` gives any HTTP answer (also a refusal, also over TLS of an unknown CA); raises StartError."""
    end = time.monotonic() + seconds
    pause = 0.01
    while True:
        if process.poll() is not None:
            raise StartError(f"{process.args!r} ended with {process.returncode}:\n{tail(log)}")
        try:
            # An open port is the sign of life here, so no certificate has to be known.
            _probe(url)
        except OSError:
            if time.monotonic() > end:
                process.kill()
                process.wait()
                raise StartError(f"{url} gave no answer within {seconds:.0f} s:\n{tail(log)}") from None
            time.sleep(pause)
            pause = min(pause * 1.5, 0.2)
        else:
            return


def _probe(url: str) -> None:
    if url.startswith("https://"):
        host, _, port = url.removeprefix("https://").partition("/")[0].partition(":")
        socket.create_connection((host, int(port)), timeout=2).close()
        return
    try:
        urllib.request.urlopen(url, timeout=2).close()  # noqa: S310 - our own, on this machine
    except urllib.error.HTTPError as answer:
        answer.close()


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log, empty when there is none."""
    with contextlib.suppress(OSError):
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    return ""


def stop(pid: int, *, marker: str = "", seconds: float = 5.0) -> bool:
    """End the process `pid` if its command line holds `marker`, and wait until it is gone; False when it was not there.

    The marker (a path of ours) keeps a process alive that got the id of ours after a restart of the machine.
    """
    if not is_alive(pid) or marker not in command_line(pid):
        return False
    for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, seconds)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return True
        end = time.monotonic() + patience
        while time.monotonic() < end:
            if not is_alive(pid):
                return True
            time.sleep(0.01)
    return not is_alive(pid)


def is_alive(pid: int) -> bool:
    """Whether a process runs; a child of ours that has ended is taken off the table of processes on the way."""
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG) == (0, 0)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # One that has ended stays on the table until its parent asks, which in a container may take seconds.
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


def command_line(pid: int) -> str:
    """Return the words of a process's command, empty when it is not there."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    listed = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return listed.stdout
