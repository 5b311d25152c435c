"""Our copy between two registries that have a bucket each, as a holder makes it: by S3, or streamed."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from geosync.copying.copy import Copier
from geosync.copying.route import Route
from geosync.copying.s3.calls import S3Calls
from geosync.copying.s3.copier import S3Copier
from geosync.copying.s3.copies import ProvedCopies
from geosync.copying.s3.layout import Bucket
from geosync.oci.credentials import Anonymous
from geosync.oci.deadline import Deadline
from geosync.oci.repository import Repository
from geosync.pair.pair import Pair
from geosync.registries.registry import Registry

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

INVOCATION_S = 900.0
"""Seconds of an invocation of AWS Lambda."""


class BucketCopies:
    """What a function has for it: clients of both registries, and the calls to S3."""

    def __init__(self, urls: tuple[str, str], s3_url: str, buckets: tuple[Bucket, Bucket]) -> None:
        self._deadline = Deadline()
        self._registries = (
            Registry(urls[0], Anonymous(), deadline=self._deadline),
            Registry(urls[1], Anonymous(), deadline=self._deadline, writes=True),
        )
        self._s3 = S3Copier(ProvedCopies(client(s3_url), *buckets, calls=S3Calls()), deadline=self._deadline)

    def copy(self, name: str, tag: str, *, by_s3: bool, given_s: float = INVOCATION_S) -> float:
        """Copy a tag, and see it; returns the seconds. Raises SystemExit where it was not copied as asked for."""
        self._deadline.set(given_s)
        started = time.perf_counter()
        pair = Pair(*(Repository(one, name) for one in self._registries))
        manifest = pair.primary.get_manifest(tag)
        assert manifest is not None, "it was pushed"  # noqa: S101
        with Copier(Route(pair=pair, s3=self._s3 if by_s3 else None, is_new=True), tag_write=nullcontext) as copier:
            copier.copy(manifest, tag)
        seconds = time.perf_counter() - started
        seen = pair.secondary.head_manifest(tag)
        if seen is None or seen.digest != manifest.digest:
            raise SystemExit(f"{name} was not copied")
        if reasons := self._s3.outcome().reasons:
            raise SystemExit(f"S3 did not copy: {reasons[0]}")
        return seconds


def client(s3_url: str) -> S3Client:
    """Make a client of a local S3, with the time-outs of functions/sync."""
    return boto3.client(
        "s3",
        endpoint_url=s3_url,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - the emulator takes any
        config=Config(read_timeout=300, max_pool_connections=64),
    )


def wipe(client: S3Client, bucket: Bucket) -> None:
    """Delete all that a registry has in its bucket."""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket.name, Prefix="docker/"):
        for one in page.get("Contents", ()):
            client.delete_object(Bucket=bucket.name, Key=one["Key"])
