"""No input costs more than its size: what a stranger writes is read in linear time, or cut before it is matched.

The regular expressions run in C, where nobody counts their steps. So a matcher that goes the same way counts them
(tests/support/backtracking): a text that is twice as long may take about twice as many.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.hostile.pumped import Pumped, longest_bound, pumped
from tests.hostile.steps import steps
from tests.support.backtracking import Counted, Steps, TooManySteps
from tests.support.patterns import WAYS, Found, patterns_of_the_library

from geosync import observability
from geosync.oci import answers, challenges, links
from geosync.pair.selection import _REPOSITORY_PATTERN, _TAG_PATTERN, _expression

AT_MOST = 2.2
"""What is linear takes twice the steps for a text that is twice as long, and what is quadratic four times."""
FEW = 100
MOST = 100_000
"""Steps for one text: no pattern takes as many for so short a text, and what grows exponentially does at once."""
SHORTEST = 64
LEAST_PUMPS = 8
_GLOBS = ("*a*b*c", "*-*-*", "x?[a-c]*", "a/**", "**/a", "**/*-x", "a/**/b/**/c", "**/a/**/b/**")
_SECRET = r"arn:aws[a-z-]*:secretsmanager:eu\-west\-1:[0-9]{12}:secret:\S+"
FOUND = patterns_of_the_library(
    {
        "geosync.pair.selection: form": (_TAG_PATTERN, _REPOSITORY_PATTERN),
        "geosync.pair.selection: _expression(one)": tuple(map(_expression, _GLOBS)),
        "geosync.pair.selection: '|'.join(map(_expression, texts)) or '(?!)'": ("|".join(map(_expression, _GLOBS)),),
        "geosync.cli.failover.follow: f'arn:aws[a-z-]*:secretsmanager:"
        r"{re.escape(site.region)}:[0-9]{{12}}:secret:\\S+'": (_SECRET,),
    }
)


def _spans(matcher: Any, way: str, text: str | bytes, *position: int) -> list[tuple[int, int]]:
    """The spans that a pattern of `re`, or a counted one, finds."""
    found = getattr(matcher, way)(text, *position)
    several = found if isinstance(found, Iterator) else [found]
    return [one if isinstance(one, tuple) else one.span() for one in several if one is not None]


class _Judge:
    """Judges for a pattern, and a way to match it, whether a text costs its length."""

    def __init__(self, pattern: re.Pattern[Any], way: str) -> None:
        self._pattern = pattern
        self._way = way
        self._counted = Counted(pattern)
        self._length = max(SHORTEST, 2 * longest_bound(pattern))

    def finds_linear(self, one: Pumped) -> bool:
        """Compare a text with one twice as long."""
        times = max(LEAST_PUMPS, self._length // len(one.pump))
        try:
            once, twice = (self._steps(one.text(size * times)) for size in (1, 2))
        except TooManySteps:
            return False
        return twice <= AT_MOST * once + FEW

    def _steps(self, text: str) -> int:
        """Count the steps. Fails where another thing is found than `re` finds."""
        self._counted.steps = Steps(MOST)
        given = text if isinstance(self._pattern.pattern, str) else text.encode("latin-1")
        assert _spans(self._counted, self._way, given) == _spans(self._pattern, self._way, given), given
        return self._counted.steps.taken


@pytest.mark.parametrize("found", FOUND, ids=[one.place.partition(":")[0] for one in FOUND])
def test_a_pattern_takes_steps_in_proportion_to_any_text(found: Found) -> None:
    texts = pumped(found.pattern)
    assert texts
    for way in found.ways:
        judge = _Judge(found.pattern, way)
        assert [one for one in texts if not judge.finds_linear(one)] == [], way


@pytest.mark.parametrize(
    ("pattern", "way"),
    [
        (r'\s*,?\s*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))', "match"),
        (r'"token"\s*[=:]\s*[\s"]*([^\s",}]+)', "search"),
        (r"-----BEGIN .*?-----END", "finditer"),
        (r"\s+$", "search"),
        (r"[a-z]+[0-9a-f]+!", "match"),
        (r"[^/]*-[^/]*-[^/]*x", "fullmatch"),
        (r"(?:a|b|ab)*c", "match"),
        (r"(?:a+)+b", "match"),
        (r"(?=.*a.*b)c", "match"),
        (r"\[[^\]]+\]", "finditer"),
        (r"(?i)<([a-z ]*) *>", "search"),
    ],
)
def test_a_pattern_that_backtracks_is_found(pattern: str, way: str) -> None:
    judge = _Judge(re.compile(pattern), way)
    assert not all(judge.finds_linear(one) for one in pumped(re.compile(pattern)))


def test_patterns_that_nobody_could_judge_are_refused() -> None:
    with pytest.raises(LookupError, match="made at run time"):
        patterns_of_the_library({})


def _costs_its_length(
    monkeypatch: pytest.MonkeyPatch, read: Callable[[str], object], beginning: str, *units: str
) -> None:
    """Fail where a text twice as long takes much more than twice as many lines of Python and steps of patterns."""

    def cost(times: int) -> int:
        text = beginning + "".join(unit * (times // len(unit)) for unit in units)
        read(text)  # what `re` compiles once is no cost of the text
        lines = steps(lambda: read(text))
        counter = Steps()
        with monkeypatch.context() as patched:
            for module in (answers, challenges, links, observability):
                for name, value in vars(module).items():
                    if isinstance(value, re.Pattern):
                        patched.setattr(module, name, _Counting(value, counter))
                    elif name == "_SECRETS":
                        patched.setattr(module, name, [_Counting(one, counter) for one in value])
            read(text)
        assert counter.taken > 0
        return lines + counter.taken

    assert cost(1024) <= AT_MOST * cost(512) + FEW


class _Counting:
    """A pattern that does what `re` does, and counts what it takes."""

    def __init__(self, pattern: re.Pattern[str], counter: Steps) -> None:
        self._pattern = pattern
        self._counted = Counted(pattern)
        self._counted.steps = counter

    def __getattr__(self, name: str) -> Any:
        def run(*given: Any) -> Any:
            text, position = (given[1], ()) if name == "sub" else (given[0], given[1:])
            _spans(self._counted, WAYS[name], text, *position)
            return getattr(self._pattern, name)(*given)

        return run


@pytest.mark.parametrize(
    ("beginning", "unit"),
    [
        ("Basic x=1", " "),
        ("Basic " + "x=" * 9, " "),
        ("Basic ", "a"),
        ("Basic ", "a,"),
        ("Basic ", ' , a="\\",'),
        ('Bearer realm="', "\\"),
        ("", "Bearer "),
        ("Bearer a=b", " ,"),
    ],
)
def test_a_challenge_costs_its_length(monkeypatch: pytest.MonkeyPatch, beginning: str, unit: str) -> None:
    _costs_its_length(monkeypatch, lambda text: challenges.parse_challenges([text]), beginning, unit)


@pytest.mark.parametrize(
    ("beginning", "units"),
    [
        ("authorization:", [" "]),
        ("authorization:", [" ", '\\"']),
        ("authorization:", ["\\"]),
        ('"token":', [" "]),
        ("", ["authorization: "]),
        ("", ["-----BEGIN "]),
        ("", ["-----BEGIN PRIVATE KEY-----"]),
        ("", ["a_token"]),
        ("basic ", ["a"]),
        ("", ["eyJ"]),
        ("", ["https://"]),
    ],
)
def test_what_is_logged_costs_its_length(monkeypatch: pytest.MonkeyPatch, beginning: str, units: list[str]) -> None:
    _costs_its_length(monkeypatch, observability.redact, beginning, *units)
    _costs_its_length(monkeypatch, answers.redact, beginning, *units)


@pytest.mark.parametrize("unit", ["<", "<a>;", "<a>; a", " ;", '<a>; rel="', "<a>;" + " " * 100])
def test_a_link_costs_its_length(monkeypatch: pytest.MonkeyPatch, unit: str) -> None:
    _costs_its_length(monkeypatch, lambda text: links.next_page([text]), "<a>", unit)


def test_an_error_has_a_few_short_codes_whatever_a_registry_sends() -> None:
    codes = ",".join(f'{{"code": "C{number}\x9b\\u001b[2J{"x" * 100}"}}' for number in range(10_000))
    errors = answers.parse_errors(f'{{"errors": [{codes}]}}'.encode())
    assert len(errors.codes) == answers.MAX_CODES
    assert all(code.isprintable() and len(code) <= answers.MAX_CODE for code in errors.codes)
