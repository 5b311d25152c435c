"""The counter of steps follows `re`: for any pattern, both find the same."""

from __future__ import annotations

import re
from typing import TypeAlias

import pytest
from hypothesis import strategies as st
from tests.hostile.fuzzing import SEEDS, fuzz
from tests.support.backtracking import Counted, Steps, TooManySteps

Span: TypeAlias = tuple[int, int]
Case: TypeAlias = tuple[str, int, str, int, int]
CHARACTER = st.sampled_from(
    ["a", "b", "A", "é", " ", "1", r"\d", r"\w", r"\s", r"\W", "[ab]", "[^a]", "[a-c1]", r"[^\d]", ".", r"\n"]
)
PLACE = st.sampled_from([r"\b", r"\B", "^", "$", r"\A", r"\Z", "(?!)", ""])
TIMES = st.tuples(
    st.sampled_from(["*", "+", "?", "{1,2}", "{2,}", "{,2}", "{2}", "{0}"]), st.sampled_from(["", "?", "+"])
)
FORMS = ("({})", "(?:{})", "(?>{})", "(?={})", "(?!{})", "(?i:{})", "(?s:{})", "(?-i:{})")


def _larger(part: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(part, min_size=2, max_size=3).map("".join),
        st.lists(part, min_size=2, max_size=3).map(lambda several: f"(?:{'|'.join(several)})"),
        st.tuples(st.sampled_from(FORMS), part).map(lambda made: made[0].format(made[1])),
        st.tuples(st.sampled_from(FORMS[:3]), part, TIMES).map(lambda made: made[0].format(made[1]) + "".join(made[2])),
        st.tuples(CHARACTER, TIMES).map(lambda made: made[0] + "".join(made[1])),
        st.tuples(st.sampled_from(["(?<={})", "(?<!{})"]), CHARACTER).map(lambda made: made[0].format(made[1])),
    )


PATTERN = st.recursive(CHARACTER | PLACE, _larger, max_leaves=8)
FLAGS = st.sampled_from([0, re.IGNORECASE, re.MULTILINE, re.DOTALL, re.ASCII, re.ASCII | re.IGNORECASE])
CASES: st.SearchStrategy[Case] = st.tuples(
    PATTERN, FLAGS, st.text("aaabAB 1\né_", max_size=9), st.integers(0, 2), st.integers(6, 9)
)
TRICKY: tuple[Case, ...] = (
    (r"(?:a|ab)*+b", 0, "abab", 0, 9),
    (r"(?:a?)*?b", 0, "aab", 0, 9),
    (r"(?:(?:a|b)??){2,}$", re.MULTILINE, "ab\nb", 0, 9),
    (r"(?:(a*)|b)*c", 0, "aabbc", 0, 9),
    (r"(?>a|ab)c|abc", 0, "abc", 0, 9),
    (r"(?<!a)b|^$", re.MULTILINE, "ab\n\nb", 0, 9),
)


def _span(match: re.Match[str] | re.Match[bytes] | None) -> Span | None:
    return None if match is None else match.span()


def _finds_the_same(case: Case) -> None:
    text, flags, given, pos, endpos = case
    try:
        pattern = re.compile(text, flags)
    except re.error:
        return  # to look behind needs a fixed width
    counted = Counted(pattern)
    counted.steps = Steps(200_000)
    assert counted.match(given, pos, endpos) == _span(pattern.match(given, pos, endpos))
    assert counted.fullmatch(given, pos, endpos) == _span(pattern.fullmatch(given, pos, endpos))
    assert counted.search(given, pos, endpos) == _span(pattern.search(given, pos, endpos))
    assert list(counted.finditer(given)) == [one.span() for one in pattern.finditer(given)]


@pytest.mark.parametrize("seeds", SEEDS)
def test_any_pattern_finds_what_re_finds(seeds: str) -> None:
    fuzz(CASES, _finds_the_same, seeds, examples=400, kept=TRICKY)


def test_a_pattern_of_bytes_finds_what_re_finds() -> None:
    pattern = re.compile(rb'(?i)"[^"\\]*+(?:\\.[^"\\]*+)*+"|\b[k\xe9]+\b')
    text = b'k "K\\"x" \xe9K "'
    assert (
        list(Counted(pattern).finditer(text))
        == [one.span() for one in pattern.finditer(text)]
        == [(0, 1), (2, 8), (10, 11)]
    )


def test_a_step_is_an_instruction_or_a_look_at_a_character_of_a_run() -> None:
    def steps(pattern: str, text: str) -> int:
        counted = Counted(re.compile(pattern))
        counted.match(text)
        return counted.steps.taken

    assert steps("abc", "abc") == 3 + 1  # and the end of the pattern
    assert steps("abc", "abd") == 3
    assert steps("a*b", "aaab") == 1 + 3 + 1 + 1
    assert steps("a*b", "aaac") == 1 + 3 + 4  # the run is given back, a character at a time
    assert steps("a*+b", "aaac") == 1 + 3 + 1


def test_a_search_begins_anew_at_each_character() -> None:
    def steps(length: int) -> int:
        counted = Counted(re.compile("a+b"))
        counted.search("a" * length)
        return counted.steps.taken

    assert steps(200) / steps(100) > 3.8


def test_steps_without_an_end_are_stopped() -> None:
    counted = Counted(re.compile("(?:a|a)*b"))
    counted.steps = Steps(5_000)
    with pytest.raises(TooManySteps):
        counted.match("a" * 40)


@pytest.mark.parametrize("pattern", [r"(a)\1", r"(a)?(?(1)b|c)"])
def test_what_is_not_known_is_refused(pattern: str) -> None:
    with pytest.raises(NotImplementedError):
        Counted(re.compile(pattern))
