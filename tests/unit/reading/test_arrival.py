"""Whether an image that somebody waits for is at a site: the one judge of the command and of the admin API."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from geosync.pair.selection import Selection
from geosync.reading.arrival import UNHEARD_MS, Arrival, AwaitedImage, Surroundings, judge
from geosync.reading.freshness import Known
from geosync.sync_registry.items import ABSENT, Owed, Reference, Seen

A, B = (f"sha256:{letter * 64}" for letter in "ab")
BEGAN = 1_000_000
V1 = AwaitedImage(repository="group/app", reference=Reference.tag("v1"), since_ms=BEGAN)
AROUND = Surroundings(site="oregon", now_ms=BEGAN)
NOTHING = Known(accounted_ms=BEGAN - 60_000)


def seen(digest: str = A, *, looked_at: int = BEGAN - 1) -> Seen:
    return Seen(digest=digest, looked_at=looked_at, seen_at=looked_at + 1)


def owed(*expects: str, failure: str | None = None, parked: bool = False) -> Owed:
    return Owed(
        repository="group/app",
        reference=Reference.tag("v1"),
        mark="m",
        expects=frozenset(expects),
        marked_at=BEGAN,
        owed_since=BEGAN,
        due=None if parked else BEGAN,
        failure=failure,
        parked=parked,
        pushed_at=BEGAN,
    )


def state(known: Known, image: AwaitedImage = V1, around: Surroundings = AROUND) -> str:
    return judge(image, known, around).state


def test_a_look_at_the_primary_since_the_wait_began_is_an_answer() -> None:
    known = replace(NOTHING, seen=seen(looked_at=BEGAN))
    assert judge(V1, known, AROUND) == Arrival(state="here", digest=A, seen_at_ms=BEGAN + 1)


def test_an_older_look_is_an_answer_once_every_push_before_the_wait_is_accounted() -> None:
    old = replace(NOTHING, seen=seen())
    assert state(old) == "waiting"
    assert state(replace(old, accounted_ms=BEGAN)) == "here"
    assert state(replace(old, accounted_ms=BEGAN, is_unclear=True)) == "waiting"
    assert state(replace(old, accounted_ms=BEGAN, is_renamed_or_gone=True)) == "waiting"


def test_an_owed_image_is_not_here_whatever_was_seen() -> None:
    known = Known(accounted_ms=BEGAN, seen=seen(looked_at=BEGAN), owed=owed(B, ABSENT))
    found = judge(V1, known, AROUND)
    assert (found.state, found.owed_since_ms, found.announced) == ("waiting", BEGAN, frozenset({B}))


def test_a_mark_that_only_asks_does_not_hide_what_a_heartbeat_proves() -> None:
    asked = replace(owed(), asked=True)
    known = Known(accounted_ms=BEGAN, seen=seen(), owed=asked)
    assert state(known) == "here"
    assert state(replace(known, accounted_ms=BEGAN - 1)) == "waiting"
    assert state(replace(known, seen=None)) == "waiting"
    assert state(known, replace(V1, since_ms=None)) == "waiting"  # who marked it waits for the look
    assert state(known, replace(V1, digest=B), replace(AROUND, beside=Known(accounted_ms=None, owed=owed(B)))) == (
        "waiting"
    )


@pytest.mark.parametrize(
    "more",
    [
        {"expects": frozenset({B})},
        {"named": frozenset({B})},
        {"copied": frozenset({B})},
        {"half_copied": frozenset({B})},
        {"distrust": frozenset({B})},
        {"if_absent": frozenset({"missing"})},
        {"walk": 1},
        {"shown": B},
        {"failure": "503"},
        {"due": BEGAN + 1},
        {"asked": False},
    ],
)
def test_a_mark_that_says_more_is_waited_for(more: dict[str, Any]) -> None:
    known = Known(accounted_ms=BEGAN, seen=seen(), owed=replace(owed(), **{"asked": True, **more}))
    assert state(known) == "waiting"


@pytest.mark.parametrize(
    ("one", "obstacle", "said"),
    [
        (owed(failure="503"), None, "failing: 503"),
        (owed(failure="400", parked=True), None, "parked, after it failed: 400"),
        (owed(), "the site is paused", "the site is paused"),
        (owed(), None, "nothing has failed"),
    ],
)
def test_the_answer_says_why_an_image_is_not_here(one: Owed, obstacle: str | None, said: str) -> None:
    found = judge(V1, replace(NOTHING, owed=one), replace(AROUND, obstacle=obstacle))
    assert (found.reason or "").startswith("owed since 1970-01-01T00:16:40")
    assert said in (found.reason or "")


def test_a_named_digest_is_here_once_it_was_seen() -> None:
    image = replace(V1, digest=A)
    assert state(replace(NOTHING, seen=seen(), owed=owed(B)), image) == "here"
    assert state(replace(NOTHING, seen=seen(B), owed=owed(B)), image) == "waiting"
    digest = replace(V1, reference=Reference.digest(A))
    assert state(replace(NOTHING, seen=seen()), digest) == "here"
    under_a_tag = replace(AROUND, beside=Known(accounted_ms=None, seen=seen()))
    assert state(NOTHING, digest, under_a_tag) == "here"


def test_a_digest_that_is_here_by_itself_is_not_the_tag() -> None:
    image, by_itself = replace(V1, digest=A), replace(AROUND, beside=Known(accounted_ms=None, seen=seen()))
    old = replace(NOTHING, seen=seen(B))
    assert state(NOTHING, image, by_itself) == "waiting"
    assert state(old, image, by_itself) == "waiting"
    assert state(replace(old, owed=owed(A)), image, by_itself) == "waiting"
    assert state(replace(old, seen=seen()), image, by_itself) == "here"
    later = judge(image, replace(old, accounted_ms=BEGAN), by_itself)  # the primary has B since it was asked for
    assert (later.state, later.digest) == ("here", B)


def test_a_digest_that_a_later_push_overtook_is_the_later_one() -> None:
    found = judge(replace(V1, digest=A), replace(NOTHING, seen=seen(B, looked_at=BEGAN)), AROUND)
    assert (found.state, found.digest) == ("here", B)


@pytest.mark.parametrize("noted", ["gone_since", "missing_since", "outside_since"])
def test_a_copy_that_the_primary_lacks_is_not_here(noted: str) -> None:
    since: dict[str, Any] = {noted: 1}
    stays = replace(seen(looked_at=BEGAN), **since)
    assert state(Known(accounted_ms=BEGAN, seen=stays)) == "not_here"
    assert state(Known(accounted_ms=BEGAN, seen=stays), replace(V1, digest=A)) == "not_here"


def test_an_image_outside_the_selection_is_said_at_once() -> None:
    around = replace(AROUND, selection=Selection.parse(include_repositories="other/**"))
    found = judge(V1, NOTHING, around)
    assert (found.state, "outside the selection of oregon" in (found.reason or "")) == ("not_here", True)


def test_a_look_discharges_the_waiters_own_mark_whatever_the_clocks_say() -> None:
    marked = replace(V1, since_ms=None, digest=A)
    assert state(Known(accounted_ms=None, seen=seen(looked_at=1)), marked) == "here"
    assert state(Known(accounted_ms=None, seen=seen(looked_at=1), owed=owed()), marked) == "waiting"
    assert state(Known(accounted_ms=None), marked) == "not_here"


def test_a_wait_for_an_unannounced_push_ends_once_the_site_would_know_of_it() -> None:
    late = replace(AROUND, now_ms=BEGAN + UNHEARD_MS, is_open=True)
    assert state(NOTHING, around=AROUND) == "waiting"
    assert state(NOTHING, around=replace(late, now_ms=BEGAN + UNHEARD_MS - 1)) == "waiting"
    assert state(NOTHING, around=replace(late, is_open=False)) == "waiting"
    found = judge(V1, NOTHING, late)
    assert found.state == "not_here"
    assert "was it pushed there, is its name right?" in (found.reason or "")
    unsure = judge(V1, NOTHING, replace(late, is_selection_known=False))
    assert "does the site select it" in (unsure.reason or "")


def test_a_site_that_knows_every_push_since_then_says_so_at_once() -> None:
    assert state(Known(accounted_ms=BEGAN)) == "not_here"


def test_a_comparison_that_is_to_come_may_still_find_it() -> None:
    late = replace(AROUND, now_ms=BEGAN + UNHEARD_MS, is_open=True)
    assert state(Known(accounted_ms=None), around=late) == "waiting"
    assert state(Known(accounted_ms=BEGAN), around=replace(late, is_compared=False)) == "waiting"
    found = judge(V1, Known(accounted_ms=BEGAN), replace(late, apart="the selection changed"))
    assert (found.state, (found.reason or "").startswith("the selection changed: a comparison")) == ("waiting", True)
