"""The answers to `geosync init`: which registries, where. It keeps them in geosync-init.json, without credentials."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from geosync.aws.regions import partition_of
from geosync.errors import ConfigurationError
from geosync.oci.references import is_repository
from geosync.operating.sites import NAME
from geosync.registries import vendors
from geosync.registries.secrets import RegistrySecret

Kind = Literal["distribution", "gitlab", "ecr", "acr", "gar", "ghcr", "harbor", "quay", "zot"]
KINDS: tuple[Kind, ...] = get_args(Kind)
_VENDORS = {"gitlab": "gitlab", "ecr": "ecr", "acr": "acr", "gar": "gar", "ghcr": "ghcr"}
"""The template's vendor for a kind of registry; the others are found by their host."""
_SOURCES = {"gitlab": "distribution"}
"""The template's NotificationSource where it has another name."""
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?", re.ASCII)
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]", re.ASCII)
_ACCOUNT = re.compile(r"[a-z0-9-]+@[a-z0-9.-]+[.]gserviceaccount[.]com", re.ASCII)
"""What the template's NotificationSender takes."""
TAKEN: Mapping[str, Callable[[str], bool]] = {
    "name": lambda text: NAME.fullmatch(text) is not None,
    "region": lambda text: _REGION.fullmatch(text) is not None,
    "registry": lambda text: _URL.fullmatch(text) is not None,
    "prefix": is_repository,
    "sender": lambda text: _ACCOUNT.fullmatch(text) is not None,
}
"""The answers for a site that are texts, and which of them are understood."""
_KEYS = frozenset(
    {"name", "region", "registry", "kind", "prefix", "sender", "local", "primary"}
    | {"has_local_secret", "has_primary_secret"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteAnswers:
    """One site. The credentials are documents as the registries' secrets are; None: the registry asks for none.

    `local` is for this site's registry, `primary` for the primary's as this site reads it. `prefix` begins each name in
    this site's registry; `sender` is the service account that Google's notifications are signed by.
    """

    name: str
    region: str
    registry: str
    kind: Kind
    prefix: str = ""
    sender: str = ""
    local: Mapping[str, Any] | None = field(default=None, repr=False)
    primary: Mapping[str, Any] | None = field(default=None, repr=False)
    has_local_secret: bool = False
    has_primary_secret: bool = False

    @property
    def stack(self) -> str:
        """The name of its stack."""
        return f"geosync-{self.name}"

    @property
    def vendor(self) -> str:
        """The value of LocalRegistryVendor here, and of PrimaryRegistryVendor at those who follow."""
        return _VENDORS.get(self.kind, vendors.AUTO)

    @property
    def source(self) -> str:
        """The value of NotificationSource."""
        return _SOURCES.get(self.kind, self.kind)

    def kept(self) -> dict[str, Any]:
        """Return the answers as they are written down: without credentials, only that there are some."""
        return {
            "name": self.name,
            "region": self.region,
            "registry": self.registry,
            "kind": self.kind,
            "prefix": self.prefix,
            "sender": self.sender,
            "has_local_secret": self.has_local_secret,
            "has_primary_secret": self.has_primary_secret,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """A primary and those who follow it. `is_told`: what its registry is told was written down already.

    Raises ConfigurationError for two sites of one name, for a primary alone, and for sites in several partitions.
    """

    primary: SiteAnswers
    secondaries: tuple[SiteAnswers, ...]
    is_told: bool = False

    def __post_init__(self) -> None:
        """Check what no site's own answers show."""
        if len({one.name for one in self.sites}) < len(self.sites):
            raise ConfigurationError("each site has a name of its own")
        if not self.secondaries:
            raise ConfigurationError("a primary without a secondary copies nothing: name one")
        apart = [one.region for one in self.sites if partition_of(one.region) != partition_of(self.primary.region)]
        if apart:
            text = f"{apart[0]} is in another partition than {self.primary.region}"
            raise ConfigurationError(f"{text}: SNS delivers nothing from one to another (docs/regions.md)")

    @property
    def sites(self) -> tuple[SiteAnswers, ...]:
        """All sites, the primary first."""
        return (self.primary, *self.secondaries)

    @classmethod
    def parse(cls, text: str) -> Answers:
        """Read a document of answers; raises one ConfigurationError that names what is wrong, and no credentials."""
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            raise ConfigurationError("the answers are not JSON") from None
        if not isinstance(document, dict) or not isinstance(document.get("secondaries"), list):
            raise ConfigurationError('the answers are {"primary": {…}, "secondaries": [{…}]}')
        primary = site_answers(document.get("primary"), None)
        return cls(
            primary=primary,
            secondaries=tuple(site_answers(one, primary) for one in document["secondaries"]),
            is_told=document.get("is_told") is True,
        )

    def kept(self) -> str:
        """The document of what is written down."""
        document = {
            "primary": self.primary.kept(),
            "secondaries": [one.kept() for one in self.secondaries],
            "is_told": self.is_told,
        }
        return json.dumps(document, indent=2) + "\n"


def _wrong(given: dict[str, Any], *, is_primary: bool) -> list[str]:
    """The names of what is not understood in the answers for one site."""
    is_needed = {"prefix": bool(given.get("prefix")), "sender": is_primary and given.get("kind") == "gar"}
    wrong = [name for name, takes in TAKEN.items() if is_needed.get(name, True) and not takes(str(given.get(name, "")))]
    return [*wrong, *(["kind"] if given.get("kind") not in KINDS else [])]


def site_answers(given: object, primary: SiteAnswers | None) -> SiteAnswers:
    """Check the answers for one site; `primary` is the one that it follows, None for the primary itself.

    Raises ConfigurationError.
    """
    if not isinstance(given, dict):
        raise ConfigurationError("a site is an object with name, region, registry and kind")
    unknown = sorted(given.keys() - _KEYS)
    if unknown:
        raise ConfigurationError(f"a site has no {', '.join(unknown)}")
    kind = given.get("kind")
    wrong = _wrong(given, is_primary=primary is None)
    if wrong or kind not in KINDS:
        raise ConfigurationError(f"not understood: {', '.join(wrong)} of the site {given.get('name')}")
    registry = str(given["registry"])
    local, of_primary = given.get("local"), given.get("primary")
    _check_secret(local, registry, _VENDORS.get(kind, vendors.AUTO))
    if primary is not None:
        _check_secret(of_primary, primary.registry, primary.vendor)
    elif local is not None or of_primary is not None:
        raise ConfigurationError("the primary's site reads no registry: it needs no credentials")
    return SiteAnswers(
        name=str(given["name"]),
        region=str(given["region"]),
        registry=registry,
        kind=kind,
        prefix=str(given.get("prefix", "")),
        sender=str(given.get("sender", "")),
        local=local,
        primary=of_primary,
        has_local_secret=local is not None or given.get("has_local_secret") is True,
        has_primary_secret=of_primary is not None or given.get("has_primary_secret") is True,
    )


def _check_secret(document: object, url: str, vendor: str) -> None:
    """Read credentials as the site will. Raises ConfigurationError, without a value of theirs."""
    if document is not None:
        RegistrySecret.parse(json.dumps(document), vendors.find(url, vendor).SECRETS)
