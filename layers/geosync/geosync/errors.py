"""Every error that Geosync raises on purpose, as one tree.

```
GeosyncError
├── ConfigurationError            a setting, a secret or a certificate is wrong; the message names it
├── MessageError                  a message that can never be processed: it goes to the DLQ with its reason
│   ├── MalformedMessage
│   └── UnknownVersion
├── KeysUnavailable               Google's keys, which prove a push, could not be fetched: the push must come again
├── SecretUnreadable              a registry's secret cannot be read: the registry is held until it can
├── NotPublished                  the event log or the topic did not take everything: the registry sends it again
├── NotMarked                     what a message speaks of could not be written down: it comes again
├── NotSent                       SQS did not take everything; what is due stays due
├── HeartbeatFailed               the primary's own notification endpoint did not take its heartbeat
├── ReportFailed                  the primary did not take this site's status; nothing here depends on it
├── AdminApiUnavailable           a site's admin API does not answer, or not now
├── AdminApiRefused               a site's admin API refused a question; the message has its answer
├── SiteRefused                  a primary cannot expect a site: its name or id is taken, or there are too many
├── NotAudited                   the audit log cannot be written, so the action is not carried out
├── DrillRefused                 a drill cannot begin now: a pause, an outage, or another drill
├── NotDrained                    somebody still copies at the site: its role must not change yet
├── RoleChanging                  a command changes the site's role: its pause is not an operator's to end
├── UpdateRefused                 CloudFormation did not carry out an update of the stack, which is as it was
├── UpdateUnderWay                an update of the stack was begun, and nobody can tell how it ends
├── OutOfTime                     the invocation is about to end; not a failure, the work goes on in the next
├── LeaseLost                     another holder has the repository: write nothing more
├── SyncRegistryError             the sync registry's table
│   ├── CorruptItem               an item holds what no version wrote; the message names repository, item and attribute
│   ├── ConditionFailed           another writer was faster: nothing was written
│   ├── TransactionFailed         other writers were faster: nothing was written
│   └── Contended                 other writers were faster too many times in a row
└── ReplicationError              a reference could not be copied
    ├── ContentError              what a registry served is wrong: digest, size, form, loop; parked after a few
    │   ├── DigestMismatch
    │   ├── SizeMismatch
    │   ├── TooLarge
    │   └── MalformedManifest
    ├── HolderVanished            the function vanished while it worked on the reference
    ├── LayerUnfinished           a layer got no further in most of an invocation
    ├── Archived                  the registry lists the image and does not serve it until it is restored; permanent
    ├── SecondaryDisagrees        the secondary accepted a write and shows something else
    ├── BrokenAtDestination       the destination keeps wrong bytes and takes no others; permanent
    └── RegistryError             a registry answered with an error
        ├── Unauthorized          401: the credentials are not accepted
        │   └── Denied            403: they are accepted, and lack a permission
        ├── NotFound              404; permanent where the registry itself said so (`explained`)
        │   └── ChildAbsent       404 for what an index lists, which may come yet; parked after a few
        ├── BlobsUnknown          400 MANIFEST_BLOB_UNKNOWN: names everything that is missing
        ├── Refused               any other 4xx, 501 and 505: the same
        │   └── ArrivedWrong      DIGEST_INVALID, SIZE_INVALID: what arrived is not what was sent; parked after a few
        └── RegistryUnavailable   408, 429, 5xx, no connection: the registry is held until `retry_after`
            ├── ReadOnly          405 to a write: maintenance, until it ends
            └── OutcomeUnknown    a write that may still land
```

The class says whether to try again (`retryable`), never a match on a text. No message holds a token, a header, a
presigned URL or a password.

Exceptions that are no error of Geosync's are not in the tree: they steer one module or one folder, no caller of it sees
them, and their docstrings say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class GeosyncError(Exception):
    """The root. `retryable`: the same request can succeed later without anybody changing anything."""

    retryable: ClassVar[bool] = False


class ConfigurationError(GeosyncError):
    """A setting, a secret or a certificate is missing or wrong; the message names it and the way out."""


class MessageError(GeosyncError):
    """A message that no later attempt can process; it belongs in the DLQ with `str(self)` as the reason."""


class MalformedMessage(MessageError):
    """Not the JSON, or not the fields, that the message contract asks for."""


class UnknownVersion(MessageError):
    """A contract version newer than this code: kept in the DLQ until the site is upgraded."""


class KeysUnavailable(GeosyncError):
    """Google's keys could not be fetched, and none are at hand: the push must come again."""

    retryable = True


class SecretUnreadable(GeosyncError):
    """Secrets Manager throttles, fails or refuses to give a secret; `registry` is the one that it is of."""

    retryable = True

    def __init__(self, registry: str, reason: object) -> None:
        self.registry = registry
        super().__init__(f"{registry}: its secret cannot be read: {reason}")


class NotPublished(GeosyncError):
    """Not every event is both in the event log and on the topic. Sending all of them again is safe."""

    retryable = True


class NotMarked(GeosyncError):
    """A message could neither be carried out nor be put into the DLQ: it must come again."""

    retryable = True


class NotSent(GeosyncError):
    """SQS did not take everything that was sent; nothing is lost, since what is due stays due."""

    retryable = True


class HeartbeatFailed(GeosyncError):
    """The primary's own notification endpoint did not take its heartbeat: it would not take a notification either."""

    retryable = True


class ReportFailed(GeosyncError):
    """The primary did not take this site's status: it shows the site as late, and the next minute tries again."""

    retryable = True


class AdminApiUnavailable(GeosyncError):
    """A site's admin API did not answer, or throttles."""

    retryable = True


class AdminApiRefused(GeosyncError):
    """A site's admin API refused a question: another site's token, no such route, a site of another role."""


class SiteRefused(GeosyncError):
    """A primary cannot expect a site: it has another one's name or id, or is one too many."""


class NotAudited(GeosyncError):
    """The audit log cannot be written, so the action is not carried out."""

    retryable = True


class DrillRefused(GeosyncError):
    """A drill cannot begin now, and nothing was done: a pause, an outage, or another drill. Or no report is kept."""


class NotDrained(GeosyncError):
    """Somebody still copies at the site, so that its role must not change yet."""

    retryable = True


class RoleChanging(GeosyncError):
    """The site is paused by a command that changes its role; the message names the command, and the way out."""

    retryable = True


class UpdateRefused(GeosyncError):
    """CloudFormation did not carry out the update; the stack is as it was."""


class UpdateUnderWay(GeosyncError):
    """An update was begun, and nobody can tell how it ends."""

    retryable = True


class OutOfTime(GeosyncError):
    """Less than the margin is left in this invocation; the next one goes on. Not counted as a failure."""

    retryable = True


class LeaseLost(GeosyncError):
    """The repository's lease is no longer ours: stop, write nothing more."""

    retryable = True


class SyncRegistryError(GeosyncError):
    """The sync registry could not be read or written as the protocol asks."""


class CorruptItem(SyncRegistryError):
    """An item of the sync registry holds what no version of Geosync writes, most likely an edit by hand; permanent."""

    def __init__(self, repository: str, item: str, attribute: str, what: str) -> None:
        self.repository, self.item, self.attribute = repository, item, attribute
        super().__init__(f"sync registry: repository {repository}: item {item}: {attribute} {what}")


class ConditionFailed(SyncRegistryError):
    """The condition of a write did not hold. Nothing was written.

    `key` is the item's: its `repository` and its name there. `item` is its content then, None when there was none.
    """

    def __init__(self, key: tuple[str, str], item: Mapping[str, Any] | None) -> None:
        self.key, self.item = key, item
        self.repository, name = key
        super().__init__(f"sync registry: {self.repository}: {name}: somebody else was faster")


class TransactionFailed(SyncRegistryError):
    """Conditions of a transaction did not hold; nothing was written.

    `failed` maps the position of each such change to the item's content then, None when there was none.
    """

    def __init__(self, failed: Mapping[int, Mapping[str, Any] | None]) -> None:
        self.failed = dict(failed)
        super().__init__("sync registry: a transaction's conditions did not hold")


class Contended(SyncRegistryError):
    """Other writers were faster too many times in a row; nothing was written."""

    retryable = True


class ReplicationError(GeosyncError):
    """One reference could not be replicated; the others go on."""


class HolderVanished(ReplicationError):
    """The function vanished while it worked on the reference: out of memory, or killed."""

    retryable = True


class LayerUnfinished(ReplicationError):
    """A layer had most of an invocation and got no further; the message says which, how far, and why."""

    retryable = True


class Archived(ReplicationError):
    """A registry lists the image and does not serve it: it is neither absent nor to be written anew.

    Only its operator can restore it; trying again does not help.
    """

    def __init__(self, registry: str, reference: str) -> None:
        super().__init__(
            f"{reference} is archived at {registry}, which lists it and does not serve it: restore it there "
            "(aws ecr update-image-storage-class --target-storage-class STANDARD), then geosync resync"
        )


class SecondaryDisagrees(ReplicationError):
    """The secondary's registry accepted a write and shows something else: somebody else writes there, or it lies."""

    retryable = True


class ContentError(ReplicationError):
    """Content from a registry contradicts itself; trying again helps only where it broke on its way."""


class DigestMismatch(ContentError):
    """The bytes read do not hash to the digest they were asked by."""


class SizeMismatch(ContentError):
    """The bytes read are more or fewer than the descriptor or the response said."""


class TooLarge(ContentError):
    """More bytes than the bound for this kind of content (manifest 4 MiB, token 64 KiB, page 8 MiB)."""


class MalformedManifest(ContentError):
    """Not a manifest of any format known here, or one that contains itself."""


class BrokenAtDestination(ReplicationError):
    """The destination keeps wrong bytes under a digest, also after it took the right ones; permanent."""

    def __init__(self, registry: str, digest: str) -> None:
        self.registry = registry
        self.digest = digest
        super().__init__(
            f"{digest} is wrong at {registry}, which takes no other bytes for it: remove it from its storage, "
            "then geosync resync"
        )


class RegistryError(ReplicationError):
    """A registry's answer to one request was not a success.

    `registry` is the registry's name as configured (host and port), `request` the method and the path without query,
    `status` the HTTP status (None when no response came), `codes` the OCI error codes of the body (distribution-spec,
    "Error Codes"), `detail` the first message of the body, cut and redacted. `explained`: the registry itself said so.
    """

    def __init__(
        self,
        registry: str,
        request: str,
        *,
        status: int | None = None,
        codes: Sequence[str] = (),
        detail: str = "",
        explained: bool = True,
    ) -> None:
        self.registry, self.request = registry, request
        self.status = status
        self.codes = tuple(codes)
        self.detail = detail
        self.explained = explained
        answer = " ".join(part for part in (str(status or ""), *self.codes, detail) if part)
        super().__init__(f"{registry}: {request}: {answer or 'no response'}")


class Unauthorized(RegistryError):
    """401 (403: Denied). Retryable: the operator mends credentials or the registry's trust, and the backlog goes on."""

    retryable = True


class Denied(Unauthorized):
    """403: the registry knows who asks, and that they may not. The message names what to grant."""


class NotFound(RegistryError):
    """404 where the thing must exist."""


class ChildAbsent(NotFound):
    """404 for an entry of an index: it may come later, or never."""


class BlobsUnknown(RegistryError):
    """400 MANIFEST_BLOB_UNKNOWN: `missing` holds every digest that the registry named (children and blobs).

    `detail` is what is known of them, in place of the first three.
    """

    retryable = True

    def __init__(self, registry: str, request: str, missing: Sequence[str], *, detail: str = "") -> None:
        detail = detail or ", ".join(missing[:3])
        super().__init__(registry, request, status=400, codes=("MANIFEST_BLOB_UNKNOWN",), detail=detail)
        self.missing = tuple(missing)


class Refused(RegistryError):
    """Any other 4xx: MANIFEST_INVALID, UNSUPPORTED, TAG_INVALID, too large. Permanent where it is `explained`."""


class ArrivedWrong(Refused):
    """DIGEST_INVALID or SIZE_INVALID: the registry got other bytes than were sent, which were proved here."""


class RegistryUnavailable(RegistryError):
    """408, 429, 5xx or no connection. `retry_after` is in seconds, None when the registry named none."""

    retryable = True

    def __init__(
        self,
        registry: str,
        request: str,
        *,
        status: int | None = None,
        codes: Sequence[str] = (),
        detail: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(registry, request, status=status, codes=codes, detail=detail)
        self.retry_after = retry_after


class ReadOnly(RegistryUnavailable):
    """405 to a write. `everywhere`: the registry takes none at all; else it may be about this repository alone."""

    def __init__(self, registry: str, request: str, *, codes: Sequence[str] = (), everywhere: bool) -> None:
        what = "the registry is" if everywhere else "the repository, or the registry, is"
        detail = f"{what} read-only: for maintenance, perhaps. It goes on when writes are taken again"
        super().__init__(registry, request, status=405, codes=codes, detail=detail)
        self.everywhere = everywhere


class OutcomeUnknown(RegistryUnavailable):
    """A write that was sent and not answered: it may have landed, or may land later."""
