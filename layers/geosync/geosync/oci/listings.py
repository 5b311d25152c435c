"""Listings page by page (OCI distribution-spec 1.1, "Listing Tags", "Listing Referrers"; Distribution's `_catalog`).

A page of more than 64 KiB is not parsed whole (large_pages.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

from geosync.errors import ContentError, MalformedManifest, NotFound, Refused, RegistryUnavailable, TooLarge
from geosync.oci import media_types, scopes
from geosync.oci.answers import EMPTY_ANSWER, read_errors
from geosync.oci.documents import SMALL_BYTES
from geosync.oci.large_pages import MAX_READ_BYTES, read_large
from geosync.oci.links import next_page
from geosync.oci.references import is_digest, is_tag
from geosync.oci.requests import Call, Requester
from geosync.oci.scopes import Scopes
from geosync.oci.transport import HttpAnswer

MAX_PAGE_BYTES = 8 * 1024 * 1024
PAGE_SIZE = 1000
"""Entries that are requested of a page."""
_SMALLER = {PAGE_SIZE: 100, 100: 10}
"""The next smaller size. Below the smallest no number is sent, and the registry chooses one."""

MAX_EMPTY_PAGES = 100
"""Pages in a row without an entry: a listing that goes on so does not end."""
_NO_REFERRERS_API = frozenset({404, 405, 501})


class ListedTag(NamedTuple):
    """One entry of a listing; `digest` is None where the registry's listing has none."""

    tag: str
    digest: str | None


def listed_tags(entries: object) -> list[ListedTag]:
    """Read tags from the objects of a vendor's listing, each with a `name` and a `digest`; leave out invalid tags."""
    objects = [one for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
    named = [(one.get("name"), one.get("digest")) for one in objects]
    return [
        ListedTag(tag, digest if isinstance(digest, str) and is_digest(digest) else None)
        for tag, digest in named
        if isinstance(tag, str) and is_tag(tag)
    ]


def untagged(entries: object) -> list[str]:
    """Read from the objects of a vendor's listing, each with a `digest` and its `tags`, the digests that have none."""
    objects = [one for one in entries if isinstance(one, dict)] if isinstance(entries, list) else []
    named = [one.get("digest") for one in objects if not one.get("tags")]
    return [one for one in named if isinstance(one, str) and is_digest(one)]


class NoReferrersApi(Exception):
    """The listing of referrers is not served; `is_oci_error`: the answer is an OCI error, so the API may be there.

    It stays below the client: `RegistryClient.referrers` returns None in its place.
    """

    def __init__(self, *, is_oci_error: bool) -> None:
        super().__init__()
        self.is_oci_error = is_oci_error


class PageSize:
    """The entries to request per page of one of a registry's listings; None: the registry chooses."""

    def __init__(self) -> None:
        self.entries: int | None = PAGE_SIZE


def sized_pages(
    requests: Requester, path: str, access: Scopes, size: PageSize, *, last: str | None
) -> Iterator[dict[str, Any]]:
    """Yield the documents of a listing, with fewer entries a page where the registry refuses so many.

    Distribution's `catalog.maxentries` and `tags.maxtags` may be below the requested number: it answers 400
    PAGINATION_NUMBER_INVALID, and does not name its maximum. `size` keeps the number that it accepted. `last`: only
    what comes after that name. Raises as `pages`.
    """
    while True:
        begun = False
        try:
            for page in pages(requests, path + _query(size, last), access):
                begun = True
                yield page
        except Refused as error:
            if begun or size.entries is None or "PAGINATION_NUMBER_INVALID" not in error.codes:
                raise
            size.entries = _SMALLER.get(size.entries)
        else:
            return


def _query(size: PageSize, last: str | None) -> str:
    named = {"n": size.entries, "last": last}
    query = urlencode({key: value for key, value in named.items() if value is not None}, safe="/")
    return f"?{query}" if query else ""


def tag_pages(
    requests: Requester, repository: str, size: PageSize, *, last: str | None, names_api: Callable[[], bool]
) -> Iterator[dict[str, Any]]:
    """Yield the documents of a repository's list of tags, as `sized_pages`.

    Raises NotFound where the registry says that it knows no such repository, RegistryUnavailable for a 404 that is not
    a registry's: a comparison would take it for a repository without tags. An empty 404 counts where the registry never
    names its API in a header, which `names_api` tells.
    """
    try:
        yield from sized_pages(requests, f"/v2/{repository}/tags/list", (scopes.pull(repository),), size, last=last)
    except NotFound as error:
        if error.explained or (error.detail == EMPTY_ANSWER and not names_api()):
            raise
        raise RegistryUnavailable(error.registry, error.request, status=404, detail=error.detail) from error


def pages(
    requests: Requester, target: str, access: Scopes, *, referrers: bool = False, arrays: bool = False
) -> Iterator[dict[str, Any]]:
    """Yield the documents of a listing, following `Link` as it is given, on the registry's own host only.

    With `arrays`, a page that is a bare array comes as `{"items": […]}`.

    Raises TooLarge for a page over 8 MiB, ContentError for pages in a circle or MAX_EMPTY_PAGES without an entry,
    RegistryUnavailable for what is no listing or leads to another host, and NoReferrersApi.
    """
    following: str | None = requests.resolve(target)
    seen: set[str] = set()
    empty = 0
    while following is not None:
        seen.add(following)
        call = Call(
            method="GET",
            target=following,
            access=access,
            headers={"Accept": f"{media_types.OCI_INDEX}, application/json" if referrers else "application/json"},
            repeatable=True,
        )
        answer = requests.send(call)
        if referrers and answer.status in _NO_REFERRERS_API:
            raise NoReferrersApi(is_oci_error=bool(read_errors(answer, requests.deadline, requests.memory).codes))
        if answer.status != 200:
            requests.fail(call, answer)
        # The share is for the reading alone: whoever takes the page may wait for a share of its own.
        with requests.memory.step(requests.deadline):
            page = _read_page(requests, call, answer, arrays=arrays)
        empty = 0 if _has_entries(page) else empty + 1
        yield page
        del page
        following = _next_target(requests, call, answer)
        if following in seen:
            raise ContentError(f"{requests.name}: {requests.label(call)}: the pages go round in a circle")
        if following is not None and empty >= MAX_EMPTY_PAGES:
            raise ContentError(f"{requests.name}: {requests.label(call)}: {empty} pages in a row have no entry")


def _has_entries(page: dict[str, Any]) -> bool:
    return any(isinstance(listed, list) and listed for listed in page.values())


def _read_page(requests: Requester, call: Call, answer: HttpAnswer, *, arrays: bool) -> dict[str, Any]:
    body = requests.read(
        call,
        answer,
        MAX_PAGE_BYTES,
        "a page of a listing",
        need=lambda size: requests.memory.need(size, MAX_READ_BYTES),
    )
    try:
        document = json.loads(body) if len(body) <= SMALL_BYTES else read_large(body, arrays=arrays)
    except (ValueError, RecursionError, MalformedManifest):
        raise requests.unusable(call, 200, "a listing that is not JSON") from None
    except TooLarge as error:
        raise TooLarge(f"{requests.name}: {requests.label(call)}: {error}") from None
    if arrays and isinstance(document, list):
        document = {"items": document}
    if not isinstance(document, dict):
        raise requests.unusable(call, 200, "a listing that is not an object")
    return document


def _next_target(requests: Requester, call: Call, answer: HttpAnswer) -> str | None:
    """Return the URL of the page after this one; None where there is none."""
    link = next_page(answer.headers.get_all("Link") or [])
    if link is None:
        return None
    target = requests.resolve(link, call.target)
    if not requests.is_own(target):
        raise requests.unusable(call, 200, "its next page is at another host: not followed")
    return target
