"""The keys that a JSON document had in the version before, beside those that it has now. They go with the next version.

A value that has changed under the same name is kept as `<name>_ms` (a moment, in milliseconds since the epoch) or as
`<name>_number` (any other). CHANGELOG.md names them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def with_former(document: Mapping[str, Any], former: Mapping[str, Any]) -> dict[str, Any]:
    """A document with the keys and values that the version before had in it."""
    kept = {name: value for name, value in former.items() if name not in document}
    # A bool is an int, and neither a moment nor a number.
    moved = {
        f"{name}_{'number' if isinstance(value, str) else 'ms'}": value
        for name, value in former.items()
        if name in document and isinstance(value, str | int) and not isinstance(value, bool) and value != document[name]
    }
    return {**document, **kept, **moved}
