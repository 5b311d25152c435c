"""How the parts of the local stack find each other: registries, secrets, the sites' parameters, the last touches."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geosync.clock import SYSTEM_CLOCK
from geosync.operating import sites
from geosync.sync_registry.sync_registry import SyncRegistry
from local.certificates import KeyPair
from local.deploy import Site, admin_url, change
from local.emulator import ACCOUNT, ROOT, RunningEmulator
from local.processes import StartError, free_port, plain_environment, spawn, wait_for_http
from local.registries import (
    S3,
    FileSystem,
    Notifications,
    RegistrySpec,
    RunningRegistry,
    RunningS3,
    TokenAuth,
    start,
    start_s3,
)

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient

SERVICE = "container_registry"
ISSUER = "geosync-local"
PUSHER, READER = "geosync", "geo-reader"
BUCKET = "registry"
# What the sites are there to show, beside each other.
STORES_ON_S3 = "oregon"
SIGNS_ITS_TOKENS = "frankfurt"
TELLS_ARRIVALS = "frankfurt"
READS_STRICTLY = "frankfurt"

# Short times: a test of a crash or of an unsettled tag then takes seconds. The lease leaves room for a stall, as all of
# this shares a machine that may have two cores.
PACE = {
    "LeaseSeconds": "4",
    "SettleSeconds": "2",
    "BreakerSeconds": "60",
    "SuspectSeconds": "2",
    "VerificationSeconds": "600",
    # The emulator, and all that runs in it, has this machine's few processors: as few workers as AWS lets one choose.
    # Differs: pace.
    "EventsConcurrency": "2",
    "LiveConcurrency": "2",
    "WorkConcurrency": "2",
    # Of two workers a share would be one, which a killed function keeps for as long as it might have run.
    "MaxNamespaceShare": "100",
    # What no notification told of is healed within some minutes: it is compared two minutes after the last
    # comparison began, asked for by the next minute's reconcile, and worked off by the sweep of the minute after it.
    "ComparisonSeconds": "120",
    # There is no TLS in front of the emulator. Differs: no-tls.
    "PlainTransport": "allow",
    "Reads": "on",
}
# Workers of functions/log_cursor and functions/sync to start at each secondary: as many as pushes use.
WARM_WORKERS = 2
STARTED_AT_ONCE = 4
READY_SECONDS = 180.0
"""Ends a start that hangs. Far more than a busy machine needs to start some twenty functions at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Who may do what at the primary's registry."""

    pair: KeyPair
    pusher_password: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    reader_password: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)

    def for_service(self) -> dict[str, Any]:
        """Return the accounts as the token service reads them."""
        return {
            PUSHER: {"password": self.pusher_password, "allowed": {"*": ["*"]}},
            READER: {"password": self.reader_password, "allowed": {"*": ["pull"], "catalog": ["*"]}},
        }

    def pusher(self) -> dict[str, str]:
        """Return the secret of an account that may push."""
        return {"type": "basic", "username": PUSHER, "password": self.pusher_password}

    def reader(self) -> dict[str, str]:
        """Return the secret of an account that may only pull."""
        return {"type": "basic", "username": READER, "password": self.reader_password}

    def signing_key(self) -> dict[str, str]:
        """Return the secret of a site that signs its tokens itself, with the key that the registry trusts."""
        return {
            "type": "registry_key",
            "private_key": self.pair.private_key,
            "certificate": self.pair.certificate,
            "issuer": ISSUER,
            "service": SERVICE,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenService:
    """The token service of the primary's registry, in a process of its own."""

    realm: str
    pid: int
    folder: Path
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)


def start_token_service(accounts: Accounts, folder: Path) -> TokenService:
    """Start the token service and wait until it answers. Raises StartError."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "token.key": accounts.pair.private_key,
        "token.crt": accounts.pair.certificate,
        "accounts.json": json.dumps(accounts.for_service()),
    }
    for name, content in files.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(content)
    port = free_port()
    command = [sys.executable, "-m", "local.token_service", "--port", str(port), "--issuer", ISSUER]
    command += ["--key", str(folder / "token.key"), "--certificate", str(folder / "token.crt")]
    command += ["--service", SERVICE, "--accounts", str(folder / "accounts.json")]
    log = folder / "token_service.log"
    environment = plain_environment(PYTHONPATH=str(ROOT), PYTHONDONTWRITEBYTECODE="1")
    process = spawn(command, log=log, environment=environment, detached=True)
    realm = f"http://127.0.0.1:{port}/token"
    wait_for_http(realm, process, log)
    return TokenService(realm=realm, pid=process.pid, folder=folder, process=process)


def start_s3_store(folder: Path) -> RunningS3:
    """Start the S3 that a registry stores in, with its bucket."""
    s3 = start_s3(folder, detached=True)
    s3.make_bucket(BUCKET)
    return s3


def primary_registry(site: Site, port: int, *, auth: TokenAuth, notifications: Notifications) -> RegistrySpec:
    """Return the primary's registry: token authentication, and the notification endpoint of the documentation."""
    return RegistrySpec(name=site.name, port=port, debug=True, auth=auth, notifications=notifications)


def primary_auth(service: TokenService, accounts: Accounts) -> TokenAuth:
    """Return the settings that make the primary's registry trust the token service, and others with its key."""
    return TokenAuth(realm=service.realm, certificate=accounts.pair.certificate, service=SERVICE, issuer=ISSUER)


def notifications(url: str, token: str) -> Notifications:
    """Return a registry's notification endpoint, as documented."""
    return Notifications(url=url, headers={"Authorization": token})


def secondary_registry(site: Site, port: int, s3: RunningS3, notifications: Notifications) -> RegistrySpec:
    """Return a secondary's registry, which asks for no credentials and stores on S3 or on the file system."""
    storage = S3(endpoint=s3.url, bucket=BUCKET) if site.name == STORES_ON_S3 else FileSystem()
    return RegistrySpec(name=site.name, port=port, debug=True, storage=storage, notifications=notifications)


def start_registry(spec: RegistrySpec, work: Path) -> RunningRegistry:
    """Start a registry in its folder of the stack."""
    return start(spec, work / "registries" / spec.name, detached=True)


def parameters(
    emulator: RunningEmulator, urls: Mapping[Site, str], primary: Site, accounts: Accounts, realm: str
) -> dict[Site, dict[str, str]]:
    """Return the template's parameters of each site, `urls` being those of the sites' registries.

    `realm` is the token service's, to which a client of the primary's registry is sent.

    Makes the secrets that they name, as an operator would.
    """
    given = {site: {**PACE, "LocalRegistryUrl": url} for site, url in urls.items()}
    for site, values in given.items():
        if site == primary:
            values |= {"ReadsTokenUrl": realm, "ReadsTokenService": SERVICE}
            values["LocalRegistrySecretArn"] = _make_secret(emulator, site, "registry", accounts.pusher())
            continue
        reader = accounts.signing_key() if site.name == SIGNS_ITS_TOKENS else accounts.reader()
        if site.name == TELLS_ARRIVALS:
            values["Arrivals"] = "on"
        if site.name == READS_STRICTLY:
            values["MaxStaleness"] = "0"
        values["PrimaryTopicArn"] = f"arn:aws:sns:{primary.region}:{ACCOUNT}:geosync-{primary.name}"
        values["PrimaryRegistryUrl"] = urls[primary]
        values["PrimaryRegistrySecretArn"] = _make_secret(emulator, site, "primary-registry", reader)
    return given


def connect(emulator: RunningEmulator, outputs: Mapping[Site, Mapping[str, str]]) -> dict[Site, dict[str, str]]:
    """Tell each secondary the primary's admin API, and the primary whom to expect; return the sites' outputs."""
    primary = next(site for site in outputs if site.role == "primary")
    for site, values in outputs.items():
        if site != primary:
            expect(emulator, primary, outputs[primary], site, values)
    with ThreadPoolExecutor(len(outputs)) as pool:
        changing = {}
        for site in outputs:
            told = {} if site == primary else {"PrimaryAdminUrl": admin_url(emulator, primary)}
            changing[site] = pool.submit(change, emulator, site, told)
        return {site: one.result() for site, one in changing.items()}


def expect(
    emulator: RunningEmulator,
    primary: Site,
    outputs: Mapping[str, str],
    site: Site,
    values: Mapping[str, str],
) -> None:
    """Have the primary expect a site's reports, as `geosync sites add` does."""
    sync_registry = SyncRegistry.open(emulator.client("dynamodb", primary.region), outputs["SyncRegistryTable"])
    key = sites.report_key(secret(emulator, site, values["ReportTokenSecretArn"]))
    now = SYSTEM_CLOCK.now_ms()
    sync_registry.sites.add(name=site.name, url=admin_url(emulator, site), key=key, now_ms=now)


def _make_secret(emulator: RunningEmulator, site: Site, name: str, document: Mapping[str, str]) -> str:
    client: SecretsManagerClient = emulator.client("secretsmanager", site.region)
    made = client.create_secret(Name=f"geosync/{site.name}/{name}", SecretString=json.dumps(document))
    return made["ARN"]


def notification_token(emulator: RunningEmulator, site: Site, outputs: Mapping[str, str]) -> str:
    """Return the token that the stack has generated for a site's registry."""
    return secret(emulator, site, outputs["NotificationTokenSecretArn"])


def secret(emulator: RunningEmulator, site: Site, arn: str) -> str:
    """Return what a stack has generated."""
    client: SecretsManagerClient = emulator.client("secretsmanager", site.region)
    return client.get_secret_value(SecretId=arn)["SecretString"]


def describe(
    emulator: RunningEmulator, site: Site, outputs: Mapping[str, str], registry: RunningRegistry, accounts: Accounts
) -> dict[str, Any]:
    """Return what stack.json says of a site. User and password: what a client needs to push to its registry."""
    is_primary = site.role == "primary"
    return {
        "name": site.name,
        "role": site.role,
        "region": site.region,
        "stack": site.stack,
        "registry": registry.url,
        "username": PUSHER if is_primary else None,
        "password": accounts.pusher_password if is_primary else None,
        "notifications_url": outputs["NotificationsUrl"],
        "admin_url": admin_url(emulator, site),
        "report_secret_arn": outputs["ReportTokenSecretArn"],
        "admin_read_token": secret(emulator, site, outputs["AdminReadTokenSecretArn"]),
        "admin_act_token": secret(emulator, site, outputs["AdminActTokenSecretArn"]),
        "queue_url": outputs["EventsQueueUrl"],
        "live_queue_url": outputs["LiveQueueUrl"],
        "work_queue_url": outputs["WorkQueueUrl"],
        "dlq_url": outputs["DeadLetterQueueUrl"],
        "table": outputs["SyncRegistryTable"],
        "events_table": outputs["EventsTable"],
        "topic_arn": outputs["TopicArn"],
        "arrivals_topic_arn": outputs.get("ArrivalsTopicArn"),
        "notification_secret_arn": outputs["NotificationTokenSecretArn"],
        "functions": {
            "notifications": outputs["NotificationsFunction"],
            "log_cursor": outputs["LogCursorFunction"],
            "sync": outputs["SyncFunction"],
            "reconcile": outputs["ReconcileFunction"],
            "admin": outputs["AdminFunction"],
            "pull": outputs["PullFunction"],
        },
        "registry_debug_url": registry.debug_url,
        "registry_folder": str(registry.folder),
        "registry_pid": registry.pid,
    }


def make_ready(emulator: RunningEmulator, outputs: Mapping[Site, Mapping[str, str]]) -> None:
    """Start the functions' workers, let the secondaries subscribe, see notifications accepted. Raises StartError."""
    with ThreadPoolExecutor(STARTED_AT_ONCE) as pool:
        waiting: list[Future[Any]] = []
        reconciled: dict[Site, Future[str]] = {}
        for site, values in outputs.items():
            workers = WARM_WORKERS if site.role == "secondary" else 1
            waiting += [
                pool.submit(_invoke, emulator, site, values[function], {"Records": []})
                for function in ("LogCursorFunction", "SyncFunction")
                for _ in range(workers)
            ]
            reconciled[site] = pool.submit(_invoke, emulator, site, values["ReconcileFunction"], {})
            waiting.append(pool.submit(_notify, emulator, site, values))
            waiting += [
                pool.submit(_invoke, emulator, site, values[function], {"httpMethod": "GET"})
                for function in ("AdminFunction", "PullFunction")
            ]
        for one in waiting:
            one.result()
    _await_subscriptions(emulator, outputs, {site: one.result() for site, one in reconciled.items()})


def _invoke(emulator: RunningEmulator, site: Site, function: str, event: Mapping[str, Any]) -> str:
    """Invoke a function until it ends well, as Lambda does: on a busy machine a first start may take its whole time."""
    client: LambdaClient = emulator.client("lambda", site.region)
    end = time.monotonic() + READY_SECONDS
    while True:
        answer = client.invoke(FunctionName=function, Payload=json.dumps(event).encode())
        payload = answer["Payload"].read().decode()
        if not answer.get("FunctionError"):
            return payload
        if time.monotonic() > end:
            raise StartError(f"{function} failed: {payload[:1000]}")
        time.sleep(1)


def _notify(emulator: RunningEmulator, site: Site, outputs: Mapping[str, str]) -> None:
    """Post an envelope without events, with the site's own token: accepted by any site, and nothing comes of it."""
    request = urllib.request.Request(  # noqa: S310 - our own, on this machine
        outputs["NotificationsUrl"],
        data=b'{"events": []}',
        method="POST",
        headers={
            "Authorization": notification_token(emulator, site, outputs),
            "Content-Type": "application/vnd.docker.distribution.events.v1+json",
        },
    )
    try:
        urllib.request.urlopen(request, timeout=READY_SECONDS).close()  # noqa: S310
    except urllib.error.HTTPError as answer:
        with answer:
            text = answer.read().decode(errors="replace")
        raise StartError(f"{site.name} answered a notification with {answer.code}: {text[:500]}") from None


def _await_subscriptions(
    emulator: RunningEmulator, outputs: Mapping[Site, Mapping[str, str]], reconciled: Mapping[Site, str]
) -> None:
    """Wait until each secondary's queue follows the primary's topic; `reconciled` is what reconcile just answered."""
    primary = next(site for site in outputs if site.role == "primary")
    topic = outputs[primary]["TopicArn"]
    client: SNSClient = emulator.client("sns", primary.region)
    end = time.monotonic() + READY_SECONDS
    while True:
        subscriptions = client.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        following = {subscription["Endpoint"].rpartition(":")[2] for subscription in subscriptions}
        missing = [
            site.name
            for site, values in outputs.items()
            if site.role == "secondary" and values["EventsQueueUrl"].rpartition("/")[2] not in following
        ]
        if not missing:
            return
        if time.monotonic() > end:
            answers = {site.name: answer for site, answer in reconciled.items()}
            raise StartError(f"no subscription to {topic} by {', '.join(missing)}; reconcile answered {answers}")
        time.sleep(0.2)
