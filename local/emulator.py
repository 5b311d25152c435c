"""The AWS emulator (ministack) that serves the control plane: everything but the registries' S3, with IAM enforced."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from botocore.config import Config

from geosync.cli.local_stack import LOCAL_KEY, local_session
from local import emulator_process
from local.processes import StartError, free_port, plain_environment, spawn, stop, wait_for_http

ROOT = Path(__file__).resolve().parent.parent
EMULATOR_PYTHON = ROOT / ".local" / "emulator" / "bin" / "python"
ACCOUNT = "000000000000"

_one_at_a_time = threading.Lock()  # a session must not make two clients at once
_CALLS = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=2, read_timeout=180)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningEmulator:
    """An emulator that answers; `process` is None when another process started it."""

    url: str
    pid: int
    folder: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)

    @property
    def port(self) -> int:
        """The one port for everything: AWS's API, the sites' endpoints."""
        return int(self.url.rpartition(":")[2])

    def client(self, service: str, region: str, **more: str) -> Any:
        """Return the boto3 client of the account's root, whatever AWS settings this machine or shell has.

        One for the same arguments: to make one takes as long as dozens of calls. `more` is boto3's, as text.
        """
        with _one_at_a_time:
            return _client(self.url, service, region, tuple(sorted(more.items())))

    def environment(self) -> dict[str, str]:
        """Return what a program needs to take this emulator for AWS: the SAM CLI, the AWS CLI, our own."""
        return aws_environment(self.url)

    def is_healthy(self) -> bool:
        """Whether it answers now."""
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=2) as answer:  # noqa: S310
            return bool(json.load(answer))
        return False

    def stop(self) -> None:
        """End it and the functions that run in it, and wait until they are gone."""
        stop_emulator(self.pid, self.folder)
        if self.process is not None:
            self.process.wait(timeout=60)


_session = cache(local_session)


@cache
def _client(url: str, service: str, region: str, more: tuple[tuple[str, str], ...]) -> Any:
    return _session().client(service, region, endpoint_url=url, config=_CALLS, **dict(more))  # type: ignore[call-overload]


def aws_environment(url: str) -> dict[str, str]:
    """Return an environment in which `url` is AWS and the user's own profiles and keys are out of sight."""
    return plain_environment(
        AWS_ENDPOINT_URL=url,
        AWS_ACCESS_KEY_ID=LOCAL_KEY,
        AWS_SECRET_ACCESS_KEY=LOCAL_KEY,
        AWS_DEFAULT_REGION="eu-west-1",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
    )


def start_emulator(folder: Path, *, detached: bool = True) -> RunningEmulator:
    """Start the control plane with everything that it writes in `folder`, and wait until it answers.

    Functions run in its child processes and inherit its environment, so that holds nothing that a function on AWS would
    not see; a variable missing in the template is missing here too. Workers are kept for an hour. Raises StartError.
    Differs: warm-workers.
    """
    if not EMULATOR_PYTHON.exists():
        raise StartError(f"{EMULATOR_PYTHON} is missing: make setup")
    temporary = folder / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    port = free_port()
    environment = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        # Queue URLs with an address in them: `localhost` can be looked up as ::1 first.
        "MINISTACK_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "AUTH": "true",
        # A worker beyond the first of its function is kept for the whole life of a stack: a cold one takes 0.5 s.
        "LAMBDA_WARM_TTL_SECONDS": "3600",
    }
    log = folder / "emulator.log"
    # -X takes any word: the folder on the command line is what `stop` knows the process by.
    program = str(Path(emulator_process.__file__))
    # -P: what lies beside the program is none of its modules.
    command = [str(EMULATOR_PYTHON), "-P", "-X", f"folder={folder}", program]
    process = spawn(command, log=log, environment=environment, detached=detached)
    url = f"http://127.0.0.1:{port}"
    wait_for_http(f"{url}/_ministack/health", process, log, seconds=60)
    return RunningEmulator(url=url, pid=process.pid, folder=folder, process=process)


def stop_emulator(pid: int, folder: Path) -> bool:
    """End the emulator that was started in `folder`, and the workers it leaves when it had to be killed."""
    was_there = stop(pid, marker=str(folder))
    for worker in _workers(folder):
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
    return was_there


def _workers(folder: Path) -> Iterator[int]:
    """Yield the processes whose command line names the emulator's own temporary folder: functions, nothing else."""
    marker = f"{folder / 'tmp'}/".encode()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if marker in entry.read_bytes():
                yield int(entry.parent.name)


def make_user(emulator: RunningEmulator, name: str, policy: dict[str, Any]) -> dict[str, str]:
    """Make an IAM user with one policy; return its key as boto3's keyword arguments. For tests of what IAM refuses."""
    iam = emulator.client("iam", "us-east-1")
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
