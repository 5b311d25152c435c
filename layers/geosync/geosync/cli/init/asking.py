"""The questions of `geosync init`: what matters and has no default. Credentials are not shown while they are typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from geosync.cli.init.answers import KINDS, Answers, SiteAnswers, site_answers
from geosync.errors import ConfigurationError

_KEY_FILE = "The key file of the service account, or the file of create-cred-config"


def ask() -> Answers:
    """Ask for the primary and its secondaries. Raises ConfigurationError, click.Abort."""
    click.echo("The primary: the site whose registry is pushed to.")
    asked = _site()
    if asked["kind"] == "gar":
        asked["sender"] = click.prompt("  The service account that Pub/Sub is to sign with")
    primary = site_answers(asked, None)
    secondaries: list[SiteAnswers] = []
    while not secondaries or click.confirm("Another secondary?", default=False):
        click.echo("A secondary: a site whose registry is to have everything too.")
        given = _site(asks_for_prefix=True)
        click.echo(f"What this site reads {primary.registry} with:")
        given["primary"] = _credentials(primary.kind)
        click.echo(f"What this site writes to {given['registry']} with:")
        given["local"] = _credentials(given["kind"])
        secondaries.append(site_answers(given, primary))
    return Answers(primary=primary, secondaries=tuple(secondaries))


def _site(*, asks_for_prefix: bool = False) -> dict[str, Any]:
    kind = click.prompt("  Kind of registry", type=click.Choice(KINDS), default="distribution")
    found = {
        "kind": kind,
        "registry": click.prompt("  Its URL, such as https://registry.example.com").rstrip("/"),
        "name": click.prompt("  The site's name, such as dublin"),
        "region": click.prompt("  The site's AWS region, such as eu-west-1"),
    }
    if asks_for_prefix and kind in {"gar", "ghcr"}:  # a first part of every name that has to be there
        found["prefix"] = click.prompt("  Below which project and repository, or account").strip("/")
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
