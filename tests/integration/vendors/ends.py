"""A way to each vendor's double and a way back, made once for all tests of a module."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import dataclass

import pytest
from tests.integration.conftest import Place
from tests.integration.secondary import Secondary
from tests.support.images import ImageMaker
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
from geosync.registries.vendors import find

DOUBLES: dict[str, type[VendorDouble]] = {
    "plain": Distribution3,
    "ecr": EcrDouble,
    "acr": AcrDouble,
    "gar": GarDouble,
    "ghcr": GhcrDouble,
    "gitlab": GitLabDouble,
}
_numbers = itertools.count(1)


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
