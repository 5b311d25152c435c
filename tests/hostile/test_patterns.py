"""No input costs more than its size: what a stranger writes is read in linear time, or cut before it is matched.

The regular expressions run in C, where nobody counts their steps. So each input is compared with a plain loop over the
same text in the same thread: CPU time against CPU time. What was quadratic took thousands of times the loop.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from geosync import observability
from geosync.oci import answers, links
from geosync.oci.challenges import parse_challenges

LENGTH = 16 * 1024
AT_MOST = 60.0
"""Times a plain loop over the same text; what is linear takes less than 10, what was quadratic more than 1,000."""


def _cpu_s(run: Callable[[], object]) -> float:
    began = time.thread_time()
    run()
    return time.thread_time() - began


def _times_a_loop(read: Callable[[str], object], text: str) -> float:
    loop = min(_cpu_s(lambda: sum(1 for _ in text)) for _ in range(5))
    return min(_cpu_s(lambda: read(text)) for _ in range(2)) / loop


def _repeated(beginning: str, unit: str) -> str:
    return beginning + unit * ((LENGTH - len(beginning)) // len(unit))


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
def test_a_challenge_costs_its_length(beginning: str, unit: str) -> None:
    text = _repeated(beginning, unit)
    assert _times_a_loop(lambda text: parse_challenges([text]), text) < AT_MOST


@pytest.mark.parametrize(
    ("beginning", "unit"),
    [
        ("authorization:", " "),
        ("authorization:" + " " * (LENGTH // 2), '\\"'),
        ("authorization:", "\\"),
        ('"token":', " "),
        ("", "authorization: "),
        ("", "-----BEGIN "),
        ("", "-----BEGIN PRIVATE KEY-----"),
        ("", "a_token"),
        ("basic ", "a"),
        ("", "eyJ"),
        ("", "https://"),
    ],
)
def test_what_is_logged_costs_its_length(beginning: str, unit: str) -> None:
    text = _repeated(beginning, unit)
    assert _times_a_loop(observability.redact, text) < AT_MOST
    assert _times_a_loop(answers.redact, text) < AT_MOST


@pytest.mark.parametrize("unit", ["<", "<a>;", "<a>; a", " ;", '<a>; rel="', "<a>;" + " " * 100])
def test_a_link_costs_its_length(unit: str) -> None:
    text = _repeated("<a>", unit)
    assert _times_a_loop(lambda text: links.next_page([text]), text) < AT_MOST


def test_an_error_has_a_few_short_codes_whatever_a_registry_sends() -> None:
    codes = ",".join(f'{{"code": "C{number}\x9b\\u001b[2J{"x" * 100}"}}' for number in range(10_000))
    errors = answers.parse_errors(f'{{"errors": [{codes}]}}'.encode())
    assert len(errors.codes) == answers.MAX_CODES
    assert all(code.isprintable() and len(code) <= answers.MAX_CODE for code in errors.codes)
