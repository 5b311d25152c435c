"""Two registries and a vendor's double in front of one of them: what the tests of Azure's, Google's, … share."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field

from tests.integration.conftest import Place
from tests.integration.secondary import Access, Secondary
from tests.support.images import ImageMaker
from tests.support.vendors.acr import AcrDouble
from tests.support.vendors.gar import GarDouble
from tests.support.vendors.ghcr import GhcrDouble
from tests.support.vendors.gitlab import GitLabDouble
from tests.support.vendors.tokens import TokenDouble

from geosync.clock import SYSTEM_CLOCK, Clock
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.registries.opening import open_registry
from geosync.registries.registry import Registry
from geosync.registries.secrets import RegistrySecret
from geosync.registries.vendors import find

DOUBLES: dict[str, type[TokenDouble]] = {
    "acr": AcrDouble,
    "gar": GarDouble,
    "ghcr": GhcrDouble,
    "gitlab": GitLabDouble,
}
MIB = 1024 * 1024


@dataclass(kw_only=True)
class World:
    """A plain registry, a vendor's double in front of another one, and what works with the two."""

    plain: Place
    behind: Place
    make: ImageMaker
    beside: ImageMaker
    stack: ExitStack = field(default_factory=ExitStack)

    def double(self, name: str, **behaviour: object) -> TokenDouble:
        """A double in front of `behind`, that checks its rules when the test ends."""
        return self.stack.enter_context(DOUBLES[name](self.behind.url, **behaviour))  # type: ignore[arg-type]

    def into(self, name: str, double: TokenDouble, secret: str | None = None) -> Secondary:
        """A secondary with the vendor's registry, which follows the plain one."""
        access = self.access(name, secret or double.secret)
        one = Secondary(
            self.plain, double, vendors=(Registry, find("", name)), accesses=(Anonymous(), access), probing=True
        )
        self.stack.callback(one.close)
        return one

    def out_of(self, name: str, double: TokenDouble, secret: str | None = None) -> Secondary:
        """A secondary with the plain registry, which follows the vendor's."""
        access = self.access(name, secret or double.secret)
        one = Secondary(double, self.plain, vendors=(find("", name), Registry), accesses=(access, Anonymous()))
        self.stack.callback(one.close)
        return one

    def open(
        self, name: str, double: TokenDouble, secret: str | None = None, *, clock: Clock = SYSTEM_CLOCK
    ) -> Registry:
        """Open the vendor's registry as the function does."""
        one = open_registry(double.url, secret or double.secret, vendor=name, deadline=Deadline(clock), writes=True)
        self.stack.callback(one.close)
        return one

    @staticmethod
    def access(name: str, secret: str) -> Access:
        return RegistrySecret.parse(secret, find("", name).SECRETS).credentials


def wait_for(secondary: Secondary, repository: str) -> None:
    """Sweep until nothing is owed in a repository."""
    secondary.sweep_until(lambda: not secondary.owed(repository))


def settle(secondary: Secondary, repository: str) -> None:
    """Sweep until nothing is owed in a repository but what has failed.

    Tests that say what one message comes to need it too: on a busy machine the short lease that they work with may run
    out, and the next holder goes on.
    """
    secondary.sweep_until(lambda: all(owed.failure for owed in secondary.owed(repository)))
