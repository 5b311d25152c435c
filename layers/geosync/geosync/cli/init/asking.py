"""The questions of `geosync init`: what matters and has no default. Credentials are not shown while they are typed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from geosync.aws.regions import partition_of
from geosync.cli.init.answers import KINDS, TAKEN, Answers, SiteAnswers, site_answers
from geosync.errors import ConfigurationError

_QUESTIONS = {
    "registry": ("Its URL, such as https://registry.example.com", "https://host or https://host:port"),
    "name": ("The site's name, such as dublin", "at most 32 lower-case letters, digits and dashes, a letter first"),
    "region": ("The site's AWS region, such as eu-west-1", "a region of AWS"),
    "prefix": ("Below which project and repository, or account", "the first part of a repository's name"),
    "sender": ("The service account that Pub/Sub is to sign with", "name@project.iam.gserviceaccount.com"),
}
"""The questions for texts, and what is said of an answer that is not understood."""
_KEY_FILE = "The key file of the service account, or the file of create-cred-config"


def ask() -> Answers:
    """Ask for the primary and its secondaries. Raises ConfigurationError, click.Abort."""
    click.echo("The primary: the site whose registry is pushed to.")
    asked = _site()
    if asked["kind"] == "gar":
        asked["sender"] = _answer("sender")
    primary = site_answers(asked, None)
    secondaries: list[SiteAnswers] = []
    while not secondaries or click.confirm("Another secondary?", default=False):
        click.echo("A secondary: a site whose registry is to have everything too.")
        given = _site(others=(primary, *secondaries))
        click.echo(f"What this site reads {primary.registry} with:")
        given["primary"] = _credentials(primary.kind)
        click.echo(f"What this site writes to {given['registry']} with:")
        given["local"] = _credentials(given["kind"])
        secondaries.append(site_answers(given, primary))
    return Answers(primary=primary, secondaries=tuple(secondaries))


def _site(others: Sequence[SiteAnswers] = ()) -> dict[str, Any]:
    """Ask for a site; `others` are those that were named before, the primary first."""
    kind = click.prompt("  Kind of registry", type=click.Choice(KINDS), default="distribution")
    found = {
        "kind": kind,
        "registry": _answer("registry"),
        "name": _answer("name", others),
        "region": _answer("region", others),
    }
    if others and kind in {"gar", "ghcr"}:  # a first part of every name that has to be there
        found["prefix"] = _answer("prefix")
    return found


def _answer(name: str, others: Sequence[SiteAnswers] = ()) -> str:
    """Ask for a text until it is one that is understood: what was typed before is not lost by one that is not."""
    question, form = _QUESTIONS[name]

    def read(text: str) -> str:
        given = text.strip().strip("/")
        if not TAKEN[name](given):
            raise click.BadParameter(f"it must be {form}")
        if name == "name" and given in {one.name for one in others}:
            raise click.BadParameter(f"{given} is another site's")
        if name == "region" and others and partition_of(given) != partition_of(others[0].region):
            raise click.BadParameter(f"SNS delivers nothing from {others[0].region} to {given}")
        return given

    found: str = click.prompt(f"  {question}", value_proc=read)
    return found


def _credentials(kind: str) -> dict[str, Any] | None:
    """Ask for the credentials of a kind of registry; None: it is read without any, or by the function's role."""
    if kind == "ecr":
        click.echo("  the function's own role, in the site's account")
        return None
    if kind == "gar":
        return _document(click.prompt(f"  {_KEY_FILE}", type=click.Path(exists=True, dir_okay=False, path_type=Path)))
    if kind == "acr":
        return {
            "type": "service_principal",
            "tenant": click.prompt("  Tenant of the service principal"),
            "client_id": click.prompt("  Its client id"),
            "client_secret": _secret("Its client secret"),
        }
    username = click.prompt("  User (empty: none is needed)", default="", show_default=False)
    if not username:
        return None
    if kind == "ghcr":
        owners = click.prompt("  Owners whose containers are listed", default=username)
        return {"type": "github", "username": username, "token": _secret("Token"), "owners": owners.split()}
    document: dict[str, Any] = {"type": "basic", "username": username, "password": _secret("Password")}
    if kind == "gitlab":
        document["realm_hosts"] = [click.prompt("  GitLab's own host, such as gitlab.example.com")]
    return document


def _secret(what: str) -> str:
    found: str = click.prompt(f"  {what}", hide_input=True)
    return found


def _document(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text())
    except (ValueError, OSError):
        found = None
    if not isinstance(found, dict):
        raise ConfigurationError(f"{file} is no JSON object")
    return found
