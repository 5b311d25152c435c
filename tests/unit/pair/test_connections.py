"""When several connections are tried for a layer, and for how long it holds what was found."""

from __future__ import annotations

import pytest

from geosync.pair.connections import FAST, LAYERS, Connections

SLOW = FAST // 4


@pytest.mark.parametrize(
    ("rate", "sent_s", "worth"),
    [
        pytest.param(SLOW, 0.1, True, id="slower than the way out"),
        pytest.param(SLOW, 0.6, False, id="the way out is as slow"),
        pytest.param(FAST, 0.0, False, id="as fast as a function's network"),
    ],
)
def test_one_connection_is_judged_by_its_rate_and_by_who_waits_for_whom(rate: int, sent_s: float, worth: bool) -> None:
    assert Connections().are_worth(rate, 1.0, sent_s) is worth


def found(rate: float) -> Connections:
    """What is known after a layer on which several went at `rate` times one."""
    connections = Connections()
    assert not connections.begin()
    assert connections.are_worth(SLOW, 1.0, 0.0)
    connections.note(int(SLOW * rate), 1.0)
    return connections


def test_several_that_paid_begin_the_next_layers_and_are_then_measured_anew() -> None:
    connections = found(2.0)
    assert [connections.begin() for _ in range(LAYERS + 1)] == [True] * LAYERS + [False]
    assert connections.are_worth(SLOW, 1.0, 0.0)


def test_several_that_did_not_pay_are_not_tried_for_some_layers() -> None:
    connections = found(1.1)
    for _ in range(LAYERS):
        assert not connections.begin()
        assert not connections.are_worth(SLOW, 1.0, 0.0)
    connections.begin()
    assert connections.are_worth(SLOW, 1.0, 0.0)


def test_several_that_no_longer_pay_are_left() -> None:
    connections = found(2.0)
    assert connections.begin()
    connections.note(SLOW, 1.0)
    assert not connections.begin()


def test_a_registry_whose_ranges_are_wrong_is_named_once_and_never_asked_again() -> None:
    connections = found(2.0)
    connections.refuse("it gives another range")
    connections.refuse("and again")
    assert [connections.news(), connections.news()] == ["it gives another range", None]
    assert not connections.begin()
    assert not connections.are_worth(SLOW, 1.0, 0.0)


def test_a_layer_that_nobody_read_over_several_is_not_doubted() -> None:
    connections = found(2.0)
    connections.doubt("sha256:1")
    connections.note_brought("sha256:1")
    assert connections.begin()


def test_a_doubted_layer_that_others_brought_says_nothing_about_the_ranges() -> None:
    connections = found(2.0)
    connections.join("sha256:1")
    connections.doubt("sha256:1")
    assert connections.is_doubted("sha256:1")
    connections.forget("sha256:1")
    connections.note_brought("sha256:1")
    assert not connections.is_refused


def test_one_connection_is_all_where_no_more_are_allowed() -> None:
    assert not Connections(most=1).are_worth(SLOW, 1.0, 0.0)
