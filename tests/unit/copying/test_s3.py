"""Copies inside S3 without an S3: keys, calls side by side, and when S3 is asked at all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.moved_clock import MovedClock
from tests.unit.copying.fakes import FakeRegistry, digest_of

from geosync.copying.s3.calls import S3Calls
from geosync.copying.s3.copier import REST_S, AnotherWay, S3Copier
from geosync.copying.s3.copies import MIB, MOST_PARTS, NotCopied, PartSizes
from geosync.copying.s3.layout import Bucket, has_place, link_content
from geosync.copying.s3.showing import REPOSITORY
from geosync.errors import ConfigurationError, Denied, LayerUnfinished, OutOfTime, RegistryUnavailable
from geosync.oci.deadline import Deadline
from geosync.oci.manifests import Descriptor
from geosync.oci.repository import Repository
from geosync.oci.uploads import Upload
from geosync.pair.pair import Pair
from geosync.registries.registry import Registry

DIGEST = digest_of(b"layer")
HEX = DIGEST.partition(":")[2]
NAME = "team/app"
PATH = "docker/registry/v2"


def blob(size: int, digest: str = DIGEST) -> Descriptor:
    return Descriptor(media_type="", digest=digest, size=size)


@pytest.mark.parametrize("text", ["layers", "layers/a", "layers/a/b_c.d-e"])
def test_keys_are_those_of_distribution_below_the_root(text: str) -> None:
    bucket = Bucket.parse(text)
    start = f"{text.partition('/')[2]}/{PATH}".lstrip("/")
    assert bucket.name == "layers"
    assert bucket.data_key(DIGEST) == f"{start}/blobs/sha256/{HEX[:2]}/{HEX}/data"
    assert bucket.link_key("team/app", DIGEST) == f"{start}/repositories/team/app/_layers/sha256/{HEX}/link"
    assert link_content(DIGEST) == DIGEST.encode()


@pytest.mark.parametrize("text", ["", "Layers", "layers/", "/layers", "s3://layers", "layers//a", "layers/*"])
def test_a_malformed_bucket_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        Bucket.parse(text)


def test_nothing_but_a_repository_and_a_digest_gets_into_a_key() -> None:
    with pytest.raises(ValueError, match="repository"):
        Bucket("layers").link_key("../app", DIGEST)
    with pytest.raises(ValueError, match="digest"):
        Bucket("layers").data_key("sha256:../..")
    assert not has_place("sha512:" + "a" * 128)


@pytest.mark.parametrize("size", [5 * 1024 * MIB + 1, 10**12, 5 * 10**13])
def test_a_layer_of_any_size_has_at_most_so_many_parts(size: int) -> None:
    assert -(-size // PartSizes().of(size)) <= MOST_PARTS


def test_calls_run_side_by_side_within_their_bound_and_answer_in_their_order() -> None:
    lock, running, most = threading.Lock(), 0, 0
    both = threading.Barrier(3)

    def call(number: int) -> Callable[[], int]:
        def run() -> int:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            both.wait(60)  # three at a time, or nobody gets on
            with lock:
                running -= 1
            return number

        return run

    assert S3Calls().run([call(number) for number in range(9)], lambda: None, at_once=3) == list(range(9))
    assert most == 3


def test_the_first_error_begins_no_other_call() -> None:
    begun: list[int] = []

    def call(number: int) -> Callable[[], None]:
        def run() -> None:
            begun.append(number)
            raise NotCopied("no")

        return run

    with pytest.raises(NotCopied):
        S3Calls().run([call(number) for number in range(5)], lambda: None)
    assert begun == [0]


def test_nobody_waits_for_a_call_when_time_is_over() -> None:
    hangs, goes_on, ended = threading.Event(), threading.Event(), threading.Event()
    begun: list[int] = []

    def hang() -> None:
        begun.append(0)
        hangs.set()
        goes_on.wait(60)
        ended.set()

    def check() -> None:
        assert hangs.wait(60)  # else no call begins at all
        raise OutOfTime("over")

    with pytest.raises(OutOfTime):
        S3Calls().run([hang, hang], check)
    goes_on.set()
    assert ended.wait(60)
    assert begun == [0]


class FakeCopies:
    """Copies that take their time: the clock moves by so many seconds, and the wait is asked."""

    def __init__(self, clock: MovedClock, seconds: float = 0.0) -> None:
        self.copied: list[str] = []
        self.sizes: dict[str, int] = {}
        self._clock = clock
        self._seconds = seconds

    def copy(self, wanted: Descriptor, check: Callable[[], None]) -> None:
        self._clock.ahead_s += self._seconds
        check()
        self.copied.append(wanted.digest)

    def put(self, key: str, content: bytes, check: Callable[[], None]) -> None:
        self.sizes[key] = len(content)

    def delete(self, key: str, check: Callable[[], None]) -> None:
        del self.sizes[key]

    def data_key(self, digest: str) -> str:
        return Bucket("layers").data_key(digest)

    def link_key(self, repository: str, digest: str) -> str:
        return Bucket("layers").link_key(repository, digest)

    def link(self, repository: str, digest: str, check: Callable[[], None]) -> str:
        key = self.link_key(repository, digest)
        self.put(key, link_content(digest), check)
        return key


class SizedRegistry(FakeRegistry):
    """Shows what was put into its bucket, and every layer with one size; `says` is its answer to a look instead."""

    def __init__(self, copies: FakeCopies, size: int) -> None:
        super().__init__()
        self._copies = copies
        self._size = size
        self.says: dict[str, Exception | None] = {}

    def head_blob(self, repository: str, digest: str) -> int | None:
        self._request("HEAD", repository)
        if repository in self.says:
            if (error := self.says[repository]) is not None:
                raise error
            return None
        if repository == REPOSITORY and self._copies.link_key(repository, digest) in self._copies.sizes:
            return self._copies.sizes[self._copies.data_key(digest)]
        return self._size


class Case:
    """A copier whose time is a test's, in an invocation that was given `given_s` seconds and has `left_s`."""

    def __init__(self, *, given_s: float, left_s: float | None = None, seconds: float = 0.0) -> None:
        self.clock = MovedClock()
        deadline = Deadline(self.clock)
        deadline.set(given_s)
        self.clock.ahead_s += given_s - (given_s if left_s is None else left_s)
        self.copies = FakeCopies(self.clock, seconds)
        copies: Any = self.copies
        self.copier = S3Copier(copies, deadline=deadline)

    def bring(self, wanted: Descriptor, says: dict[str, Exception | None] | None = None) -> int | None:
        registry = SizedRegistry(self.copies, wanted.size)
        registry.says = says or {}
        pair = Pair(Repository(SizedRegistry(self.copies, wanted.size), NAME), Repository(registry, NAME))
        begun = Upload(repository=NAME, location="http://fake/upload")
        return self.copier.bring(wanted, pair, begin=lambda: begun, check=lambda: None)


def test_a_layer_that_fits_is_copied() -> None:
    case = Case(given_s=800)
    assert case.bring(blob(5 * 1024 * MIB)) == 0
    outcome = case.copier.outcome()
    assert (outcome.layers, outcome.copied_bytes) == (1, 5 * 1024 * MIB)
    assert case.copier.outcome().layers == 0


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        (blob(MIB), AnotherWay),
        (blob(-1), AnotherWay),
        (blob(100 * MIB, "sha512:" + "a" * 128), AnotherWay),
        (blob(10**13), AnotherWay),
        (blob(5 * 1024 * MIB), OutOfTime),
    ],
)
def test_a_layer_that_s3_does_not_copy_now_causes_no_request(wanted: Descriptor, error: type[Exception]) -> None:
    case = Case(given_s=800, left_s=60)
    with pytest.raises(error):
        case.bring(wanted)
    assert case.copies.copied == []


class Asked(Registry):
    """A registry that answers `GET /v2/` with a refusal, an error or nothing wrong."""

    def __init__(self, answer: str | Exception | None) -> None:
        self._answer = answer

    def storage_refusal(self) -> str | None:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.mark.parametrize(
    ("answer", "serves", "reasons"),
    [
        (None, True, ()),
        ("it has a database", False, ("it has a database",)),
        (OutOfTime("over"), False, ()),
        (RegistryUnavailable("fake:5000", "GET /v2/", detail="down"), False, ("down",)),
    ],
)
def test_a_registry_that_refuses_is_asked_once_and_said_once(
    answer: str | Exception | None, serves: bool, reasons: tuple[str, ...]
) -> None:
    case, registry = Case(given_s=800), Asked(answer)
    assert case.copier.serves(registry) is case.copier.serves(registry) is serves
    said = case.copier.outcome().reasons
    assert len(said) == len(reasons)
    assert all(reason in text for reason, text in zip(reasons, said, strict=True))


def test_a_copy_that_had_most_of_an_invocation_has_failed_and_a_shorter_one_has_not() -> None:
    with pytest.raises(LayerUnfinished, match="streamed from now on"):
        Case(given_s=800, seconds=801).bring(blob(100 * MIB))
    with pytest.raises(OutOfTime):
        Case(given_s=800, left_s=100, seconds=101).bring(blob(100 * MIB))


def test_a_registry_that_does_not_show_a_few_bytes_gets_no_layer_for_the_rest_of_the_process() -> None:
    case = Case(given_s=800)
    for _ in range(2):
        with pytest.raises(AnotherWay):
            case.bring(blob(100 * MIB), {REPOSITORY: None})
        case.clock.ahead_s += 2 * REST_S
        case.copier._deadline.set(800)
    assert case.copies.copied == []
    assert len(case.copies.sizes) == 1, "one proof, whose link is taken back"
    (reason,) = case.copier.outcome().reasons
    assert "does not show" in reason


def test_a_registry_that_does_not_show_a_layer_gets_one_at_most() -> None:
    """Its account may see no repository but its own: a few bytes prove nothing there."""
    case = Case(given_s=800)
    says: dict[str, Exception | None] = {REPOSITORY: Denied("fake:5000", "HEAD", status=403), NAME: None}
    for _ in range(2):
        with pytest.raises(AnotherWay):
            case.bring(blob(100 * MIB), says)
        case.clock.ahead_s += 2 * REST_S
        case.copier._deadline.set(800)
    assert len(case.copies.copied) == 1


def test_a_registry_that_shows_a_few_bytes_is_asked_for_it_once() -> None:
    case = Case(given_s=800)
    assert [case.bring(blob(100 * MIB)) for _ in range(3)] == [0, 0, 0]
    assert len([key for key in case.copies.sizes if key.endswith("/data")]) == 1
