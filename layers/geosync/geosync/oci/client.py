"""The registry client: the verbs of the OCI distribution-spec 1.1 that replication needs, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from geosync.errors import TooLarge
from geosync.oci import scopes
from geosync.oci.answers import names_registry
from geosync.oci.blobs import BlobReader, BlobSource
from geosync.oci.credentials import Credentials
from geosync.oci.deadline import Deadline
from geosync.oci.listings import ListedTag, NoReferrersApi, PageSize, pages, sized_pages, tag_pages
from geosync.oci.manifest_verbs import ManifestVerbs
from geosync.oci.manifests import MAX_REFERRED, Descriptor
from geosync.oci.options import DEFAULT_OPTIONS, ClientOptions
from geosync.oci.ranges import Range, RangeReader, RangeRefused
from geosync.oci.references import check_digest, check_repository, is_repository, is_tag
from geosync.oci.requests import Call, Requester
from geosync.oci.transport import HttpAnswer
from geosync.oci.upload_verbs import UploadVerbs

# The codes of a registry's own 404 for a blob; Harbor has NOT_FOUND.
_NO_SUCH_BLOB = frozenset({"BLOB_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND"})


class RegistryClient(ManifestVerbs, UploadVerbs):
    """One registry. Thread-safe; keeps connections, tokens and what the registry supports across invocations.

    The verbs, by what they are about:

    - manifests (manifest_verbs.py): `head_manifest`, `get_manifest`, `put_manifest`, `delete_manifest`;
    - blobs: `head_blob`, `lacks_blob`, `open_blob`, `open_range`, and for bytes in memory `put_small_blob`;
    - uploads (upload_verbs.py): `begin_upload`, which may mount instead, then `put_blob` in one piece, or `put_chunk`,
      `upload_status` and `close_upload`; `keepable` and `kept_upload` carry one from one process to the next;
    - listings: `tags`, `tags_with_digests`, `repositories`, `referrers`;
    - the registry itself (registry_verbs.py): `ping`, `connections_ahead`, `close`; for a vendor's own API `documents`,
      `serves`, `delete`.

    `url` is `https://host[:port]` (or http, for one on this machine). `deadline` is shared with whoever sets it; every
    request and every read of a stream looks at it. With `writes`, tokens are asked for `pull,push` at once.

    Names are checked before they reach a URL: ValueError for what is no repository, tag or digest, which is a caller's
    mistake. Every verb raises OutOfTime, Unauthorized, RegistryUnavailable, and the errors that its own text names.
    """

    lists_digests: bool = False
    """`tags_with_digests` gives digests."""

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        deadline: Deadline,
        writes: bool = False,
        options: ClientOptions = DEFAULT_OPTIONS,
    ) -> None:
        self._requests = Requester(url, credentials, deadline=deadline, writes=writes, options=options)
        self.name = self._requests.name
        """host:port, for errors and holds."""
        self.deadline = deadline
        """The end of this invocation, as every request here sees it."""
        self.memory = options.memory
        """The budget for the manifests that are in memory at one time."""
        self._timeouts = options.timeouts
        self._tag_write_s = options.tag_write_s
        self._has_referrers = True
        self._tags_size, self._catalogue_size = PageSize(), PageSize()

    def __repr__(self) -> str:
        return f"RegistryClient({self.name})"

    @property
    def requests_sent(self) -> int:
        """The number of requests that were sent so far, redirects and repetitions too, but none for tokens."""
        return self._requests.sent

    def head_blob(self, repository: str, digest: str) -> int | None:
        """Return a blob's size in bytes, None when it is not there; RegistryUnavailable when no size is announced."""
        call = self._blob_call("HEAD", repository, digest)
        answer = self._requests.send(call)
        answer.close()
        if answer.status == 404:
            return None
        if answer.status != 200:
            self._requests.fail(call, answer)
        self._check_page(call, answer)
        if answer.length is None:
            raise self._requests.unusable(call, 200, "no Content-Length")
        return answer.length

    def lacks_blob(self, repository: str, digest: str) -> bool:
        """Tell whether the registry itself says that it does not have a blob.

        Its 404 counts as in `head_manifest`: where it may be a proxy's, the blob is requested, for its error's code.
        Raises RegistryUnavailable for a 404 that is not the registry's.
        """
        call = self._blob_call("HEAD", repository, digest)
        answer = self._requests.send(call)
        if answer.status == 404 and not names_registry(answer):
            answer.close()
            call = self._blob_call("GET", repository, digest)
            answer = self._requests.send(call)
            if answer.status == 404:
                self._check_absent(call, answer, _NO_SUCH_BLOB)
        if answer.status not in (200, 404):
            self._requests.fail(call, answer)
        if answer.status == 200:
            self._check_page(call, answer)
        answer.close()
        return answer.status == 404

    def open_blob(self, repository: str, descriptor: Descriptor, *, offset: int = 0) -> BlobReader:
        """Begin to read a blob, from `offset` on: a context manager with `len()` and `read()`.

        Where the registry does not give the rest alone, all of it is read, and the bytes before `offset` are dropped.
        Raises NotFound when it is not there, SizeMismatch when it is announced with another size than its descriptor's.
        """
        call = self._blob_call("GET", repository, descriptor.digest)
        answer = self._rest_of(call, offset) if offset else None
        skips = answer is None
        if answer is None:
            answer = self._requests.send(call)
        if answer.status not in (200, 206):
            self._requests.fail(call, answer)
        if answer.length != descriptor.size:
            self._check_page(call, answer)
        reader = BlobReader(answer, descriptor, self._source_of(call), offset=0 if skips else offset)
        reader.gives_ranges = (answer.header("Accept-Ranges") or "").strip().lower() == "bytes"
        if skips and offset:
            reader.skip(offset)
        return reader

    def open_range(self, repository: str, descriptor: Descriptor, wanted: Range) -> RangeReader:
        """Begin to read a range of a blob: an object with `read()` and `close()`.

        Raises RangeRefused where the registry gives no ranges, or not exactly this one.
        """
        call = self._blob_call("GET", repository, descriptor.digest)

        def ask(start: int) -> HttpAnswer:
            rest = Range(start, wanted.end)
            answer = self._requests.send(replace(call, headers={**call.headers, "Range": rest.header()}))
            misfit = rest.misfit(answer, descriptor.size)
            if misfit is None:
                return answer
            if answer.status in (401, 429) or answer.status >= 500:
                self._requests.fail(call, answer)
            answer.close()
            raise RangeRefused(f"{self.name}: {self._requests.label(call)}: {misfit}")

        return RangeReader(ask, wanted, self._source_of(call))

    def blob_source(self, repository: str, descriptor: Descriptor) -> BlobSource:
        """Return the source for a reader of a blob whose bytes come another way."""
        return self._source_of(self._blob_call("GET", repository, descriptor.digest))

    def _source_of(self, call: Call) -> BlobSource:
        return BlobSource(
            registry=self.name,
            request=self._requests.label(call),
            deadline=self.deadline,
            reopen=lambda offset: self._rest_of(call, offset),
        )

    def _rest_of(self, call: Call, offset: int) -> HttpAnswer | None:
        """Ask for a blob from `offset` on (RFC 9110, "Range"); None where the registry does not give exactly that."""
        answer = self._requests.send(replace(call, headers={**call.headers, "Range": f"bytes={offset}-"}))
        if answer.status == 206 and (answer.header("Content-Range") or "").startswith(f"bytes {offset}-"):
            return answer
        answer.close()
        return None

    def tags(self, repository: str, *, last: str | None = None) -> Iterator[list[str]]:
        """Yield the tags page by page, without invalid names; NotFound where the registry knows no such repository.

        `last`: only the tags after that one, where the registry supports it (Distribution 2 ignores `last` and `n`).
        """
        check_repository(repository)
        if last is not None and not is_tag(last):
            raise ValueError("not a tag")
        size, after = self._tags_size, last or None
        for page in tag_pages(self._requests, repository, size, last=after, names_api=self.names_api):
            listed = page.get("tags") or []
            yield [one for one in listed if isinstance(one, str) and is_tag(one)] if isinstance(listed, list) else []

    def tags_with_digests(self, repository: str, *, last: str | None = None) -> Iterator[list[ListedTag]]:
        """Yield the tags page by page, as `tags`, with their digests where the registry's listing has them."""
        for page in self.tags(repository, last=last):
            yield [ListedTag(tag, None) for tag in page]

    def untagged_digests(self, repository: str) -> Iterator[list[str]] | None:  # noqa: ARG002 - the plain answer
        """The manifests that no tag names, page by page; with the children of indexes where the registry counts those.

        None where the registry has no such listing: the specification has none.
        """
        return None

    def is_archived(self, repository: str, reference: str) -> bool:  # noqa: ARG002 - the plain answer
        """Tell whether a manifest that was answered with 404 exists, but is archived and not served.

        False where the registry has no such state: the specification has none.
        """
        return False

    def repositories(self, *, last: str | None = None) -> Iterator[list[str]]:
        """Yield the names of all repositories page by page (`_catalog`; Refused or NotFound where there is none).

        `last`: only the names after that one.
        """
        if last is not None:
            check_repository(last)
        for page in sized_pages(self._requests, "/v2/_catalog", (scopes.CATALOG,), self._catalogue_size, last=last):
            listed = page.get("repositories") or []
            names = listed if isinstance(listed, list) else []
            yield [one for one in names if isinstance(one, str) and is_repository(one)]

    @property
    def lists_referrers(self) -> bool:
        """False once the registry has answered that it has no referrers API: then it is not asked again."""
        return self._has_referrers

    def referrers(self, repository: str, digest: str) -> list[Descriptor] | None:
        """Return the referrers of a digest; None when the registry has no referrers API, which is remembered.

        OCI distribution-spec 1.1, "Listing Referrers": a registry that has it answers with an index, an empty one too.
        Raises TooLarge for more than MAX_REFERRED, MalformedManifest, ContentError.
        """
        check_repository(repository)
        check_digest(digest)
        if not self._has_referrers:
            return None
        found: list[Descriptor] = []
        path = f"/v2/{repository}/referrers/{digest}"
        try:
            for page in pages(self._requests, path, (scopes.pull(repository),), referrers=True):
                listed = page.get("manifests") or []
                found += [Descriptor.parse(one) for one in listed] if isinstance(listed, list) else []
                if len(found) > MAX_REFERRED:
                    raise TooLarge(f"{self.name}: {path}: more than {MAX_REFERRED} referrers")
        except NoReferrersApi as answer:
            # A registry that has the API may still answer that it knows no such repository: that is not remembered.
            if not answer.is_oci_error:
                self._has_referrers = False
            return None
        return found

    def _blob_call(self, method: str, repository: str, digest: str) -> Call:
        check_repository(repository)
        check_digest(digest)
        return Call(
            method=method,
            target=f"/v2/{repository}/blobs/{digest}",
            access=(scopes.pull(repository),),
            repeatable=True,
        )
