"""Real registries on this machine: docker-registry (CNCF Distribution 2.8) processes, and an S3 to store in.

A `RegistrySpec` says what a registry is; `start(spec, folder)` writes its configuration into the folder, starts it and
waits until it answers. What comes back can be stopped here (`stop()`) or from another process, by
`stop_registry(pid, folder)`.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import secrets
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.certificates import KeyPair
from local.processes import StartError, free_port, is_free, plain_environment, spawn, stop, wait_for_http

REGISTRY_BINARY = "docker-registry"
EMULATOR = Path(__file__).resolve().parent.parent / ".local" / "emulator" / "bin" / "ministack"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystem:
    """Storage in a folder, by default `data` in the registry's own."""

    root: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class S3:
    """Storage in a bucket. With `redirect` the registry sends readers of blobs on to a presigned URL of the bucket."""

    endpoint: str
    bucket: str
    region: str = "eu-west-1"
    access_key: str = "test"
    secret_key: str = field(default="test", repr=False)
    root: str = "/registry"
    redirect: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicAuth:
    """htpasswd: user name -> password, in clear here, bcrypt in the registry's file."""

    users: Mapping[str, str] = field(repr=False)
    realm: str = "local registry"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAuth:
    """Tokens, made by the token service at `realm` or by anybody who holds the key of `certificate` (PEM)."""

    realm: str
    certificate: str
    service: str = "container_registry"
    issuer: str = "geosync-local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifications:
    """Where the registry posts its events. `ignore` is the recommended filter: no pulls, no blobs. Times in seconds."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ignore: bool = True
    timeout: float = 0.5
    threshold: int = 5
    backoff: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySpec:
    """One registry. Port 0: the operating system chooses. `debug` serves /debug/vars on a port of its own."""

    name: str
    port: int = 0
    storage: FileSystem | S3 = field(default_factory=FileSystem)
    auth: BasicAuth | TokenAuth | None = None
    notifications: Notifications | None = None
    tls: KeyPair | None = None
    debug: bool = False
    schema1: bool = False
    #: Writes are refused, as while garbage is collected.
    read_only: bool = False
    #: Regular expressions of the URLs that foreign layers may have; without any, such manifests are refused.
    foreign_urls: tuple[str, ...] = ()
    #: Further sections of the registry's own configuration file; they replace what is rendered here.
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningRegistry:
    """A registry that answers. `process` is None when another process started it."""

    name: str
    url: str
    pid: int
    folder: Path
    debug_url: str | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)

    @property
    def host(self) -> str:
        """host:port, as image names and `skopeo` want it."""
        return self.url.partition("://")[2]

    @property
    def port(self) -> int:
        """The port it listens on; give it to the next RegistrySpec to start the same registry again."""
        return int(self.host.rpartition(":")[2])

    @property
    def log(self) -> Path:
        """What the registry printed."""
        return self.folder / "registry.log"

    def stop(self) -> None:
        """End it and wait until it is gone; its data stay."""
        stop_registry(self.pid, self.folder)
        if self.process is not None:
            self.process.wait(timeout=60)


def start(spec: RegistrySpec, folder: Path, *, detached: bool = False) -> RunningRegistry:
    """Write the configuration of a registry into `folder`, start it and wait until it answers.

    A `detached` one outlives this process. Raises StartError with the end of its log, or with the way to get the
    program.
    """
    binary = shutil.which(REGISTRY_BINARY, path=plain_environment().get("PATH", "") + ":/usr/bin:/usr/local/bin")
    if binary is None:
        raise StartError(f"{REGISTRY_BINARY} is not installed: apt-get install docker-registry")
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "registry.json.yml"
    log = folder / "registry.log"
    port = spec.port or free_port()
    if not is_free(port):
        raise StartError(f"the port {port} for the registry {spec.name} is in use")
    debug_port = free_port() if spec.debug else None
    # JSON is YAML, and needs no package that a bare machine lacks.
    configuration.write_text(json.dumps(render(spec, folder, port, debug_port), indent=1))
    configuration.chmod(0o600)
    url = f"{'https' if spec.tls else 'http'}://127.0.0.1:{port}"
    # Go collects garbage when the heap has doubled, which here, at some megabytes, takes a third of its time.
    environment = plain_environment(GOGC="800")
    process = spawn([binary, "serve", str(configuration)], log=log, environment=environment, detached=detached)
    wait_for_http(f"{url}/v2/", process, log)
    return RunningRegistry(
        name=spec.name,
        url=url,
        pid=process.pid,
        folder=folder,
        debug_url=f"http://127.0.0.1:{debug_port}" if debug_port else None,
        process=process,
    )


def stop_registry(pid: int, folder: Path) -> bool:
    """End the registry that was started in `folder`; False when it does not run any more."""
    return stop(pid, marker=str(folder))


def render(spec: RegistrySpec, folder: Path, port: int, debug_port: int | None) -> dict[str, Any]:
    """Return the registry's configuration, and write the files that it names (certificates, htpasswd) into `folder`."""
    http: dict[str, Any] = {"addr": f"127.0.0.1:{port}", "secret": "local", "relativeurls": False}
    if debug_port is not None:
        http["debug"] = {"addr": f"127.0.0.1:{debug_port}"}
    if spec.tls is not None:
        http["tls"] = {
            "certificate": _file(folder / "tls.crt", spec.tls.certificate),
            "key": _file(folder / "tls.key", spec.tls.private_key),
        }
    rendered: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": _storage(spec.storage, folder, read_only=spec.read_only),
        "http": http,
    }
    if spec.auth is not None:
        rendered["auth"] = _auth(spec.auth, folder)
    if spec.notifications is not None:
        rendered["notifications"] = {"endpoints": [_endpoint(spec.notifications)]}
    if spec.schema1:
        rendered["compatibility"] = {"schema1": {"enabled": True}}
    if spec.foreign_urls:
        rendered["validation"] = {"manifests": {"urls": {"allow": list(spec.foreign_urls)}}}
    return rendered | dict(spec.more)


def _storage(storage: FileSystem | S3, folder: Path, *, read_only: bool) -> dict[str, Any]:
    common: dict[str, Any] = {
        "delete": {"enabled": True},
        # The purge of old uploads walks the whole storage at start.
        "maintenance": {"uploadpurging": {"enabled": False}, "readonly": {"enabled": read_only}},
        "cache": {"blobdescriptor": "inmemory"},
    }
    if isinstance(storage, FileSystem):
        return {"filesystem": {"rootdirectory": str(storage.root or folder / "data")}, **common}
    return {
        "s3": {
            "accesskey": storage.access_key,
            "secretkey": storage.secret_key,
            "region": storage.region,
            "regionendpoint": storage.endpoint,
            "bucket": storage.bucket,
            "secure": storage.endpoint.startswith("https://"),
            "v4auth": True,
            "rootdirectory": storage.root,
        },
        "redirect": {"disable": not storage.redirect},
        **common,
    }


def _auth(auth: BasicAuth | TokenAuth, folder: Path) -> dict[str, Any]:
    if isinstance(auth, BasicAuth):
        lines = "".join(f"{user}:{_bcrypt(password)}\n" for user, password in auth.users.items())
        return {"htpasswd": {"realm": auth.realm, "path": _file(folder / "htpasswd", lines)}}
    return {
        "token": {
            "realm": auth.realm,
            "service": auth.service,
            "issuer": auth.issuer,
            "rootcertbundle": _file(folder / "token.crt", auth.certificate),
        }
    }


def _endpoint(notifications: Notifications) -> dict[str, Any]:
    endpoint: dict[str, Any] = {
        "name": "geo_event",
        "url": notifications.url,
        "timeout": f"{notifications.timeout * 1000:.0f}ms",
        "threshold": notifications.threshold,
        "backoff": f"{notifications.backoff * 1000:.0f}ms",
        "headers": {name: [value] for name, value in notifications.headers.items()},
    }
    if notifications.ignore:
        endpoint["ignore"] = {"actions": ["pull"], "mediatypes": ["application/octet-stream"]}
    return endpoint


def _file(path: Path, content: str) -> str:
    path.write_text(content)
    path.chmod(0o600)
    return str(path)


def _bcrypt(password: str) -> str:
    """Hash a password as htpasswd -B does; the C library knows how, Python's wrapper of it is going away."""
    alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    # 22 characters hold 128 bits; the last one only two of them, so that not each character is allowed there.
    salt = "$2b$05$" + "".join(secrets.choice(alphabet) for _ in range(21)) + secrets.choice(".Oeu")
    crypt = _libcrypt().crypt
    crypt.restype = ctypes.c_char_p
    hashed: bytes | None = crypt(password.encode(), salt.encode())
    if not hashed or not hashed.startswith(b"$2b$"):
        raise StartError("this libcrypt knows no bcrypt")
    return hashed.decode()


def _libcrypt() -> ctypes.CDLL:
    for name in ("libcrypt.so.1", "libcrypt.so.2"):
        with contextlib.suppress(OSError):
            return ctypes.CDLL(name)
    raise StartError("libcrypt is missing, which makes the passwords of a registry with basic authentication")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningS3:
    """An S3 of its own process, so that layers do not stall anything else."""

    url: str
    pid: int
    folder: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)

    def make_bucket(self, name: str, region: str = "eu-west-1") -> None:
        """Make a bucket in a region; one that is there is fine."""
        body = (
            '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        )
        request = urllib.request.Request(f"{self.url}/{name}", body.encode(), method="PUT")  # noqa: S310 - our own, on this machine
        try:
            urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
        except urllib.error.HTTPError as answer:
            with answer:
                text = answer.read().decode(errors="replace")
            if answer.code != 409:
                raise StartError(f"the bucket {name} could not be made: {answer.code} {text[:300]}") from None

    def stop(self) -> None:
        """End it; the objects stay in its folder."""
        stop(self.pid, marker=str(self.folder))
        if self.process is not None:
            self.process.wait(timeout=60)


def start_s3(folder: Path, *, port: int = 0, detached: bool = False, emulator: Path = EMULATOR) -> RunningS3:
    """Start an emulator that serves S3 only, with its objects in `folder`, and wait until it answers."""
    if not emulator.exists():
        raise StartError(f"{emulator} is missing: make venv")
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    log = folder / "s3.log"
    port = port or free_port()
    environment = plain_environment(
        GATEWAY_PORT=str(port),
        BIND_HOST="127.0.0.1",
        IOT_MTLS_ENABLED="0",
        SERVICES="s3",
        S3_PERSIST="1",
        S3_DATA_DIR=str(folder / "objects"),
        TMPDIR=str(temporary),
        LOG_LEVEL="WARNING",
    )
    # The folder on the command line is what `stop` knows it by: -X takes any word, and the program takes none.
    command = [str(emulator.parent / "python"), "-X", f"folder={folder}", str(emulator)]
    process = spawn(command, log=log, environment=environment, detached=detached)
    wait_for_http(f"http://127.0.0.1:{port}/_ministack/health", process, log)
    return RunningS3(url=f"http://127.0.0.1:{port}", pid=process.pid, folder=folder, process=process)
