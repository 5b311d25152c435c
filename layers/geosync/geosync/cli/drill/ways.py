"""The registries of a drill: both to read, and the primary's once more for whoever may push the canary."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from geosync.cli.checks.registries import secret_of
from geosync.cli.selection import present
from geosync.cli.site import StackSite
from geosync.drilling.both import BothRegistries
from geosync.errors import ConfigurationError, DrillRefused, RegistryError
from geosync.oci.deadline import Deadline
from geosync.registries.opening import open_registry
from geosync.registries.registry import Registry
from geosync.registries.vendors import AUTO


@contextmanager
def both_registries(site: StackSite, deadline: Deadline) -> Iterator[BothRegistries]:
    """Open both registries to read them. Raises ConfigurationError, and DrillRefused where one does not answer."""
    if not site.parameters.get("PrimaryRegistryUrl"):
        raise ConfigurationError("PrimaryRegistryUrl is empty: a drill compares with the primary's registry")
    prefix = site.parameters.get("RepositoryPrefix", "")
    with _opened(site, "PrimaryRegistry", deadline) as primary, _opened(site, "LocalRegistry", deadline) as secondary:
        _must_answer(primary, "the primary is out, and this is no drill (geosync promote)")
        _must_answer(secondary, f"{site.name} could not be promoted now (geosync check)")
        yield BothRegistries(
            primary=primary,
            secondary=secondary,
            prefix=f"{prefix}/" if prefix else "",
            selection=present(site),
        )


@contextmanager
def pushing_registry(site: StackSite, deadline: Deadline, secret_arn: str | None) -> Iterator[Registry]:
    """Open the primary's registry to push; with the site's own secret for it where none is named."""
    with _opened(site, "PrimaryRegistry", deadline, secret_arn=secret_arn, writes=True) as registry:
        yield registry


@contextmanager
def _opened(
    site: StackSite, parameter: str, deadline: Deadline, *, secret_arn: str | None = None, writes: bool = False
) -> Iterator[Registry]:
    registry = open_registry(
        site.parameters[f"{parameter}Url"],
        secret_of(site, secret_arn or site.parameters.get(f"{parameter}SecretArn", "")),
        vendor=site.parameters.get(f"{parameter}Vendor", AUTO),
        deadline=deadline,
        writes=writes,
    )
    try:
        yield registry
    finally:
        registry.close()


def _must_answer(registry: Registry, otherwise: str) -> None:
    try:
        registry.ping()
    except RegistryError as error:
        text = f"no drill was begun: {error} (asked from here). If it is so from within the site, {otherwise}"
        raise DrillRefused(text) from error
