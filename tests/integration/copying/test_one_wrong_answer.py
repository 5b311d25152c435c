"""A single wrong answer parks nothing for good: the image is tried again, and arrives without an operator."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.integration.conftest import Place
from tests.integration.secondary import TIMING, Secondary, pushed
from tests.support.images import ImageMaker, Made
from tests.support.proxy import Status

from geosync.sync_registry.items import FAILED, SYNCED, Reference

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
PLAIN = {"Content-Type": "text/plain"}
BROKE = b'{"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match uploaded content"}]}'
API = {"Docker-Distribution-Api-Version": "registry/2.0"}


def flipped(content: bytes) -> bytes:
    """The same bytes but for one bit in the middle."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def manifest(made: Made, body: bytes, **headers: str) -> Status:
    return Status(method="GET", kind="tag", status=200, headers={"Content-Type": MANIFEST, **headers}, body=body)


def flipped_manifest(made: Made) -> Status:
    return manifest(made, flipped(made.content), **{"Docker-Content-Digest": made.digest})


def flipped_layer(made: Made) -> Status:
    layer = json.loads(made.content)["layers"][-1]
    return Status(method="GET", target=re.compile(layer["digest"]), status=200, body=b"x" * layer["size"])


WRONG: dict[str, tuple[str, Callable[[Made], Status]]] = {
    "a flipped manifest": ("primary", flipped_manifest),
    "a manifest that breaks off": ("primary", lambda made: manifest(made, made.content[:-9])),
    "a flipped layer": ("primary", flipped_layer),
    **{
        f"{status} without an error of a registry": (
            "primary",
            lambda _, status=status: Status(method="GET", kind="tag", status=status, headers=PLAIN, body=b"no\n"),  # type: ignore[misc]
        )
        for status in (202, 300, 400, 404, 405, 410, 413, 501)
    },
    "a 206 that names the API": ("primary", lambda _: Status(method="GET", kind="tag", status=206, headers=API)),
    "a 404 for a layer": ("primary", lambda _: Status(method="GET", kind="blob", status=404, headers=PLAIN, body=b"-")),
    "a 413 to a layer": ("secondary", lambda _: Status(method="PUT", kind="upload", status=413, headers=PLAIN)),
    "a layer that broke on its way": (
        "secondary",
        lambda _: Status(method="PUT", kind="upload", status=400, body=BROKE),
    ),
    "a 400 to a manifest": ("secondary", lambda _: Status(method="PUT", kind="tag", status=400, headers=PLAIN)),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_after_one_wrong_answer_the_image_arrives_by_itself(
    secondary: Secondary, make: ImageMaker, repository: str, wrong: str
) -> None:
    where, answer = WRONG[wrong]
    made = make.image(repository, "v1", layers=1)
    proxy = secondary.primary_proxy if where == "primary" else secondary.secondary_proxy
    fault = answer(made)
    proxy.add(fault)
    secondary.receive(pushed(made))
    secondary.sweep_until(lambda: secondary.row(repository).state == SYNCED, passing=20)
    assert fault.seen, "the wrong answer was given"
    assert secondary.digest(repository, "v1") == made.digest
    assert not secondary.dlq.messages


def test_a_manifest_that_is_always_wrong_is_read_five_times_and_then_parked(
    secondary: Secondary, make: ImageMaker, repository: str
) -> None:
    bad = make.image(repository, "bad", layers=1)
    lie = manifest(bad, flipped(bad.content), **{"Docker-Content-Digest": bad.digest})
    lie.target, lie.times = re.compile("/manifests/bad"), 99
    secondary.primary_proxy.add(lie)
    secondary.receive(pushed(bad))
    for _ in range(4):
        (owed,) = secondary.owed(repository)
        assert not owed.parked
        good = make.image(repository, f"good-{owed.attempts}", layers=1)
        secondary.receive(pushed(good))
        assert secondary.digest(repository, good.reference) == good.digest, "the others go on"
        secondary.have_passed(3700)
        secondary.sweep()
    (owed,) = secondary.owed(repository)
    assert (str(owed.reference), owed.parked, owed.attempts) == ("bad", True, 5)
    assert re.match("in 5 attempts: .*hashes to", owed.failure or ""), owed.failure
    (letter,) = secondary.dlq.messages
    assert letter["MessageAttributes"]["reason"]["StringValue"].startswith("in 5 attempts: ")
    assert secondary.row(repository).state == FAILED
    secondary.have_passed(3 * 86_400)
    secondary.sweep()
    assert lie.seen == 5, "what is parked costs nothing more"
    secondary.primary_proxy.reset()
    secondary.sync_registry.mark(repository, Reference.tag("bad"))
    secondary.sweep_until(lambda: secondary.row(repository).state == SYNCED)
    assert secondary.digest(repository, "bad") == bad.digest


def test_an_error_of_a_proxy_parks_nothing_sooner_than_a_failure_does(
    plain_registry: Place, second_registry: Place, make: ImageMaker, repository: str
) -> None:
    secondary = Secondary(plain_registry, second_registry, timing=replace(TIMING, max_attempts=9))
    made = make.image(repository, "v1", layers=1)
    refusal = Status(method="PUT", kind="tag", status=400, headers=PLAIN, body=b"no\n", times=99)
    secondary.secondary_proxy.add(refusal)
    secondary.receive(pushed(made))
    secondary.sweep_until(lambda: secondary.owed(repository)[0].parked, passing=3700)
    (owed,) = secondary.owed(repository)
    assert (owed.attempts, owed.doubts, refusal.seen) == (9, 0, 9)
    assert "an answer that is not a registry's" in (owed.failure or "")
    secondary.close()


def test_a_registrys_own_refusal_parks_at_once(secondary: Secondary, make: ImageMaker, repository: str) -> None:
    made = make.image(repository, "v1", layers=1)
    body = b'{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid"}]}'
    secondary.secondary_proxy.add(Status(method="PUT", kind="tag", status=400, body=body))
    secondary.receive(pushed(made))
    (owed,) = secondary.owed(repository)
    assert (owed.attempts, owed.parked) == (1, True)
