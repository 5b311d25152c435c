"""Wrong content of a registry is parked after five attempts with its reason; the rest goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.integration.secondary import Secondary, pushed
from tests.support.images import OCI_INDEX, ImageMaker, Made, digest_of, encode
from tests.support.proxy import Status

from geosync.copying.parts import MAX_DEPTH
from geosync.sync_registry.items import FAILED

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OTHER = f"sha256:{'0' * 64}"


Bad = tuple[Made, list[Status]]
"""What was pushed under the tag `bad`, and what the primary does to whoever asks for it."""


def manifest(body: bytes, reference: str = "bad", **headers: str) -> Status:
    """The fault by which the primary answers a request for the manifest of `bad`, or of another reference."""
    given = {"Content-Type": MANIFEST, **headers}
    return Status(
        method="GET", target=re.compile(f"/manifests/{reference}"), status=200, headers=given, body=body, times=99
    )


def layer(made: Made, body: bytes) -> Status:
    """The fault by which the primary answers a request for the image's layer."""
    target = re.compile(made.blobs[-1])
    return Status(method="GET", kind="blob", target=target, status=200, body=body, times=99)


def size_of_the_layer(made: Made) -> int:
    return int(json.loads(made.content)["layers"][-1]["size"])


def served(answer: Callable[[Made], Status]) -> Callable[[ImageMaker, str], Bad]:
    """An image that the primary serves as `answer` says."""

    def push(make: ImageMaker, repository: str) -> Bad:
        made = make.image(repository, "bad", layers=1, size=2000)
        return made, [answer(made)]

    return push


def looped(make: ImageMaker, repository: str) -> Bad:
    """An index that lists an index that lists the first: such digests cannot be found, so one of the two lies."""
    first = index(OTHER)
    second = index(digest_of(first))
    made = replace(make.image(repository, "bad", layers=0), digest=digest_of(first))
    kind = {"Content-Type": OCI_INDEX}
    return made, [manifest(first, **kind), manifest(second, OTHER, **kind), manifest(first, digest_of(first), **kind)]


def nested_too_deep(make: ImageMaker, repository: str) -> Bad:
    """An index of an index, and so on, deeper than the bound."""
    made = make.image(repository, layers=1)
    for level in range(MAX_DEPTH + 1):
        made = make.index_of(repository, "bad" if level == MAX_DEPTH else None, [made])
    return made, []


def many(count: int) -> bytes:
    """An image of so many layers, each with the fewest bytes that a descriptor takes."""
    layers = b",".join(b'{"digest":"sha256:%064x"}' % number for number in range(count))
    return b'{"config":{"digest":"%s"},"layers":[%s]}' % (OTHER.encode(), layers)


def below_a_good_one(bad: bytes) -> Callable[[ImageMaker, str], Bad]:
    """An index of a good image and of this bad one."""

    def push(make: ImageMaker, repository: str) -> Bad:
        child = {"mediaType": MANIFEST, "digest": digest_of(bad), "size": len(bad)}
        listed = [make.image(repository, layers=1).descriptor, child]
        whole = encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed})
        made = replace(make.image(repository, "bad", layers=0), digest=digest_of(whole))
        return made, [manifest(whole, **{"Content-Type": OCI_INDEX}), manifest(bad, digest_of(bad))]

    return push


SOME = b'{"digest":"%s"}' % OTHER.encode()
LAYER_OF_MD5 = b'{"config":%s,"layers":[%s,{"digest":"md5:0"}]}' % (SOME, SOME)
NESTED = b'{"config":%s,"layers":[],"x":%s1%s}' % (SOME, b"[" * 20_000, b"]" * 20_000)


def index(digest: str) -> bytes:
    listed = [{"mediaType": OCI_INDEX, "digest": digest, "size": 200}]
    return encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed})


CASES: dict[str, tuple[Callable[[ImageMaker, str], Bad], str]] = {
    "a manifest over 4 MiB": (served(lambda made: manifest(b" " * (4 * 1024 * 1024 + 1))), "4194304"),
    "a manifest that is another": (
        served(lambda made: manifest(made.content, **{"Docker-Content-Digest": OTHER})),
        OTHER,
    ),
    "a manifest that is no JSON": (
        served(lambda made: manifest(b"<html>")),
        f"{digest_of(b'<html>')}: the manifest is not JSON",
    ),
    "a manifest that breaks off": (served(lambda made: manifest(made.content[:-1])), "the manifest is not JSON"),
    "a digest of another algorithm": (
        served(lambda made: manifest(LAYER_OF_MD5)),
        f"{digest_of(LAYER_OF_MD5)}: layers[1]: 'md5:0' is no sha256, sha384 or sha512 digest",
    ),
    "a child with a digest of another algorithm": (
        below_a_good_one(LAYER_OF_MD5),
        f"{digest_of(LAYER_OF_MD5)}: layers[1]: 'md5:0' is no sha256, sha384 or sha512 digest",
    ),
    "a child that is no JSON": (below_a_good_one(b"[" * 50), f"{digest_of(b'[' * 50)}: the manifest is not JSON"),
    "JSON that is nested without end": (
        served(lambda made: manifest(NESTED)),
        f"{digest_of(NESTED)}: the manifest is nested deeper than 10000",
    ),
    "100,000 descriptors": (served(lambda made: manifest(many(100_000))), "/manifests/bad: a manifest of 85"),
    "as many descriptors as a manifest has room for": (
        served(lambda made: manifest(many(48_000))),
        f"{digest_of(many(48_000))}: it refers to more than 10000 manifests and blobs",
    ),
    "a layer of other bytes": (served(lambda made: layer(made, b"x" * size_of_the_layer(made))), "hash"),
    "a layer that is longer than it says": (served(lambda made: layer(made, b"x" * 90_000)), "bytes"),
    "a descriptor loop": (looped, "hashes to"),
    "an index that is nested too deep": (nested_too_deep, f"nested deeper than {MAX_DEPTH}"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_reference_with_bad_content_is_parked_with_its_reason_and_the_others_arrive(
    secondary: Secondary, make: ImageMaker, repository: str, case: str
) -> None:
    push, reason = CASES[case]
    bad, faults = push(make, repository)
    good = make.image(repository, "good", layers=1)
    for fault in faults:
        secondary.primary_proxy.add(fault)
    secondary.receive(pushed(bad), pushed(good))
    secondary.sweep_until(lambda: [one.parked for one in secondary.owed(repository)] == [True], passing=100)
    (owed,) = secondary.owed(repository)
    assert str(owed.reference) == "bad"
    assert (owed.attempts, owed.doubts) == (5, 5)
    assert (owed.failure or "").startswith("in 5 attempts: ")
    # Where the tag's HEAD said another digest, an attempt looks at it once more.
    assert all(fault.seen <= 2 * 5 for fault in faults)
    assert reason in (owed.failure or ""), owed.failure
    assert secondary.digest(repository, "good") == good.digest
    assert secondary.digest(repository, "bad") is None
    row = secondary.row(repository)
    assert row.state == FAILED
    assert "bad" in (row.last_sync_failure or "")
    (letter,) = secondary.dlq.messages
    assert reason in letter["MessageAttributes"]["reason"]["StringValue"]
