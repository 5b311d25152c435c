"""The steps from the answers to a site that replicates: each with its command, and what AWS shows of it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from botocore.exceptions import ClientError

from geosync.cli.init.answers import Answers, SiteAnswers
from geosync.cli.init.notices import has_token
from geosync.cli.site import AwsAccess, StackName, StackSite
from geosync.errors import ConfigurationError

State = Literal["done", "next", "later", "by hand"]
Which = Literal["local", "primary"]
_SECRETS: tuple[tuple[Which, str], ...] = (
    ("primary", "PrimaryRegistrySecretArn"),
    ("local", "LocalRegistrySecretArn"),
)
_NEVER_CREATED = ("ROLLBACK_", "CREATE_FAILED", "REVIEW_IN_PROGRESS")
"""How the states begin of a stack that was never created: `sam deploy` needs all parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InitStep:
    """One step; `command` does it, and is "" where it is not known yet, or nothing but a person can.

    `name` stays the same from run to run: a script knows the step by it.
    """

    name: str
    state: State
    text: str
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The sites as AWS has them: deployed stacks, ARNs of secrets by site and kind, and why a stack does not count.

    `created` names the sites whose stack was ever created, also those that are updated just now or whose update failed.
    None: AWS could not be looked at, so nothing is known.
    """

    stacks: Mapping[str, StackSite]
    created: frozenset[str] | None = None
    secrets: Mapping[tuple[str, Which], str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    def leader(self, answers: Answers) -> SiteAnswers:
        """The one deployed site that is a primary now, after a failover another than the answers say.

        That of the answers while none is deployed, or more than one.
        """
        primaries = [one for one in answers.sites if one.name in self.stacks and self.stacks[one.name].is_primary]
        return primaries[0] if len(primaries) == 1 else answers.primary

    def followers(self, answers: Answers) -> list[SiteAnswers]:
        """All sites but the leader: a former primary that is gone comes back as one of them."""
        leader = self.leader(answers)
        return [one for one in answers.sites if one is not leader]

    def known(self, answers: Answers) -> dict[str, dict[str, str]]:
        """The parameters that AWS decides, by site."""
        found: dict[str, dict[str, str]] = {site.name: {} for site in answers.sites}
        primary = self.stacks.get(self.leader(answers).name)
        for site in self.followers(answers):
            if primary is not None:
                found[site.name]["PrimaryTopicArn"] = primary.outputs["TopicArn"]
                if primary.takes_reports:
                    found[site.name]["PrimaryAdminUrl"] = primary.outputs["AdminUrl"]
            for which, parameter in _SECRETS:
                if (site.name, which) in self.secrets:
                    found[site.name][parameter] = self.secrets[site.name, which]
        return found


def look(answers: Answers, access: AwsAccess) -> Found:
    """Read the stacks and the secrets' names. Raises botocore's errors where AWS does not answer, or refuses."""
    stacks, created, reasons = {}, set(), {}
    for site in answers.sites:
        try:
            stack = StackSite.find(access, StackName(name=site.stack, region=site.region))
        except ConfigurationError as error:
            reasons[site.name] = str(error)
            continue
        if not stack.state.startswith(_NEVER_CREATED):
            created.add(site.name)
        if stack.state.endswith("_COMPLETE") and "ROLLBACK" not in stack.state.replace("UPDATE_ROLLBACK", ""):
            stacks[site.name] = stack
        else:
            reasons[site.name] = f"the stack {site.stack} is {stack.state}"
    found = Found(stacks=stacks, created=frozenset(created), reasons=reasons)
    secrets = {
        (site.name, which): arn
        for site in found.followers(answers)
        for which, _ in _SECRETS
        if (arn := _arn(access, site, which)) is not None
    }
    return replace(found, secrets=secrets)


def _arn(access: AwsAccess, site: SiteAnswers, which: Which) -> str | None:
    try:
        found = access.client("secretsmanager", site.region).describe_secret(SecretId=secret_name(site, which))
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return None
        raise
    arn: str = found["ARN"]
    return None if "DeletedDate" in found else arn


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandPlace:
    """Where the commands are run: the folder of the package, and a profile of the AWS configuration (None: none)."""

    folder: Path
    profile: str | None = None

    def has(self, file: Path) -> bool:
        """Return whether a file is in the folder, still or already."""
        return (self.folder / file).exists()

    def command(self, *words: object) -> str:
        """Return a command to be typed in the folder, with the profile."""
        profile = ["--profile", self.profile] if self.profile is not None else []
        return shlex.join([*(str(word) for word in words), *profile])


def secret_name(site: SiteAnswers, which: Which) -> str:
    """The name of a secret of a site's."""
    return f"geosync/{site.name}/{which}-registry"


def secret_file(site: SiteAnswers, which: Which) -> Path:
    """The file with the content of a secret, until it is in Secrets Manager."""
    return Path(f"{site.name}-{which}-registry.json")


def notice_file(site: SiteAnswers) -> Path:
    """The file with what a site's registry is told."""
    return Path(f"{site.name}-notifications.txt")


def steps(answers: Answers, seen: Found, place: CommandPlace) -> list[InitStep]:
    """All steps in their order: the first that is not done is next."""
    found = list(_steps(answers, seen, place))
    first = next((one for one in found if one.state == "later"), None)
    return [replace(one, state="next") if one is first else one for one in found]


def _steps(answers: Answers, seen: Found, place: CommandPlace) -> Iterator[InitStep]:
    leader = seen.leader(answers)
    yield _deployed(leader, seen, place, is_ready=True)
    if answers.primary.kind != "ecr":
        yield _told(answers, seen, place)
    for site in seen.followers(answers):
        wanted = _wanted(site, leader, answers, seen)
        registries: dict[Which, str] = {"primary": leader.registry, "local": site.registry}
        yield from (_secret(site, which, seen, place, registries[which]) for which in wanted)
        has_secrets = all((site.name, which) in seen.secrets for which in wanted)
        yield _deployed(site, seen, place, is_ready=has_secrets and leader.name in seen.stacks)
    for site in answers.sites:
        yield from _expected(leader, site, seen, place)


def _wanted(site: SiteAnswers, leader: SiteAnswers, answers: Answers, seen: Found) -> list[Which]:
    """The secrets that a site is deployed with.

    The answers have none for a primary, so one that comes back as a secondary wants both. Amazon ECR is read and
    written by the functions' own role.
    """
    if site is not answers.primary:
        has: dict[Which, bool] = {"primary": site.has_primary_secret, "local": site.has_local_secret}
    elif site.name in (seen.created or ()):
        has = {}  # its stack has what it was given
    else:
        has = {"primary": leader.kind != "ecr", "local": site.kind != "ecr"}
    return [which for which, is_there in has.items() if is_there]


def _told(answers: Answers, seen: Found, place: CommandPlace) -> InitStep:
    """Done once the operator has deleted the file, having done what it says."""
    primary, file = answers.primary, notice_file(answers.primary)
    name, text = f"notify/{primary.name}", f"tell {primary.registry} to post notifications"
    if answers.is_told and not place.has(file):
        return InitStep(name=name, state="done", text=f"{file} is deleted: {primary.registry} posts notifications")
    if primary.name not in seen.stacks:
        return InitStep(name=name, state="later", text=text)
    end = "it has the token, so delete it then" if has_token(primary) else "delete it then"
    return InitStep(name=name, state="by hand", text=f"{text}, as {file} says; {end}")


def _deployed(site: SiteAnswers, seen: Found, place: CommandPlace, *, is_ready: bool) -> InitStep:
    """`is_ready`: all that its parameters need is known."""
    name = f"deploy/{site.name}"
    if site.name in seen.stacks:
        return InitStep(name=name, state="done", text=f"{site.stack} is deployed in {site.region}")
    reason = seen.reasons.get(site.name, "not known")
    command = place.command("sam", "deploy", "--config-env", site.name) if is_ready else ""
    return InitStep(name=name, state="later", text=f"deploy {site.name} ({reason})", command=command)


def _secret(site: SiteAnswers, which: Which, seen: Found, place: CommandPlace, registry: str) -> InitStep:
    """Done once the secret is there and its file is not: a file that is there again has other credentials.

    Where neither is there, the credentials for the `registry` (its URL) were never asked for, or the file is lost.
    """
    name, file = secret_name(site, which), secret_file(site, which)
    step = f"secret/{site.name}/{which}-registry"
    is_there = (site.name, which) in seen.secrets
    if is_there and not place.has(file):
        return InitStep(name=step, state="done", text=f"the secret {name} is in {site.region}")
    action, option = ("put-secret-value", "--secret-id") if is_there else ("create-secret", "--name")
    text = f"put the credentials in {file} into Secrets Manager, and delete it"
    if not place.has(file):
        text = (
            f"write the credentials of {site.name} for {registry} into {file}, put them into Secrets Manager, and "
            f"delete it; if that registry asks for none, deploy {site.name} without"
        )
    words = ("--region", site.region, option, name, "--secret-string", f"file://{file}", "--query", "ARN")
    return InitStep(
        name=step,
        state="later",
        text=text,
        command=f"{place.command('aws', 'secretsmanager', action, *words)} && rm {file}",
    )


def _expected(primary: SiteAnswers, site: SiteAnswers, seen: Found, place: CommandPlace) -> Iterator[InitStep]:
    """A primary's dashboard shows what it is told to expect; nothing that is copied waits for it.

    Once a site is deployed, its stack says what it follows. A primary whose admin API is private expects nobody.
    """
    there, leads = seen.stacks.get(site.name), seen.stacks.get(primary.name)
    if there is None:
        if site is not primary and (leads is None or leads.takes_reports):
            yield _expecting(primary.name, site.name, "later")
        return
    leader = next((one for one in seen.stacks.values() if there.follows(one)), None)
    if leader is None or not leader.takes_reports:
        return
    if leader.sync_registry.sites.find(site.name) is not None:
        yield replace(_expecting(leader.name, site.name, "done"), text=f"{leader.name} expects reports of {site.name}")
        return
    command = place.command(
        *("geosync", "--stack", leader.stack, "--region", leader.region, "sites", "add", site.name),
        *(there.outputs["AdminUrl"], "--secondary", f"{there.stack}@{there.region}"),
    )
    yield replace(_expecting(leader.name, site.name, "by hand"), command=command)


def _expecting(primary: str, secondary: str, state: State) -> InitStep:
    text = f"have {primary} expect reports of {secondary}, so that its dashboard shows both"
    return InitStep(name=f"expect/{primary}/{secondary}", state=state, text=text)
