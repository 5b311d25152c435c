"""Build a package, send it with the SAM CLI, and make the sites of it as CloudFormation stacks in the emulator."""

from __future__ import annotations

import fcntl
import hashlib
import json
import platform
import re
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, WaiterError
from release import PackageError
from release import folder as package

from local.emulator import EMULATOR_PYTHON, ROOT, RunningEmulator
from local.processes import StartError, plain_environment

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_s3 import S3Client

SAM = ROOT / ".local" / "sam" / "bin" / "sam"
BUCKET = "artifacts"
"""Stands for the bucket of a site in a template that is packed for any."""
_DENIED = '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":null}]}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One site of the local stack."""

    name: str
    role: str
    region: str  # not us-east-1: its buckets are made in a way of their own

    @property
    def stack(self) -> str:
        """The name of its CloudFormation stack."""
        return f"geosync-{self.name}"


def sources_digest() -> str:
    """Return a digest of everything that a deployment is made from; another one means: build and deploy anew."""
    digest = hashlib.sha256()
    folders = (ROOT / "functions", ROOT / "layers", ROOT / "release", ROOT / "requirements")
    files = [ROOT / "template.yaml", *(path for folder in folders for path in folder.rglob("*"))]
    for path in sorted(files):
        if path.is_file() and path.suffix in {".py", ".mk", ".yaml", ".txt", ".html", ".css", ".js", ".svg", ""}:
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def build(folder: Path) -> Path:
    """Build a package for the emulator's interpreter; return its template, in `folder`. Raises StartError.

    What was built there of the same sources is taken as it is: stacks that start side by side may have one folder.
    """
    built = folder / "package"
    template, sources, built_from = built / "template.yaml", sources_digest(), built / "sources"
    with _alone(folder):
        if not built_from.exists() or built_from.read_text() != sources:
            try:
                template = package.build(built, target())
            except PackageError as error:
                raise StartError(str(error)) from error
            built_from.write_text(sources)
    return template


def target() -> package.Target:
    """Return what code is built for that runs in the emulator."""
    machine = _machine()
    return package.Target(architecture=machine["Architecture"], runtime=machine["Runtime"], python=EMULATOR_PYTHON)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time write to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def deploy(
    emulator: RunningEmulator, template: Path, sites: Mapping[Site, Mapping[str, str]]
) -> dict[Site, dict[str, str]]:
    """Deploy a built template with each site's parameters, all at a time; return their outputs. Raises StartError.

    `sam deploy` would pack and send the same code for each site, and ask every 0.3 s: 8 s of processor time for each.
    Differs: deployment.
    """
    packaged = _package(emulator, template, next(iter(sites)))
    with ThreadPoolExecutor(len(sites)) as pool:
        running = {
            site: pool.submit(_deploy, emulator, packaged, site, parameters) for site, parameters in sites.items()
        }
        return {site: one.result() for site, one in running.items()}


@dataclass(frozen=True, slots=True)
class _Packaged:
    """A template as JSON, and in `folder` the code that it names, in files that are called as in any bucket."""

    folder: Path

    @property
    def template(self) -> Path:
        """The template, whose code is in BUCKET."""
        return self.folder / "template.json"

    def sent(self, emulator: RunningEmulator, site: Site) -> str:
        """Send it and its code to the bucket of a site, whose region it has to be in; return the template's URL."""
        bucket, text = _artifacts(emulator, site), self.template.read_text()
        key = f"{hashlib.sha256(text.encode()).hexdigest()}.template"
        there: S3Client = emulator.client("s3", site.region)
        for code in _codes(text, BUCKET):
            there.put_object(Bucket=bucket, Key=code, Body=(self.folder / code).read_bytes())
        there.put_object(Bucket=bucket, Key=key, Body=text.replace(f"s3://{BUCKET}/", f"s3://{bucket}/").encode())
        return f"{emulator.url}/{bucket}/{key}"


def _codes(text: str, bucket: str) -> set[str]:
    """The keys in a bucket that a packaged template names."""
    return set(re.findall(rf'"s3://{bucket}/([^"]+)"', text))


def _package(emulator: RunningEmulator, template: Path, site: Site) -> _Packaged:
    """Run `sam package` by the bucket of a site, unless the built template was packed before."""
    packaged = _Packaged(template.parent / "packaged")
    with _alone(template.parent):
        if not packaged.template.exists():
            packaged.folder.mkdir(exist_ok=True)
            bucket, written = _artifacts(emulator, site), packaged.folder / "as-it-is-sent.json"
            command = [
                *("package", "--template-file", str(template), "--region", site.region, "--s3-bucket", bucket),
                *("--use-json", "--output-template-file", str(written), "--no-progressbar"),
            ]
            _sam(command, _sam_environment(template.parent, **emulator.environment()))
            s3: S3Client = emulator.client("s3", site.region)
            text = written.read_text()
            for code in _codes(text, bucket):
                (packaged.folder / code).write_bytes(s3.get_object(Bucket=bucket, Key=code)["Body"].read())
            packaged.template.write_text(text.replace(f"s3://{bucket}/", f"s3://{BUCKET}/"))
    return packaged


def _deploy(
    emulator: RunningEmulator, packaged: _Packaged, site: Site, parameters: Mapping[str, str]
) -> dict[str, str]:
    """Make or update a site's stack. As with `sam deploy`, a parameter that is not given keeps its value."""
    cloudformation: CloudFormationClient = emulator.client("cloudformation", site.region)
    given = {"SiteName": site.name, "SiteRole": site.role, **_machine(), **parameters}
    before: set[str] | None = None
    with suppress(ClientError):  # there is no such stack
        stack = cloudformation.describe_stacks(StackName=site.stack)["Stacks"][0]
        before = {one["ParameterKey"] for one in stack["Parameters"]}
    kept: set[str] = (before or set()) & json.loads(packaged.template.read_text())["Parameters"].keys() - given.keys()
    call: Any = cloudformation.create_stack if before is None else cloudformation.update_stack
    with _nothing_to_update():
        call(
            StackName=site.stack,
            TemplateURL=packaged.sent(emulator, site),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()]
            + [{"ParameterKey": name, "UsePreviousValue": True} for name in sorted(kept)],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],  # roles; the SAM transform
        )
        waiter: Any = cloudformation.get_waiter("stack_create_complete" if before is None else "stack_update_complete")
        try:
            waiter.wait(StackName=site.stack, WaiterConfig={"Delay": 0.5, "MaxAttempts": 2400})
        except WaiterError as error:
            raise StartError(f"{site.stack} was not deployed: {_failures(cloudformation, site)}") from error
    _answer_denials(emulator, site)
    return outputs(emulator, site)


@contextmanager
def _nothing_to_update() -> Iterator[None]:
    """Take it for a success that a stack is already as it is to be."""
    try:
        yield
    except ClientError as error:
        if "No updates are to be performed" not in str(error):
            raise StartError(str(error)) from error


def _failures(cloudformation: CloudFormationClient, site: Site) -> str:
    """Say which resources failed, and why."""
    events = cloudformation.describe_stack_events(StackName=site.stack)["StackEvents"]
    failed = [one for one in events if one.get("ResourceStatus", "").endswith("FAILED")]
    return "; ".join(f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason')}" for one in failed)[:4000]


def admin_url(emulator: RunningEmulator, site: Site) -> str:
    """Return the URL of a deployed site's dashboard, below which its admin API is."""
    return f"{_address(emulator, site, 'admin')}/geo"


def pull_url(emulator: RunningEmulator, site: Site) -> str:
    """Return the URL of a deployed site's pull API, below which the emulator has `/v2/`."""
    return f"{_address(emulator, site, 'pull')}/pull"


def _address(emulator: RunningEmulator, site: Site, api: str) -> str:
    return f"{emulator.url}/_aws/execute-api/{_identifier(emulator, site, api)}"


def _identifier(emulator: RunningEmulator, site: Site, api: str) -> str:
    gateway = emulator.client("apigateway", site.region)
    (found,) = [one["id"] for one in gateway.get_rest_apis()["items"] if one["name"] == f"{site.stack}-{api}"]
    identifier: str = found
    return identifier


def change(emulator: RunningEmulator, site: Site, parameters: Mapping[str, str]) -> dict[str, str]:
    """Change parameters of a deployed site, with the template that it has, and return its outputs; no call for none."""
    before = previous_parameters(emulator, site)
    if any(before.get(name) != value for name, value in parameters.items()):
        cloudformation: CloudFormationClient = emulator.client("cloudformation", site.region)
        given = {**before, **parameters}
        cloudformation.update_stack(
            StackName=site.stack,
            UsePreviousTemplate=True,
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],  # the transform is run anew
        )
        waiter = cloudformation.get_waiter("stack_update_complete")
        waiter.wait(StackName=site.stack, WaiterConfig={"Delay": 0.2, "MaxAttempts": 300})  # type: ignore[typeddict-item]
        _answer_denials(emulator, site)
    return outputs(emulator, site)


def outputs(emulator: RunningEmulator, site: Site) -> dict[str, str]:
    """Return the outputs of a site's stack."""
    cloudformation: CloudFormationClient = emulator.client("cloudformation", site.region)
    stack = cloudformation.describe_stacks(StackName=site.stack)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def previous_parameters(emulator: RunningEmulator, site: Site) -> dict[str, str]:
    """Return the parameters that a site's stack was deployed with."""
    cloudformation: CloudFormationClient = emulator.client("cloudformation", site.region)
    stack = cloudformation.describe_stacks(StackName=site.stack)["Stacks"][0]
    given = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    return {name: value for name, value in given.items() if value}


def _machine() -> dict[str, str]:
    """Return the parameters that say what functions run on here: the emulator's interpreter, on this processor.

    Differs: runtime.
    """
    command = [str(EMULATOR_PYTHON), "-c", "import sys; print('python%d.%d' % sys.version_info[:2])"]
    version = subprocess.run(command, capture_output=True, text=True, check=True, env=plain_environment())
    architecture = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
    return {"Runtime": version.stdout.strip(), "Architecture": architecture}


def _artifacts(emulator: RunningEmulator, site: Site) -> str:
    """Return the bucket for what is deployed, in the site's region as AWS wants it. Making it again is nothing."""
    s3: S3Client = emulator.client("s3", site.region)
    bucket = f"artifacts-{site.name}"
    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        region: Any = site.region
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": region})
    return bucket


def _answer_denials(emulator: RunningEmulator, site: Site) -> None:
    """Give the pull API its answer to who is denied, as the template has it.

    The emulator leaves the gateway's responses in an API's definition out; AWS deploys them with it. Differs:
    gateway-responses.
    """
    challenge = outputs(emulator, site).get("ReadsChallenge")
    if challenge is None:
        return
    gateway = emulator.client("apigateway", site.region)
    identifier = _identifier(emulator, site, "pull")
    gateway.put_gateway_response(
        restApiId=identifier,
        responseType="ACCESS_DENIED",
        statusCode="401",
        responseParameters={
            "gatewayresponse.header.WWW-Authenticate": f"'{challenge}'",
            "gatewayresponse.header.Docker-Distribution-Api-Version": "'registry/2.0'",
        },
        responseTemplates={"application/json": _DENIED},
    )
    gateway.create_deployment(restApiId=identifier, stageName="pull")


def _sam_environment(folder: Path, **more: str) -> dict[str, str]:
    """Return the environment of a SAM CLI that keeps no settings in the user's home and sends no telemetry."""
    temporary = folder / "sam" / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    settings = {
        "SAM_CLI_TELEMETRY": "0",
        "__SAM_CLI_APP_DIR": str(folder / "sam"),
        # It leaves the folders that it unpacks into behind.
        "TMPDIR": str(temporary),
    }
    return plain_environment(AWS_DEFAULT_REGION="eu-west-1") | settings | more


def _sam(arguments: list[str], environment: Mapping[str, str]) -> None:
    if not SAM.exists():
        raise StartError(f"{SAM} is missing: make setup")
    done = subprocess.run(
        [str(SAM), *arguments],
        env=dict(environment),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise StartError(f"sam {arguments[0]} ended with {done.returncode}:\n{done.stdout[-4000:]}")
