"""The keys that a JSON document had in the version before, beside those that it has now. They go with the next version.

What has another value now under the same name, moments above all, is beside it as `<name>_ms` (milliseconds since the
epoch) or, where it was no moment, as `<name>_number`. CHANGELOG.md names them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def with_former(document: Mapping[str, Any], former: Mapping[str, Any]) -> dict[str, Any]:
    """A document, and what the version before had beside it or otherwise."""
    kept = {name: value for name, value in former.items() if name not in document}
    # A bool is an int, and neither a moment nor a number.
    moved = {
        f"{name}_{'number' if isinstance(value, str) else 'ms'}": value
        for name, value in former.items()
        if name in document and isinstance(value, str | int) and not isinstance(value, bool) and value != document[name]
    }
    return {**document, **kept, **moved}
