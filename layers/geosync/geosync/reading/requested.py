"""A client's request, out of the event of API Gateway's proxy integration: one of the reads of the specification.

OCI distribution-spec 1.1, "Endpoints": end-1 to end-3, end-8 and end-12. Every name is checked here, and the target for
the site's registry is made anew from the checked parts: nothing that a client wrote reaches the registry as it was. The
query of a listing is the registry's own: it repeats what the `Link` to the next page had (a token as `last`, or under
another name), encoded anew. Without it a client would get the first page again and again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from geosync.oci.references import is_digest, is_repository, is_tag
from geosync.reading.refusals import ReadRefusal

Kind = Literal["ping", "manifest", "blob", "tags", "referrers"]

MOST_PATH = 640
"""Characters of a path: a name of 255, a digest of 135 and the words between them take 420."""
MOST_AUTHORIZATION = 8192
"""Characters: API Gateway takes 10,240 bytes of headers in all."""
_THING = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs|referrers)/(?P<reference>[^/]+)")
_TAGS = re.compile(r"/v2/(?P<name>.+)/tags/list")
_KINDS: Mapping[str, Kind] = {"manifests": "manifest", "blobs": "blob", "referrers": "referrers"}
MOST_QUERY = 4096
"""Characters of a listing's query, encoded: tokens of some registries take some hundred."""
_PRINTABLE = re.compile(r"[\x20-\x7e]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """One read. `repository` is the name at this site's registry, `reference` a tag or a digest; each may be empty."""

    method: str
    kind: Kind
    target: str
    """The path and query for the site's registry."""
    repository: str = ""
    reference: str = ""
    authorization: str | None = None

    @property
    def is_tag(self) -> bool:
        """True for a manifest by tag, the only thing that can be older than the primary's."""
        return self.kind == "manifest" and not is_digest(self.reference)

    def __repr__(self) -> str:
        return f"Requested({self.method} {self.target})"


def read_request(event: Mapping[str, Any]) -> Requested:
    """Read a client's request. Raises ReadRefusal for what is no read, or names nothing that can be there."""
    method, path = str(event.get("httpMethod")), str(event.get("path"))
    if method not in ("GET", "HEAD"):
        raise ReadRefusal(405, "UNSUPPORTED", "this address is for reads: push to the primary", headers=_ALLOW)
    if len(path) > MOST_PATH:
        raise ReadRefusal(400, "NAME_INVALID", "the name is longer than a repository's name may be")
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    authorization = authorization_of(headers)
    if path.rstrip("/") == "/v2":
        return Requested(method=method, kind="ping", target="/v2/", authorization=authorization)
    query = event.get("queryStringParameters") or {}
    if (listing := _TAGS.fullmatch(path)) is not None:
        name = _checked(listing["name"])
        target = f"/v2/{name}/tags/list{_query(query)}"
        return Requested(method=method, kind="tags", target=target, repository=name, authorization=authorization)
    thing = _THING.fullmatch(path)
    if thing is None:
        raise ReadRefusal(404, "UNSUPPORTED", "this is none of the reads of the distribution specification")
    kind, name, reference = _KINDS[thing["kind"]], _checked(thing["name"]), thing["reference"]
    _check_reference(method, kind, reference, headers)
    more = _query(query) if kind == "referrers" else ""
    return Requested(
        method=method,
        kind=kind,
        target=f"/v2/{name}/{thing['kind']}/{reference}{more}",
        repository=name,
        reference=reference,
        authorization=authorization,
    )


def authorization_of(headers: Mapping[str, str]) -> str | None:
    """Return the client's Authorization from its headers (names in lower case); None where it sends none.

    Raises ReadRefusal for one that is no header.
    """
    given = headers.get("authorization")
    if not given:
        return None
    if len(given) > MOST_AUTHORIZATION or _PRINTABLE.fullmatch(given) is None:
        raise ReadRefusal(400, "UNAUTHORIZED", "the Authorization is no header that a registry would read")
    return given


_ALLOW = {"Allow": "GET, HEAD"}


def _checked(name: str) -> str:
    if not is_repository(name):
        raise ReadRefusal(400, "NAME_INVALID", "this is not the name of a repository")
    return name


def _check_reference(method: str, kind: Kind, reference: str, headers: Mapping[str, str]) -> None:
    if kind != "manifest":
        if not is_digest(reference):
            raise ReadRefusal(400, "DIGEST_INVALID", "this is not a digest")
        return
    if not is_digest(reference) and not is_tag(reference):
        raise ReadRefusal(400, "TAG_INVALID", "this is neither a tag nor a digest")
    if method == "HEAD":
        # API Gateway would give its size as 0, and clients believe that (decision 62).
        raise ReadRefusal(405, "UNSUPPORTED", "send GET for a manifest", headers={"Allow": "GET"})
    if "range" in headers:
        raise ReadRefusal(416, "UNSUPPORTED", "a manifest is not served in ranges")


def _query(given: Mapping[str, str]) -> str:
    """Return a listing's query, encoded anew. Raises ReadRefusal for one that is too long."""
    encoded = urlencode({str(name): str(value) for name, value in given.items()}, errors="replace")
    if len(encoded) > MOST_QUERY:
        raise ReadRefusal(400, "UNSUPPORTED", "the query is longer than that of a page may be")
    return f"?{encoded}" if encoded else ""
