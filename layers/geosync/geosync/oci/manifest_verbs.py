"""The verbs of manifests (OCI distribution-spec 1.1, "Pulling manifests", "Pushing Manifests", "Deleting")."""

from __future__ import annotations

from geosync.errors import ContentError, DigestMismatch
from geosync.oci import media_types, scopes
from geosync.oci.answers import names_registry
from geosync.oci.manifests import MAX_MANIFEST_BYTES, Descriptor, Manifest
from geosync.oci.references import check_repository, is_digest, is_tag
from geosync.oci.registry_verbs import RegistryVerbs
from geosync.oci.requests import Call
from geosync.oci.transport import HttpAnswer

# The codes of a registry's own 404 for a manifest; Harbor has NOT_FOUND for both.
_NO_SUCH_MANIFEST = frozenset({"MANIFEST_UNKNOWN", "NAME_UNKNOWN", "NOT_FOUND"})


class ManifestVerbs(RegistryVerbs):
    """The part of RegistryClient that reads, puts and deletes manifests; its constructor sets what is used here."""

    name: str
    _tag_write_s: float | None

    def head_manifest(self, repository: str, reference: str) -> Descriptor | None:
        """Return the descriptor of a tag or digest, with size 0 where none is announced; None only where there is none.

        A 404 counts only if it is the registry's own. Where it may be a proxy's, the manifest itself is requested,
        because a HEAD has no body to tell by. Raises as `get_manifest`.
        """
        call = self._manifest_call("HEAD", repository, reference)
        answer = self._requests.send(call)
        answer.close()
        if answer.status == 404 and names_registry(answer):
            return None
        if answer.status not in (200, 404):
            self._requests.fail(call, answer)
        announced = _announced(answer, reference) if answer.status == 200 else None
        if announced is not None:
            return announced
        manifest = self.get_manifest(repository, reference)
        return manifest.descriptor if manifest is not None else None

    def get_manifest(self, repository: str, reference: str) -> Manifest | None:
        """Return a manifest by tag or digest, its digest checked; None only where the registry says there is none.

        A large one waits for its memory (memory.py). Raises TooLarge over 4 MiB, DigestMismatch, MalformedManifest.
        """
        with self.memory.step(self.deadline):
            return self._read_manifest(repository, reference)

    def _read_manifest(self, repository: str, reference: str) -> Manifest | None:
        call = self._manifest_call("GET", repository, reference)
        answer = self._requests.send(call)
        if answer.status == 404:
            self._check_absent(call, answer, _NO_SUCH_MANIFEST)
            return None
        if answer.status != 200:
            self._requests.fail(call, answer)
        self._check_page(call, answer)
        announced = answer.header("Docker-Content-Digest")
        expected = reference if is_digest(reference) else announced
        if expected is not None and not is_digest(expected):
            expected = None
        try:
            content = self._requests.read(call, answer, MAX_MANIFEST_BYTES, "a manifest")
            return Manifest.read(content, answer.header("Content-Type"), expected)
        except ContentError as error:
            raise type(error)(f"{self.name}: {self._requests.label(call)}: {error}") from error

    def put_manifest(self, repository: str, reference: str, manifest: Manifest) -> bool:
        """Put a manifest's exact bytes under a tag or under its digest.

        Returns True where the registry says that it lists the manifest among the referrers of its subject (OCI
        distribution-spec 1.1, "Pushing Manifests with Subject": the header `OCI-Subject`).

        Raises BlobsUnknown with everything that is missing, Refused when no later attempt can succeed, NotFound when
        the repository must be made first, OutcomeUnknown when it was sent and not answered (within 20 s under a tag),
        DigestMismatch when the registry says that it stored something else.
        """
        by_digest = is_digest(reference)
        call = Call(
            method="PUT",
            target=self._manifest_path(repository, reference),
            access=(scopes.push(repository),),
            headers={"Content-Type": manifest.media_type},
            body=manifest.content,
            bound_s=None if by_digest else self._tag_write_s,
            write=True,
            # By digest a second PUT writes the same; by tag, it may undo a push that came between.
            repeatable=by_digest,
        )
        answer = self._requests.send(call)
        if not 200 <= answer.status < 300:
            self._requests.fail(call, answer)
        stored = answer.header("Docker-Content-Digest")
        answer.close()
        if stored is not None and is_digest(stored) and stored != manifest.digest:
            raise DigestMismatch(f"{self.name} stored {manifest.digest} as {stored}")
        return answer.header("OCI-Subject") is not None

    def delete_manifest(self, repository: str, reference: str) -> None:
        """Delete a digest (every tag on it goes with it) or a tag, where the registry can; an absent one is success.

        Raises Refused where the registry does not delete (405, or 400 for a tag on Distribution 2.8), OutcomeUnknown.
        """
        self.delete(self._manifest_path(repository, reference), (scopes.delete(repository),))

    def _manifest_path(self, repository: str, reference: str) -> str:
        check_repository(repository)
        if not is_tag(reference) and not is_digest(reference):
            raise ValueError("neither a tag nor a digest")
        return f"/v2/{repository}/manifests/{reference}"

    def _manifest_call(self, method: str, repository: str, reference: str) -> Call:
        return Call(
            method=method,
            target=self._manifest_path(repository, reference),
            access=(scopes.pull(repository),),
            headers={"Accept": media_types.ACCEPT},
            repeatable=True,
        )


def _announced(answer: HttpAnswer, reference: str) -> Descriptor | None:
    """The descriptor in the headers of an answer; None where they do not make one."""
    digest = answer.header("Docker-Content-Digest") or (reference if is_digest(reference) else "")
    media_type = media_types.essence(answer.header("Content-Type"))
    if not is_digest(digest) or not media_types.is_manifest(media_type):
        return None
    return Descriptor(media_type=media_type, digest=digest, size=answer.length or 0)
