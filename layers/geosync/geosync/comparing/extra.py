"""Extra tags: at the secondary, not at the primary, and never put there by Geosync. They are reported, and stay."""

from __future__ import annotations

from collections.abc import Iterable

from geosync.comparing.context import ComparisonContext
from geosync.comparing.marking import Marker
from geosync.copying.referrers import is_fallback_tag
from geosync.sync_registry.items import ADOPT, Owed, Reference


class ExtraTags:
    """Finds the extra tags of one repository."""

    def __init__(self, context: ComparisonContext, marker: Marker) -> None:
        self._context = context
        self._marker = marker

    def among(self, owed: Owed, tags: Iterable[str]) -> set[str]:
        """Those of `tags` that are extra: selected, neither known nor owed, and no list of referrers that is kept here.

        `tags` are without those that the primary listed now. They were listed before what is known was read: what
        Geosync put there is owed until, in one transaction, it is known. What the primary listed to an earlier holder,
        before the cursor, is known or owed. Extra tags are never removed, unless an operator adopts them: then they are
        marked.
        """
        sync_registry = self._context.sync_registry
        selected = self._context.selection.tags(owed.repository, tags)
        named = {Reference.tag(tag) for tag in selected if not is_fallback_tag(tag)}
        ours = sync_registry.owed_among(owed.repository, named)
        # After what is owed: a tag that was discharged in between is known now.
        ours |= sync_registry.seen(owed.repository, named - ours).keys()
        extra = named - ours
        if ADOPT in owed.if_absent:
            self._marker.mark(owed, extra, if_absent=frozenset({ADOPT}))
            return set()
        return {reference.value for reference in extra}
