"""The way to the local stack: through no proxy, and by nothing of this machine's AWS settings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import boto3

LOCAL_KEY = "test"
"""Both halves of the key that the emulator takes for its account's root; functions get a session of their role."""
_HERE = ("127.0.0.1", "localhost")


def reach_this_machine_directly() -> None:
    """Let this process ask no proxy for this machine's own servers; downloads go on to use the proxy.

    It is done by the environment, which urllib, requests and botocore read, each in its own way.
    """
    given = {name: os.environ.get(name, "") for name in ("no_proxy", "NO_PROXY")}
    for name, other in (("no_proxy", "NO_PROXY"), ("NO_PROXY", "no_proxy")):
        os.environ[name] = _with_this_machine(given[name] or given[other])


def _with_this_machine(hosts: str) -> str:
    named = [host.strip() for host in hosts.split(",") if host.strip()]
    return hosts if named == ["*"] else ",".join(dict.fromkeys([*named, *_HERE]))  # beside others * means no host


def local_session(region: str | None = None) -> boto3.Session:
    """Return a session of the local stack's root, whatever AWS settings this machine or shell has.

    boto3 alone refuses to make one where AWS_PROFILE names a profile that is not on this machine.
    """
    import boto3  # noqa: PLC0415 - takes 0.2 s, and not all who import this need it
    import botocore.session  # noqa: PLC0415

    variables = botocore.session.Session.SESSION_VARIABLES.items()
    settings = {name: (None, None, default, convert) for name, (_, _, default, convert) in variables}
    settings |= dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    return boto3.Session(
        aws_access_key_id=LOCAL_KEY,
        aws_secret_access_key=LOCAL_KEY,
        region_name=region,
        botocore_session=botocore.session.Session(session_vars=settings),
    )
