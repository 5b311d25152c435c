"""Reads botocore's description of AWS once for a process, not once for each session that a test makes."""

from __future__ import annotations

import botocore.session
from botocore.loaders import Loader, create_loader

_one: dict[str | None, tuple[Loader, list[str]]] = {}


def share() -> None:
    """Give every session of this process the same loader, which keeps what it has read."""
    botocore.session.create_loader = _shared


def _shared(search_path_string: str | None = None) -> Loader:
    if search_path_string not in _one:
        made = create_loader(search_path_string)
        _one[search_path_string] = made, list(made.search_paths)
    loader, paths = _one[search_path_string]
    loader.search_paths[:] = paths  # each session of boto3 adds its own folder once more
    return loader
