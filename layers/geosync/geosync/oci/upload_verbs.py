"""The verbs of an upload (OCI distribution-spec 1.1, "Pushing blobs"): in one piece, in chunks, and resumed."""

from __future__ import annotations

from dataclasses import replace

from geosync.errors import DigestMismatch, OutcomeUnknown, Unauthorized
from geosync.oci import scopes
from geosync.oci.references import check_digest, check_repository, is_digest
from geosync.oci.requests import Call, Requester
from geosync.oci.transport import Body, HttpAnswer, Timeouts, size_of
from geosync.oci.uploads import Upload, UploadLimits, arrived_bytes, closing_timeout, closing_url, token_life_s

_OCTETS = "application/octet-stream"


class UploadVerbs:
    """The part of RegistryClient that brings a blob into its registry; its constructor sets what is used here."""

    upload_limits = UploadLimits()
    """The registry's rules for the bytes of a blob; a vendor's registry has others."""
    pushes_make_repositories = True
    """The first push to a repository makes it."""

    name: str
    _requests: Requester
    _timeouts: Timeouts

    def begin_upload(
        self, repository: str, *, mount: str | None = None, mount_from: str | None = None
    ) -> Upload | None:
        """Begin an upload; with `mount` (a digest), ask in the same request whether the blob is in `mount_from`.

        Without `mount_from` that is the repository itself, which makes this the existence check. Returns None for 201:
        the blob is there (mounted). Where the account may not read `mount_from`, or the registry answers that it
        mounted another blob, an upload is begun without it.
        """
        call = self._begin(repository, mount, repository if mount_from is None else mount_from)
        try:
            answer = self._requests.send(call)
            if answer.status in (401, 403) and mount is not None:
                self._requests.fail(call, answer)
        except Unauthorized:
            if mount is None or mount_from in (None, repository):
                raise
            return self.begin_upload(repository)
        if answer.status == 201 and mount is not None:
            answer.close()
            return self.begin_upload(repository) if _is_another(answer, mount) else None
        return self._upload_of(repository, call, answer)

    def put_blob(self, upload: Upload, digest: str, body: Body) -> None:
        """Stream a blob into an upload: one PUT with Content-Length, its time-out growing with the size.

        What `body.read` raises comes through, and leaves the blob unwritten. Raises OutcomeUnknown when it was sent and
        not answered: look with `head_blob` before sending it again.
        """
        self._close(upload, digest, body, size=len(body))

    def put_small_blob(self, repository: str, digest: str, content: bytes) -> None:
        """Upload bytes that are in memory: one POST, and one PUT unless they are there already."""
        upload = self.begin_upload(repository, mount=digest)
        if upload is not None:
            self._close(upload, digest, content, size=len(content))

    def put_chunk(self, upload: Upload, offset: int, body: Body) -> Upload:
        """Stream the bytes from `offset` on into an upload: one PATCH. Returns where the next chunk goes.

        Raises what `body.read` raises, Unauthorized when the token ran out (nothing was taken; the next attempt has
        another), Refused with status 416 when the registry has another offset.
        """
        size = len(body)
        call = Call(
            method="PATCH",
            target=upload.location,
            access=(scopes.push(upload.repository),),
            headers={"Content-Type": _OCTETS, "Content-Range": f"{offset}-{offset + size - 1}"},
            body=body,
            timeouts=closing_timeout(self._timeouts, size),
            lasting_s=token_life_s(size),
            shown=f"PATCH /v2/{upload.repository}/blobs/uploads/… ({offset}-{offset + size - 1})",
        )
        answer = self._requests.send(call)
        # 202 by the specification; Amazon ECR answers 201.
        if answer.status not in (201, 202, 204):
            self._requests.fail(call, answer)
        answer.close()
        return self._next(upload, answer)

    def upload_status(self, upload: Upload) -> tuple[Upload, int | None]:
        """Ask where an upload goes on, and how many bytes of it have arrived (None: the registry does not say).

        Raises RegistryUnavailable with a BLOB_UPLOAD_ code, or NotFound, when the registry no longer knows it.
        """
        call = Call(
            method="GET",
            target=upload.location,
            access=(scopes.push(upload.repository),),
            repeatable=True,
            shown=f"GET /v2/{upload.repository}/blobs/uploads/…",
        )
        answer = self._requests.send(call)
        if answer.status not in (200, 202, 204):
            self._requests.fail(call, answer)
        answer.close()
        return self._next(upload, answer), arrived_bytes(answer.header("Range"))

    def close_upload(self, upload: Upload, digest: str, size: int) -> None:
        """Close an upload that has all `size` bytes of its blob: the PUT without a body. Raises as `put_blob`."""
        self._close(upload, digest, b"", size=size)

    def keepable(self, upload: Upload) -> str | None:
        """Return the part of an upload's location that may be stored: its path and query, on the registry's own host.

        None where it is on another host: such a location may be a presigned one, and holds credentials then.
        """
        if not self._requests.is_own(upload.location):
            return None
        start = upload.location.find("/", upload.location.find("://") + 3)
        return upload.location[start:] if start >= 0 else None

    def kept_upload(self, repository: str, path: str) -> Upload | None:
        """Return the upload that `keepable` described; None where `path` leads to another host."""
        check_repository(repository)
        if not path.startswith("/") or path.startswith("//"):
            return None
        return Upload(repository=repository, location=self._requests.resolve(self._requests.base + path))

    def _begin(self, repository: str, mount: str | None, source: str) -> Call:
        check_repository(repository)
        access: scopes.Scopes = (scopes.push(repository),)
        target = f"/v2/{repository}/blobs/uploads/"
        if mount is not None:
            check_repository(source)
            check_digest(mount)
            target += f"?mount={mount}&from={source}"
            if source != repository:
                access += (scopes.pull(source),)
        # Not a `write`, and repeatable: a second session does no harm, the registry purges what nobody closes.
        return Call(method="POST", target=target, access=access, repeatable=True)

    def _upload_of(self, repository: str, call: Call, answer: HttpAnswer) -> Upload:
        if answer.status != 202:
            self._requests.fail(call, answer)
        answer.close()
        location = answer.header("Location")
        if not location:
            raise self._requests.unusable(call, 202, "an upload without a Location")
        return Upload(
            repository=repository,
            location=self._requests.resolve(location, self._requests.base + call.target),
            min_chunk=size_of(answer.header("OCI-Chunk-Min-Length")) or 0,
        )

    def _next(self, upload: Upload, answer: HttpAnswer) -> Upload:
        location = answer.header("Location")
        return replace(upload, location=self._requests.resolve(location, upload.location)) if location else upload

    def _close(self, upload: Upload, digest: str, body: bytes | Body, *, size: int) -> None:
        check_digest(digest)
        call = Call(
            method="PUT",
            target=closing_url(upload.location, digest),
            access=(scopes.push(upload.repository),),
            headers={"Content-Type": _OCTETS},
            body=body,
            timeouts=closing_timeout(self._timeouts, size),
            write=True,
            lasting_s=token_life_s(len(body)),
            shown=f"PUT /v2/{upload.repository}/blobs/uploads/… ({digest})",
        )
        answer = self._requests.send(call)
        if answer.status in (200, 202, 204):
            # Only 201 says that the blob is there (a 202 is a registry that took the PUT for a chunk).
            answer.close()
            raise OutcomeUnknown(self.name, self._requests.label(call), status=answer.status, detail="not a 201")
        if answer.status != 201:
            self._requests.fail(call, answer)
        answer.close()
        if _is_another(answer, digest):
            raise DigestMismatch(f"{self.name} stored {digest} as {answer.header('Docker-Content-Digest')}")


def _is_another(answer: HttpAnswer, digest: str) -> bool:
    """Tell whether an answer names another blob than `digest`, by a digest of the same algorithm."""
    stored = answer.header("Docker-Content-Digest")
    return stored is not None and stored != digest and is_digest(stored) and len(stored) == len(digest)
