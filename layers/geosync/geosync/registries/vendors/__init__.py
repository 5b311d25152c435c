"""The vendors, one module each. A registry is known by its host, or a setting names its vendor; else it is plain.

Adding one: a module with a subclass of Registry, its line in VENDORS, its name among the values of the template's
LocalRegistryVendor and PrimaryRegistryVendor, its tests and its section in docs/registries.md.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from geosync.errors import ConfigurationError
from geosync.registries.registry import Registry
from geosync.registries.vendors.acr import Acr
from geosync.registries.vendors.ecr import Ecr
from geosync.registries.vendors.gar import Gar
from geosync.registries.vendors.ghcr import Ghcr
from geosync.registries.vendors.gitlab import GitLab

AUTO = "auto"
VENDORS: tuple[type[Registry], ...] = (Registry, Acr, Ecr, Gar, Ghcr, GitLab)
NAMES = tuple(vendor.NAME for vendor in VENDORS)


def find(url: str, name: str = AUTO) -> type[Registry]:
    """Return the vendor called `name`, or (auto) the one that recognises the URL's host, else the plain one.

    Raises ConfigurationError for an unknown name.
    """
    if name == AUTO:
        host = (urlsplit(url).hostname or "").lower()
        return next((vendor for vendor in VENDORS if vendor.recognises(host)), Registry)
    for vendor in VENDORS:
        if name == vendor.NAME:
            return vendor
    raise ConfigurationError(f"the registry's vendor must be one of {', '.join((AUTO, *NAMES))}")
