"""The user's contexts: sites by a short name, in a file of the user's own, and which of them is the current one.

The file is `geosync/config.json` in `$XDG_CONFIG_HOME` (default: `~/.config`), as the XDG Base Directory Specification
has it. It says where a site is and holds no secret: no key, no token. Only its user may read it all the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from geosync.cli.own_files import own_folder, write_private
from geosync.errors import ConfigurationError

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteContext:
    """Where a site is: a stack with its region and AWS profile, or a site of a local stack with that one's folder."""

    stack: str | None = None
    region: str | None = None
    profile: str | None = None
    local: str | None = None
    local_state: str | None = None

    def fields(self) -> dict[str, str]:
        """The fields that say something."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contexts:
    """The contexts of a file, by name, and which one is used where nothing else is said."""

    current: str | None = None
    by_name: Mapping[str, SiteContext] = field(default_factory=dict)

    def find(self, name: str) -> SiteContext:
        """The context of a name; raises ConfigurationError."""
        if name not in self.by_name:
            known = ", ".join(sorted(self.by_name)) or "none"
            raise ConfigurationError(f"there is no context {name!r}, but {known}: geosync context add")
        return self.by_name[name]

    def with_context(self, name: str, context: SiteContext) -> Contexts:
        """The same with one more, or with another one of that name. The first becomes the current one."""
        return Contexts(current=self.current or name, by_name={**self.by_name, name: context})

    def without(self, name: str) -> Contexts:
        """The same without one; of the current one none is current. Raises ConfigurationError."""
        self.find(name)
        left = {other: context for other, context in self.by_name.items() if other != name}
        return Contexts(current=self.current if self.current != name else None, by_name=left)

    def using(self, name: str) -> Contexts:
        """The same with another current one. Raises ConfigurationError."""
        self.find(name)
        return Contexts(current=name, by_name=self.by_name)


def config_file() -> Path:
    """The file with the contexts, whether it is there or not."""
    return own_folder("XDG_CONFIG_HOME", ".config") / "config.json"


def read() -> Contexts:
    """Read the contexts; none where there is no file. Raises ConfigurationError for a file that is none."""
    file = config_file()
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        by_name = {name: _context(fields) for name, fields in document["contexts"].items()}
        current = document.get("current")
        is_known = current in by_name
    except FileNotFoundError:
        return Contexts()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{file} has no contexts that can be read: {error}") from None
    return Contexts(current=current if is_known else None, by_name=by_name)


def _context(fields: Any) -> SiteContext:
    """Read a context. Raises TypeError for an unknown field or no text in one, ValueError unless it has one site."""
    if not all(isinstance(value, str) for value in fields.values()):
        raise TypeError("a field of a context is no text")
    context = SiteContext(**fields)
    if bool(context.stack) == bool(context.local):
        raise ValueError("a context names a stack or a local site, and not both")
    return context


def write(contexts: Contexts) -> None:
    """Write the file with the contexts. Raises OSError."""
    by_name = {name: context.fields() for name, context in sorted(contexts.by_name.items())}
    text = json.dumps({"current": contexts.current, "contexts": by_name}, indent=2)
    write_private(config_file(), f"{text}\n", prefix=".config-")
