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


def test_layers_side_by_side_that_take_all_of_the_line_are_left_at_one_connection_each() -> None:
    connections = Connections()
    for layer in range(5):
        connections.note_rate(layer, FAST / 6, several=False)
    assert not connections.are_worth(FAST // 6 + 1, 1.0, 0.0, 5)
    assert connections.are_worth(FAST // 6 + 1, 1.0, 0.0, 4), "its own rate is not counted twice"
    connections.leave(0)
    assert connections.are_worth(FAST // 6 + 1, 1.0, 0.0, 5)


@pytest.mark.parametrize(
    ("others", "rate", "pays"),
    [
        pytest.param([1, 1], 2, True, id="all of them together go faster"),
        pytest.param([0.5, 0.5], 2, False, id="it took from the others what it has"),
        pytest.param([], 2, None, id="the others have ended"),
        pytest.param([0.5] * 10, 0.5, None, id="others have begun"),
        pytest.param([], 4, True, id="alone it goes faster than all did"),
        pytest.param([0.2] * 10, 1, False, id="others have begun and all are slower"),
    ],
)
def test_the_gain_is_that_of_all_layers_together(others: list[float], rate: float, pays: bool | None) -> None:
    unit = FAST // 16
    connections = Connections()
    for layer in range(2):
        connections.note_rate(layer, unit, several=False)
    assert connections.are_worth(unit, 1.0, 0.0, "it")
    for layer in range(2):
        connections.leave(layer)
    for layer, one in enumerate(others):
        connections.note_rate(layer, one * unit, several=False)
    connections.note(int(rate * unit), 1.0, "it")
    assert connections.begin() is (pays is True)
    assert connections.are_worth(unit // 10, 1.0, 0.0, "it") is (pays is not False)


def test_the_rate_before_is_that_before_any_connection_joined() -> None:
    connections = Connections()
    connections.note_rate("other", SLOW / 4, several=False)
    assert connections.are_worth(SLOW // 4, 1.0, 0.0, "it")
    connections.note_rate("it", SLOW, several=True)
    assert connections.are_worth(SLOW // 4, 1.0, 0.0, "other")
    connections.note_rate("other", SLOW / 4, several=True)
    connections.note(SLOW, 1.0, "it")
    assert connections.begin()


def test_several_connections_that_paid_begin_the_next_layers_and_are_then_measured_again() -> None:
    connections = found(2.0)
    assert [connections.begin() for _ in range(LAYERS + 1)] == [True] * LAYERS + [False]
    assert connections.are_worth(SLOW, 1.0, 0.0)


def test_several_connections_that_did_not_pay_are_not_tried_for_some_layers() -> None:
    connections = found(1.1)
    for _ in range(LAYERS):
        assert not connections.begin()
        assert not connections.are_worth(SLOW, 1.0, 0.0)
    connections.begin()
    assert connections.are_worth(SLOW, 1.0, 0.0)


def test_several_connections_that_no_longer_pay_are_given_up() -> None:
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


def test_a_doubted_layer_that_another_reader_brought_does_not_blame_the_ranges() -> None:
    connections = found(2.0)
    connections.join("sha256:1")
    connections.doubt("sha256:1")
    assert connections.is_doubted("sha256:1")
    connections.forget("sha256:1")
    connections.note_brought("sha256:1")
    assert not connections.is_refused


def test_one_connection_is_all_where_no_more_are_allowed() -> None:
    assert not Connections(most=1).are_worth(SLOW, 1.0, 0.0)
