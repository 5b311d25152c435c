"""Every vendor against a plain registry, in both directions, with every format: copied, or unsupported and said so.

What is known of each vendor's rules is in its double, which fails the test when one is broken.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from tests.integration.conftest import Place
from tests.integration.secondary import Secondary, pushed
from tests.integration.vendors.world import settle
from tests.support.images import ImageMaker, Made
from tests.support.vendors.acr import AcrDouble
from tests.support.vendors.distribution3 import Distribution3
from tests.support.vendors.double import VendorDouble
from tests.support.vendors.ecr import ACCOUNT, REGION, EcrDouble, Repository
from tests.support.vendors.gar import GarDouble
from tests.support.vendors.ghcr import GhcrDouble
from tests.support.vendors.gitlab import GitLabDouble
from tests.support.vendors.tokens import TokenDouble

from geosync.oci.credentials import Anonymous
from geosync.registries.registry import Registry
from geosync.registries.secrets import RegistrySecret
from geosync.registries.vendors import VENDORS, find

DOUBLES: dict[str, type[VendorDouble]] = {
    "plain": Distribution3,
    "ecr": EcrDouble,
    "acr": AcrDouble,
    "gar": GarDouble,
    "ghcr": GhcrDouble,
    "gitlab": GitLabDouble,
}
FORMATS: dict[str, Callable[[ImageMaker, str], list[Made]]] = {
    "image": lambda make, repository: [make.image(repository, "v1")],
    "index": lambda make, repository: [make.index(repository, "v1", share=True)],
    "cache-a": lambda make, repository: [make.buildkit_cache(repository, "v1", form="A")],
    "cache-b": lambda make, repository: [make.buildkit_cache(repository, "v1", form="B")],
    "artifact": lambda make, repository: with_referrer(make, make.artifact(repository, "v1")),
    "schema1": lambda make, repository: [make.schema1(repository, "v1")],
}
#: What a vendor does not take, and what is said of it then. Everything else is copied, either way.
UNSUPPORTED = {
    ("plain", "schema1"): "most registries no longer take Docker schema 1",  # Distribution 3
    ("ecr", "cache-a"): "Amazon ECR takes no index of blobs",
    ("gitlab", "artifact"): "add it to the media types",
    ("gitlab", "schema1"): "GitLab's registry takes no schema 1 manifests",
}
#: From a vendor comes only what it takes.
CASES = [
    (vendor, direction, form)
    for vendor, direction, form in itertools.product(DOUBLES, ("to", "from"), FORMATS)
    if direction == "to" or (vendor, form) not in UNSUPPORTED
]
_numbers = itertools.count(1)


def with_referrer(make: ImageMaker, subject: Made) -> list[Made]:
    """A subject and its referrer, with the fallback tag that a client pushes where there is no referrers API."""
    referrer = make.artifact(subject.repository, subject=subject, artifact_type="application/vnd.example.sig")
    return [subject, referrer, make.fallback_tag(subject.repository, subject, [referrer])]


@dataclass(kw_only=True)
class Ends:
    """A vendor's double, a secondary there of the plain registry, and a plain secondary of it."""

    double: VendorDouble
    to: Secondary
    back: Secondary
    plain: ImageMaker
    vendor: ImageMaker
    """What pushes at the vendor's: to the registry behind the double, where the double keeps no tags of its own."""

    def repository(self) -> str:
        name = f"my-project/geo/matrix-{next(_numbers)}"
        if isinstance(self.double, EcrDouble):
            self.double.repositories[name] = Repository(request={})
        return name


class AllEnds:
    """The vendors' ends, each made when it is first asked for."""

    def __init__(self, plain: Place, behind: Place) -> None:
        self._plain = plain
        self._behind = behind
        self._environment = pytest.MonkeyPatch()
        self._made: dict[str, Ends] = {}

    def of(self, name: str) -> Ends:
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def _make(self, name: str) -> Ends:
        double = DOUBLES[name](self._behind.url)
        behind = self._behind.maker(seed=time.time_ns())
        secret = json.dumps({"type": "anonymous"})
        if isinstance(double, EcrDouble):
            for key, value in (("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")):
                self._environment.setenv(key, value)
            self._environment.setenv("AWS_ENDPOINT_URL_ECR", double.url)
            secret = json.dumps({"type": "ecr", "account": ACCOUNT, "region": REGION})
            behind = ImageMaker(double.url, seed=time.time_ns(), username="AWS", password=double.password())
        elif isinstance(double, TokenDouble):
            secret = double.secret
        else:
            behind = ImageMaker(double.url, seed=time.time_ns())
        kind = find("", name)
        access = RegistrySecret.parse(secret, kind.SECRETS).credentials
        to = Secondary(self._plain, double, vendors=(Registry, kind), accesses=(Anonymous(), access), probing=True)
        back = Secondary(double, self._plain, vendors=(kind, Registry), accesses=(access, Anonymous()))
        plain = self._plain.maker(seed=time.time_ns())
        return Ends(double=double, to=to, back=back, plain=plain, vendor=behind)

    def close(self) -> None:
        for ends in self._made.values():
            for one in (ends.to, ends.back, ends.plain, ends.vendor, ends.double):
                one.close()
        self._environment.undo()


@pytest.fixture(scope="module")
def all_ends(plain_registry: Place, second_registry: Place) -> Iterator[AllEnds]:
    made = AllEnds(plain_registry, second_registry)
    yield made
    made.close()


def test_every_vendor_is_in_the_matrix() -> None:
    assert set(DOUBLES) == {vendor.NAME for vendor in VENDORS}


@pytest.mark.parametrize(("vendor", "direction", "form"), CASES, ids=["-".join(case) for case in CASES])
def test_a_format_is_copied_or_said_to_be_unsupported(
    all_ends: AllEnds, vendor: str, direction: str, form: str
) -> None:
    ends = all_ends.of(vendor)
    repository = ends.repository()
    secondary, make = (ends.to, ends.plain) if direction == "to" else (ends.back, ends.vendor)
    made = FORMATS[form](make, repository)

    secondary.receive(*(pushed(one) for one in made))
    settle(secondary, repository)

    said = UNSUPPORTED.get((vendor, form)) if direction == "to" else None
    if said is None:
        assert secondary.owed(repository) == []
        assert all(digest(secondary, one) == one.digest for one in made)
        if form == "artifact":
            assert refers(secondary, made[0]) == {made[1].digest}
    else:
        assert {owed.reference.value for owed in secondary.owed(repository)} == {one.reference for one in made}
        for owed in secondary.owed(repository):
            assert owed.parked
            assert said in (owed.failure or "")
        assert len(secondary.dlq.messages) == len(made)
        secondary.dlq.messages.clear()
    assert ends.double.broken == []


def digest(secondary: Secondary, made: Made) -> str | None:
    there = secondary.registries.secondary.head_manifest(made.repository, made.reference)
    return there.digest if there is not None else None


def refers(secondary: Secondary, subject: Made) -> set[str]:
    """What refers to `subject` at the secondary: by its API, or in the fallback tag."""
    registry = secondary.registries.secondary
    listed = registry.referrers(subject.repository, subject.digest)
    if listed is None:
        index = registry.get_manifest(subject.repository, subject.digest.replace(":", "-"))
        assert index is not None
        listed = list(index.children)
    return {one.digest for one in listed}
