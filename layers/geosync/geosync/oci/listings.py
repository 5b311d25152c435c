"""Listings page by page (OCI distribution-spec 1.1, "Listing Tags", "Listing Referrers"; Distribution's `_catalog`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from geosync.errors import ContentError
from geosync.oci import media_types
from geosync.oci.answers import read_errors
from geosync.oci.auth import Access
from geosync.oci.links import next_page
from geosync.oci.requests import Call, Requester

MAX_PAGE_BYTES = 8 * 1024 * 1024
PAGE_SIZE = 1000

_NO_REFERRERS_API = frozenset({404, 405, 501})


class ListedTag(NamedTuple):
    """One entry of a listing; `digest` is None where the registry's listing does not say it."""

    tag: str
    digest: str | None


class NoReferrersApi(Exception):
    """The listing of referrers was answered with a 404; `by_name`: with an OCI error, so that the API may be there."""

    def __init__(self, *, by_name: bool) -> None:
        super().__init__()
        self.by_name = by_name


def pages(
    requests: Requester, target: str, access: Access, *, referrers: bool = False, arrays: bool = False
) -> Iterator[dict[str, Any]]:
    """Yield the documents of a listing, following `Link` as it is given, on the registry's own host only.

    With `arrays`, a page that is a bare array comes as `{"items": […]}`.

    Raises TooLarge for a page over 8 MiB, ContentError for pages that go round, RegistryUnavailable for what is no
    listing or leads to another host, and NoReferrersApi.
    """
    target = requests.resolve(target)
    seen = {target}
    while True:
        call = Call(
            method="GET",
            target=target,
            access=access,
            headers={"Accept": f"{media_types.OCI_INDEX}, application/json" if referrers else "application/json"},
            repeatable=True,
        )
        answer = requests.send(call)
        if referrers and answer.status in _NO_REFERRERS_API:
            raise NoReferrersApi(by_name=bool(read_errors(answer, requests.deadline).codes))
        if answer.status != 200:
            requests.fail(call, answer)
        body = requests.read(call, answer, MAX_PAGE_BYTES, "a page of a listing")
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            raise requests.unusable(call, 200, "a listing that is not JSON") from None
        if arrays and isinstance(document, list):
            document = {"items": document}
        if not isinstance(document, dict):
            raise requests.unusable(call, 200, "a listing that is not an object")
        yield document
        link = next_page(answer.headers.get_all("Link") or [])
        if link is None:
            return
        target = requests.resolve(link, target)
        if not requests.is_own(target):
            raise requests.unusable(call, 200, "its next page is at another host: not followed")
        if target in seen:
            raise ContentError(f"{requests.name}: {requests.label(call)}: the pages go round in a circle")
        seen.add(target)
