"""skopeo, as a client uses it to push and pull: nothing of Geosync takes part."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local.processes import plain_environment


class SkopeoError(RuntimeError):
    """skopeo failed; the text is what it said."""


class Skopeo:
    """skopeo with the passwords of the sites in a file of its own (0600), so that none is on a command line."""

    def __init__(self, folder: Path, sites: Sequence[Mapping[str, Any]], *, seconds: float = 120.0) -> None:
        if shutil.which("skopeo") is None:
            raise SkopeoError("skopeo is not installed: make setup")
        self._seconds = seconds
        self._logins = folder / "auth.json"
        logins = {
            _host(site): {"auth": base64.b64encode(f"{site['username']}:{site['password']}".encode()).decode()}
            for site in sites
            if site["username"] is not None
        }
        with os.fdopen(os.open(self._logins, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"auths": logins}, file)
        # Its own temporary files and, for an ordinary user, its cache go where ours are removed.
        self._environment = plain_environment(TMPDIR=str(folder), XDG_DATA_HOME=str(folder / "share"))

    def copy(self, source: str, destination: str) -> None:
        """Copy an image with everything in it, byte for byte; raises SkopeoError."""
        tls = ["--src-tls-verify=false", "--dest-tls-verify=false"]
        self._run("copy", "--quiet", "--all", "--preserve-digests", *tls, source, destination)

    def raw_digest(self, location: str) -> str:
        """Return the digest of the manifest's bytes that a registry serves; raises SkopeoError."""
        content = self._run("inspect", "--raw", "--tls-verify=false", location)
        return f"sha256:{hashlib.sha256(content).hexdigest()}"

    def delete(self, location: str) -> None:
        """Delete the manifest behind a tag, with the tag; raises SkopeoError."""
        self._run("delete", "--tls-verify=false", location)

    def _run(self, command: str, *arguments: str) -> bytes:
        words = ["skopeo", "--insecure-policy", command, "--authfile", str(self._logins), *arguments]
        try:
            done = subprocess.run(
                words,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SkopeoError(f"skopeo {command} {arguments[-1]} took more than {self._seconds:.0f} s") from None
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()
            raise SkopeoError(f"skopeo {command} {arguments[-1]}: {said[-1000:]}")
        return done.stdout


def location(site: Mapping[str, Any], repository: str, tag: str) -> str:
    """Return a tag at a site's registry as skopeo names it."""
    return f"docker://{_host(site)}/{repository}:{tag}"


def _host(site: Mapping[str, Any]) -> str:
    host: str = site["registry"].partition("://")[2]
    return host
