"""One object that S3 copies from bucket to bucket: it is there only once it is proved, and whole.

A registry takes whatever lies under a blob's key for the blob (Distribution's blobWriter.moveBlob), also when it is
pushed anew. So nothing appears there unproved: each copy is a multipart upload, and S3 says what its parts hash to
before it is completed (Amazon S3 API Reference, UploadPartCopy: CopyPartResult.ChecksumSHA256).

    up to 5 GiB      one part; its SHA-256, which S3 computes, is the digest
    more than that   parts side by side; the copy's full-object CRC-64/NVME is the source's, and the size is the same.
                     S3 compares both as it completes the upload (CompleteMultipartUpload: x-amz-checksum-crc64nvme,
                     x-amz-mp-object-size)

S3 computes no SHA-256 of a whole object of several parts (User Guide, "Checking object integrity in Amazon S3").
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from geosync.copying.s3.calls import POLL_S, S3Calls
from geosync.copying.s3.layout import Bucket, link_content
from geosync.errors import GeosyncError
from geosync.oci.manifests import Descriptor

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MIB = 1024 * 1024
PARTS_AT_ONCE = 8
"""Parts of one layer that S3 copies side by side."""
MOST_PARTS = 10_000
"""Amazon S3 User Guide, "Amazon S3 multipart upload limits"."""
ABORT_S = 2.0
"""Seconds that the end of an upload which failed may take; after that its bucket's lifecycle rule ends it."""

Check = Callable[[], None]
Algorithm = Literal["SHA256", "CRC64NVME"]


class NotCopied(GeosyncError):
    """S3 did not copy an object, or did not prove the copy; no caller of the copier sees this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSizes:
    """Sizes in bytes: of the largest object that is one part, and of a part of larger ones."""

    single: int = 5 * 1024 * MIB
    """The largest part that there is ("Amazon S3 multipart upload limits")."""
    part: int = 256 * MIB

    def of(self, size: int) -> int:
        """The size of a part of an object of `size` bytes."""
        return max(self.part, -(-size // MOST_PARTS))


class ProvedCopies:
    """Copies blobs between two buckets of registries. Thread-safe.

    The calls go to the destination's region, except for one to the source's about an object of several parts.
    """

    def __init__(
        self,
        client: S3Client,
        source: Bucket,
        destination: Bucket,
        *,
        calls: S3Calls,
        sizes: PartSizes | None = None,
    ) -> None:
        self._client: Any = client  # boto3's types know no keywords that are put together
        self._source = source
        self._destination = destination
        self._calls = calls
        self._sizes = sizes or PartSizes()

    def copy(self, blob: Descriptor, check: Check) -> None:
        """Have the bytes of `blob` under its key in the destination.

        `check` is called while S3 works; what it raises ends the call. Raises NotCopied where the copy was not proved:
        then nothing appears under the key. Raises what boto3 raises.
        """
        if blob.size <= self._sizes.single:
            self._copy_whole(blob, check)
        else:
            self._copy_in_parts(blob, check)

    def put(self, key: str, content: bytes, check: Check) -> None:
        """Put a small object into the destination; raises as `copy`."""
        target = {"Bucket": self._destination.name, "Key": key}
        self._call(partial(self._client.put_object, **target, Body=content), check)

    def delete(self, key: str, check: Check) -> None:
        """Delete an object of the destination; raises as `copy`."""
        self._call(partial(self._client.delete_object, Bucket=self._destination.name, Key=key), check)

    def link(self, repository: str, digest: str, check: Check) -> str:
        """Write the file by which a repository of the destination has a blob; returns its key. Raises as `put`."""
        key = self._destination.link_key(repository, digest)
        self.put(key, link_content(digest), check)
        return key

    def data_key(self, digest: str) -> str:
        """The key of a blob's bytes in the destination."""
        return self._destination.data_key(digest)

    def _copy_whole(self, blob: Descriptor, check: Check) -> None:
        expected = base64.b64encode(bytes.fromhex(blob.digest.partition(":")[2])).decode()
        with self._upload(blob, check, ChecksumAlgorithm="SHA256") as upload:
            (part,) = self._copy_parts(blob, upload, [{}], check)
            if part.get("ChecksumSHA256") != expected:
                what = "another SHA-256" if part.get("ChecksumSHA256") else "no SHA-256"
                raise NotCopied(f"S3 says {what} of the copy of {blob.digest}")
            self._complete(upload, [_listed(1, part, "SHA256")], check)

    def _copy_in_parts(self, blob: Descriptor, check: Check) -> None:
        source = {"Bucket": self._source.name, "Key": self._source.data_key(blob.digest)}
        head = self._call(partial(self._client.head_object, **source, ChecksumMode="ENABLED"), check)
        checksum = head.get("ChecksumCRC64NVME")
        if not checksum or head.get("ChecksumType") != "FULL_OBJECT":
            raise NotCopied(f"the primary's bucket has no full-object CRC-64/NVME of {blob.digest}")
        there, etag = _required(head, "ContentLength"), _required(head, "ETag")
        if there != blob.size:
            raise NotCopied(f"the primary's bucket has {there} bytes of {blob.digest}, not {blob.size}")
        step = self._sizes.of(blob.size)
        ranges = [
            {
                "CopySourceRange": f"bytes={start}-{min(start + step, blob.size) - 1}",
                "CopySourceIfMatch": etag,
            }
            for start in range(0, blob.size, step)
        ]
        with self._upload(blob, check, ChecksumAlgorithm="CRC64NVME", ChecksumType="FULL_OBJECT") as upload:
            parts = self._copy_parts(blob, upload, ranges, check)
            if not all(part.get("ChecksumCRC64NVME") for part in parts):
                raise NotCopied(f"S3 says no CRC-64/NVME of the copy of {blob.digest}")
            listed = [_listed(number, part, "CRC64NVME") for number, part in enumerate(parts, 1)]
            whole = {"ChecksumCRC64NVME": checksum, "ChecksumType": "FULL_OBJECT", "MpuObjectSize": blob.size}
            self._complete(upload, listed, check, **whole)

    @contextmanager
    def _upload(self, blob: Descriptor, check: Check, **more: Any) -> Iterator[dict[str, str]]:
        """Begin an upload, and end it without an object where the block fails."""
        target = {"Bucket": self._destination.name, "Key": self._destination.data_key(blob.digest)}
        begin = partial(self._client.create_multipart_upload, **target, ContentType="application/octet-stream", **more)
        upload = {**target, "UploadId": _required(self._call(begin, check), "UploadId")}
        try:
            yield upload
        except BaseException:
            self._abort(upload)
            raise

    def _copy_parts(
        self, blob: Descriptor, upload: Mapping[str, str], ranges: Sequence[Mapping[str, str]], check: Check
    ) -> list[Mapping[str, Any]]:
        source = {"Bucket": self._source.name, "Key": self._source.data_key(blob.digest)}
        copy = partial(self._client.upload_part_copy, **upload, CopySource=source)
        calls = [partial(copy, PartNumber=number, **one) for number, one in enumerate(ranges, 1)]
        return [_required(one, "CopyPartResult") for one in self._calls.run(calls, check, at_once=PARTS_AT_ONCE)]

    def _complete(self, upload: Mapping[str, str], parts: list[dict[str, Any]], check: Check, **more: Any) -> None:
        complete = partial(self._client.complete_multipart_upload, **upload, MultipartUpload={"Parts": parts}, **more)
        self._call(complete, check)

    def _abort(self, upload: Mapping[str, str]) -> None:
        polls = 0

        def check() -> None:
            nonlocal polls
            polls += 1
            if polls * POLL_S >= ABORT_S:
                raise NotCopied("the upload was not ended")

        with suppress(BotoCoreError, ClientError, NotCopied):
            self._call(partial(self._client.abort_multipart_upload, **upload), check)

    def _call(self, call: Callable[[], Any], check: Check) -> Any:
        return self._calls.run([call], check)[0]


def _listed(number: int, part: Mapping[str, Any], algorithm: Algorithm) -> dict[str, Any]:
    name = f"Checksum{algorithm}"
    return {"PartNumber": number, "ETag": _required(part, "ETag"), name: _required(part, name)}


def _required(answer: Mapping[str, Any], name: str) -> Any:
    """Return what an answer of S3 must have; raises NotCopied (storage that only speaks its API may leave it out)."""
    if answer.get(name) is None:
        raise NotCopied(f"S3's answer has no {name}")
    return answer[name]
