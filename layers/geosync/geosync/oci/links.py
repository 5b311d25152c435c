"""The next page of a listing (RFC 8288, Link; OCI distribution-spec 1.1, "Listing Tags")."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LINK = re.compile(r"<([^<>]*)>((?:\s*;\s*[A-Za-z][\w*-]*(?:\s*=\s*(?:\"[^\"]*\"|[^\s\",;]+))?)*)")
_REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s\",;]+))", re.IGNORECASE)


def next_page(values: Iterable[str]) -> str | None:
    """Return the target of `rel="next"` exactly as it was given, relative or absolute; None when there is none.

    A link without any `rel` counts: some registries leave it out, and a listing has no other link.
    """
    for value in values:
        for target, parameters in _LINK.findall(value):
            found = _REL.search(parameters)
            relations = (found.group(1) or found.group(2) or "").lower().split() if found else ["next"]
            if "next" in relations and target:
                return str(target)
    return None
