"""The two registries of a run: Amazon ECR in the account itself, or two that are given by URL.

What differs is who makes a repository, who tells the site of a push (EventBridge does for ECR; for a registry that is
given, which knows nothing of the throw-away site, the run posts what the registry would), and what is removed after.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

import requests

from geosync.cli.site import StackSite
from geosync.cli.smoke.names import PRIMARY, SECONDARY, SIDES, TAG, Side, SmokePlace
from geosync.cli.smoke.steps import NotSeen
from geosync.clock import moment
from geosync.errors import NotFound, Refused
from geosync.oci.deadline import Deadline
from geosync.oci.repository import Repository
from geosync.registries.opening import open_registry
from geosync.registries.registry import Registry

REQUESTS_S = 120.0
"""For what is done at a registry at one time."""
POST_S = 20.0
_MEDIA_TYPE = "application/vnd.docker.distribution.events.v1+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """A push or a delete at a registry, as its notification has it. A delete of a tag names no digest."""

    action: str
    repository: str
    tag: str
    digest: str | None = None
    media_type: str | None = None


class SmokeRegistries(Protocol):
    """The registries of both sides."""

    @property
    def words(self) -> str:
        """Both, for people."""

    @property
    def looked_at(self) -> str:
        """The places where things of the run are looked for, for people."""

    @property
    def are_one(self) -> bool:
        """True where both sides are the same registry: the copies then have another name."""

    def make(self) -> None:
        """Make what the registries need before there are sites."""

    def parameters(self, side: Side) -> dict[str, str]:
        """The parameters of a site that say where its registries are."""

    def open(self, side: Side) -> Registry:
        """Open the registry of a side, to push to it and to read it."""

    def announce(self, site: StackSite, happening: Happening) -> None:
        """Tell the site what happened at its registry, unless somebody does anyway."""

    def images_left(self, place: SmokePlace, side: Side) -> Iterator[str]:
        """Yield the repositories of the run that have images at the registry of a side, unless AWS removes them."""

    def remove_images(self, side: Side, repository: str) -> None:
        """Remove the images of such a repository."""


@contextmanager
def opened(registries: SmokeRegistries, side: Side, repository: str) -> Iterator[Repository]:
    """Open a repository at one side."""
    with closing(registries.open(side)) as registry:
        yield Repository(registry, repository)


def delete_tag(repository: Repository, tag: str, digest: str) -> None:
    """Delete a tag, or its digest where the registry takes no tag (Distribution 2.8)."""
    try:
        repository.delete_manifest(tag)
    except Refused:
        repository.delete_manifest(digest)


@dataclass(slots=True)
class EcrRegistries:
    """Amazon ECR in the account, in the sites' regions. Repositories are made by the first push, with the tag."""

    place: SmokePlace
    urls: dict[Side, str] = field(default_factory=dict)
    secret_arn: str = ""

    @property
    def words(self) -> str:
        """Both, for people."""
        return f"Amazon ECR in {' and '.join(self.place.distinct_regions)}"

    @property
    def looked_at(self) -> str:
        """The regions. Nobody can tell from them whether a run was given registries of its own."""
        return f"{' and '.join(self.place.distinct_regions)}; no registry but Amazon ECR was looked at"

    @property
    def are_one(self) -> bool:
        """True within one region."""
        return len(self.place.distinct_regions) == 1

    def make(self) -> None:
        """Ask ECR for the registries' addresses, and make the secret by which functions/sync tags repositories."""
        for side in SIDES:
            ecr = self.place.client("ecr", self.place.regions[side])
            self.urls[side] = ecr.get_authorization_token()["authorizationData"][0]["proxyEndpoint"]
        secrets = self.place.client("secretsmanager", self.place.regions[SECONDARY])
        self.secret_arn = secrets.create_secret(
            Name=self.place.names.secret, SecretString=self._access(), Tags=self.place.names.tags
        )["ARN"]

    def parameters(self, side: Side) -> dict[str, str]:
        """The parameters of a site that say where its registries are."""
        found = {"LocalRegistryUrl": self.urls[side], "NotificationSource": "ecr"}
        if side == SECONDARY:
            found |= {"LocalRegistrySecretArn": self.secret_arn, "PrimaryRegistryUrl": self.urls[PRIMARY]}
        return found

    def open(self, side: Side) -> Registry:
        """Open the registry of a side with the caller's own permissions."""
        deadline = Deadline(self.place.clock)
        deadline.set(REQUESTS_S)
        return open_registry(self.urls[side], self._access(), deadline=deadline, writes=True)

    def announce(self, site: StackSite, happening: Happening) -> None:
        """EventBridge does."""

    def images_left(self, place: SmokePlace, side: Side) -> Iterator[str]:  # noqa: ARG002 - the protocol's
        """Nothing: a repository goes with its images."""
        yield from ()

    def remove_images(self, side: Side, repository: str) -> None:
        """Nothing to do."""

    def _access(self) -> str:
        return json.dumps({"type": "ecr", "repository_tags": {TAG: self.place.names.id}})


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenRegistry:
    """A registry by its URL, and the ARN of the secret for it in the secondary's region; "": it asks for nothing."""

    url: str
    secret_arn: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenRegistries:
    """Two registries that somebody gives. The run posts their notifications in their name, with the site's token."""

    place: SmokePlace
    given: Mapping[Side, GivenRegistry]

    @property
    def words(self) -> str:
        """Both, for people."""
        return " and ".join(self.given[side].url for side in SIDES)

    @property
    def looked_at(self) -> str:
        """The regions and both registries."""
        return f"{' and '.join(self.place.distinct_regions)}, and at {self.words}"

    @property
    def are_one(self) -> bool:
        """True where both URLs are the same."""
        return self.given[PRIMARY].url.rstrip("/") == self.given[SECONDARY].url.rstrip("/")

    def make(self) -> None:
        """See that both answer. Raises RegistryError."""
        for side in SIDES:
            with closing(self.open(side)) as registry:
                registry.ping()

    def parameters(self, side: Side) -> dict[str, str]:
        """The parameters of a site that say where its registries are."""
        found = {"LocalRegistryUrl": self.given[side].url}
        if side == SECONDARY:
            found |= {
                "LocalRegistrySecretArn": self.given[side].secret_arn,
                "PrimaryRegistryUrl": self.given[PRIMARY].url,
                "PrimaryRegistrySecretArn": self.given[PRIMARY].secret_arn,
            }
        return found

    def open(self, side: Side) -> Registry:
        """Open the registry of a side with the credentials in its secret."""
        given, secret = self.given[side], None
        if given.secret_arn:
            secrets = self.place.client("secretsmanager", self.place.regions[SECONDARY])
            secret = secrets.get_secret_value(SecretId=given.secret_arn).get("SecretString") or ""
        deadline = Deadline(self.place.clock)
        deadline.set(REQUESTS_S)
        return open_registry(given.url, secret, deadline=deadline, writes=True)

    def announce(self, site: StackSite, happening: Happening) -> None:
        """Post the notification that the registry would. Raises NotSeen where the site does not take it."""
        url = site.outputs["NotificationsUrl"]
        token = site.token("NotificationTokenSecretArn")
        headers = {"Authorization": token.decode("ascii"), "Content-Type": _MEDIA_TYPE}
        with requests.Session() as session:
            session.trust_env = False  # no .netrc: it would send an Authorization of its own
            try:
                answer = session.post(
                    url, data=_envelope(happening, site), headers=headers, timeout=POST_S, allow_redirects=False
                )
            except requests.RequestException as error:
                raise NotSeen(f"{url} does not answer: {type(error).__name__}") from None
        if answer.status_code != 200:
            raise NotSeen(f"{url} answered the notification of the {happening.action} with {answer.status_code}")

    def images_left(self, place: SmokePlace, side: Side) -> Iterator[str]:
        """Yield the run's repository at a side, if it has a tag."""
        names = place.names
        copied = side == SECONDARY and self.are_one
        repository = f"{names.copies}/{names.repository}" if copied else names.repository
        with opened(self, side, repository) as there, suppress(NotFound):
            if any(there.tags()):
                yield repository

    def remove_images(self, side: Side, repository: str) -> None:
        """Delete each tag's digest. The repository's name and the bytes stay until the registry collects garbage."""
        with opened(self, side, repository) as there:
            for tag in [tag for page in there.tags() for tag in page]:
                found = there.head_manifest(tag)
                if found is not None:
                    there.delete_manifest(found.digest)


def _envelope(happening: Happening, site: StackSite) -> bytes:
    """The body of a notification, as CNCF Distribution writes it."""
    target = {
        "repository": happening.repository,
        "tag": happening.tag,
        **({"digest": happening.digest} if happening.digest else {}),
        **({"mediaType": happening.media_type} if happening.media_type else {}),
    }
    event = {
        "id": str(uuid.uuid4()),
        "timestamp": moment(site.clock.now_ms()),
        "action": happening.action,
        "target": target,
        "request": {"id": str(uuid.uuid4()), "method": "PUT" if happening.action == "push" else "DELETE"},
    }
    return json.dumps({"events": [event]}).encode()
