"""The registries: whether they answer, and accept the credentials in their secrets. Nothing is written to them."""

from __future__ import annotations

from collections.abc import Iterator

from geosync.cli.checks.findings import CheckFinding, Name, ok, problem, skipped
from geosync.cli.registries import SECONDS, open_site_registry
from geosync.cli.site import StackSite
from geosync.errors import ConfigurationError, Denied, NotFound, RegistryError, RegistryUnavailable, Unauthorized
from geosync.oci.credentials import Anonymous, Borrowed, RegistryKey
from geosync.oci.deadline import Deadline
from geosync.oci.references import is_repository
from geosync.registries.registry import Registry


def look(site: StackSite, repository: str | None = None) -> Iterator[CheckFinding]:
    """Ask this site's registry and, at a secondary, the primary's for /v2/, and for `repository` if one is named.

    `repository` is its name at the primary.
    """
    prefix = site.parameters.get("RepositoryPrefix", "")
    local = f"{prefix}/{repository}" if prefix and repository else repository
    yield from _look(site, "local_registry", "LocalRegistry", local, writes=True)
    if site.is_primary:
        return
    if not site.parameters.get("PrimaryRegistryUrl"):
        fix = "deploy with the URL under which this site reaches the primary's registry"
        yield problem("primary_registry", "PrimaryRegistryUrl is empty", fix)
        return
    yield from _look(site, "primary_registry", "PrimaryRegistry", repository, writes=False)


def _look(
    site: StackSite, name: Name, parameter: str, repository: str | None, *, writes: bool
) -> Iterator[CheckFinding]:
    deadline = Deadline()
    deadline.set(SECONDS)
    try:
        client = open_site_registry(site, parameter, deadline, writes=writes)
    except ConfigurationError as error:
        yield problem(
            name, str(error), f"correct the secret named by {parameter}SecretArn; docs/registries.md shows its forms"
        )
        return
    try:
        client.ping()
        checked = "GET /v2/"
        if repository is not None and is_repository(repository):
            checked += f", {_tags(client, repository)}"
    except RegistryError as error:
        yield _refusal(client, name, parameter, error)
    else:
        means = {Anonymous: "without credentials", RegistryKey: "with a token of the key"}
        url = site.parameters[f"{parameter}Url"]
        yield ok(name, f"{url} lets us in {means.get(type(client.credentials), 'with the account')} ({checked})")
        if writes and not site.is_primary:
            yield from _mounting(client, name)
    finally:
        client.close()


def _mounting(client: Registry, name: Name) -> Iterator[CheckFinding]:
    """The finding that a setting keeps the registry from mounting blobs: that costs bytes, and is no problem."""
    try:
        advice = client.mounting_advice()
    except RegistryError as error:
        yield skipped(name, str(error), "allow this command the action, if you want to know")
        return
    if advice is not None:
        text = f"{client.LABEL} does not mount a layer from another repository: each repository gets its own copy"
        yield CheckFinding(name=name, result="ok", text=text, fix=advice)


def _refusal(client: Registry, name: Name, parameter: str, error: RegistryError) -> CheckFinding:
    """The finding that a registry refuses, or does not answer."""
    match error:
        case Denied():
            fix = "give the account what the finding names; docs/registries.md lists it per vendor"
        case Unauthorized():
            fix = _credentials_fix(client, parameter)
        case RegistryUnavailable():
            fix = f"check {parameter}Url; a registry in a private network must be checked from inside it"
            return problem(name, f"{error} (asked from here)", fix)
        case _:
            fix = f"check {parameter}Url, and the name of the repository"
    return problem(name, str(error), fix)


def _tags(client: Registry, repository: str) -> str:
    """Ask for the first page of tags; a registry that knows no such repository has let us in as well."""
    try:
        next(client.tags(repository), [])
    except NotFound:
        return f"it has no repository {repository}"
    return f"the tags of {repository}"


def _credentials_fix(client: Registry, parameter: str) -> str:
    match client.credentials:
        case Anonymous():
            return f"the registry asks for credentials: make a secret and deploy with {parameter}SecretArn"
        case RegistryKey(issuer=issuer):
            return (
                f"the registry does not trust the key or the issuer {issuer!r}: its auth.token.issuer must be that, "
                "and its rootcertbundle hold the key's certificate. Its log says which: token from untrusted issuer, "
                "token signed by untrusted key, token intended for another audience (its service)"
            )
        case Borrowed():
            return (
                f"the temporary credentials for {parameter}Url are not accepted: docs/registries.md says what "
                f"{client.LABEL} asks for"
            )
        case _:
            return f"correct username and password in the secret named by {parameter}SecretArn"
