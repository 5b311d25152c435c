"""Both registries of a drill, to read them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from geosync.cli.registries import open_site_registry
from geosync.cli.selection import present
from geosync.cli.site import StackSite
from geosync.drilling.both import BothRegistries
from geosync.errors import ConfigurationError, DrillRefused, RegistryError
from geosync.oci.deadline import Deadline
from geosync.registries.registry import Registry


@contextmanager
def both_registries(site: StackSite, deadline: Deadline) -> Iterator[BothRegistries]:
    """Open both registries to read them. Raises ConfigurationError, and DrillRefused where one does not answer."""
    if not site.parameters.get("PrimaryRegistryUrl"):
        raise ConfigurationError("PrimaryRegistryUrl is empty: a drill compares with the primary's registry")
    prefix = site.parameters.get("RepositoryPrefix", "")
    with (
        closing(open_site_registry(site, "PrimaryRegistry", deadline)) as primary,
        closing(open_site_registry(site, "LocalRegistry", deadline)) as secondary,
    ):
        _must_answer(primary, "the primary is out, and this is no drill (geosync promote)")
        _must_answer(secondary, f"{site.name} could not be promoted now (geosync check)")
        yield BothRegistries(
            primary=primary,
            secondary=secondary,
            prefix=f"{prefix}/" if prefix else "",
            selection=present(site),
        )


def _must_answer(registry: Registry, otherwise: str) -> None:
    try:
        registry.ping()
    except RegistryError as error:
        text = f"no drill was begun: {error} (asked from here). If it is so from within the site, {otherwise}"
        raise DrillRefused(text) from error
