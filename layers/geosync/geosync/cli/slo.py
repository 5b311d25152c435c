"""`geosync slo`: the service level of a month, and how much of its error budget is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import click
from rich.text import Text

from geosync.cli.output import (
    CANNOT_TELL,
    NOTHING_OWED,
    SOMETHING_WRONG,
    Answer,
    Format,
    Line,
    facts,
    output_option,
    plain,
    put,
)
from geosync.cli.site import Chosen
from geosync.operating.service_level import ServiceLevel, service_level
from geosync.sync_registry.site.history import month_bounds_ms


@click.command(short_help="Show a month's service level and its error budget.")
@click.option("--month", metavar="YYYY-MM", help="A month, in UTC (default: the current one).")
@output_option
@click.pass_obj
def slo(choose: Callable[[], Chosen], *, month: str | None, output: Format) -> None:
    """Show a month's service level and its error budget.

    The service level is the share of the pushes that were seen at the site within TargetLag. A push that is late, that
    is overdue, or whose notification was lost spends the error budget. A month is kept for 400 days.

    Exit code 0: the target is met. 1: it is missed, or nothing is known of the month. 2: cannot tell; also where what
    was read meets the target, and minutes were not recorded or more is owed than was read.
    """
    if month is not None:
        try:
            month_bounds_ms(month)
        except ValueError:
            raise click.UsageError(f"--month {month!r} is no month: YYYY-MM") from None
    site = choose().secondary("slo")
    level = service_level(
        site.sync_registry, site.facts.objective, month=month, primary=site.primary_topic, clock=site.clock
    )
    document = {"site": site.name, **level.fields()}
    put(Answer(document=document, rows=[document], shown=[facts(lines(level))], key="site"), output)
    raise SystemExit(_exit_code(level))


def _exit_code(level: ServiceLevel) -> int:
    if level.share_percent is None or level.share_percent < level.objective.share_percent:
        return SOMETHING_WRONG
    return CANNOT_TELL if level.is_at_most or level.has_gaps else NOTHING_OWED


def lines(level: ServiceLevel) -> Iterator[Line]:
    """The service level for people."""
    pushes, objective = level.pushes, level.objective
    yield ("month", level.month)
    yield ("target", f"{objective.share_percent:g} % of the pushes seen within {objective.lag_s:g} s")
    yield ("share", share(level))
    if pushes.all:
        why = f"{pushes.late} late, {pushes.overdue} overdue, {pushes.lost} lost"
        yield ("missed", f"{pushes.missed} of {pushes.all} pushes: {why}")
        yield ("lag", f"half within {_seconds(level.median_ms)}, 99 % within {_seconds(level.p99_ms)}")
        yield ("error budget", budget(level))
    if level.has_gaps:
        gap = f"{level.minutes_recorded} of {level.minutes} minutes were recorded: nothing is known of the others"
        yield ("history", plain(gap, "yellow"))


def share(level: ServiceLevel) -> Text:
    """The share in words."""
    if level.share_percent is None:
        return plain("not known: no push was recorded", "yellow")
    is_met = level.share_percent >= level.objective.share_percent
    at_most = "at most " if level.is_at_most else ""
    return plain(f"{at_most}{_percent(level.share_percent)} %", "green" if is_met else "red")


def budget(level: ServiceLevel) -> Text:
    """The rest of the error budget, in words."""
    left = level.budget_left_percent
    if left is None:
        return plain("not known", "yellow")
    if left < 0:
        return plain(f"spent {1 - left / 100:.1f} times", "red")
    return plain(f"{left:.1f} % left")


def in_a_line(level: ServiceLevel) -> Text:
    """The service level in one line of a status."""
    if level.share_percent is None:
        return plain(f"{level.month}: not known, as no push was recorded")
    said, within = share(level), f"{level.objective.lag_s:g} s (target {level.objective.share_percent:g} %)"
    gaps = ", as far as it was recorded" if level.has_gaps else ""
    return plain(f"{level.month}: {said} within {within}, error budget {budget(level)}{gaps}", str(said.style))


def _percent(share_percent: float) -> str:
    """Write a share, rounded down: what is not 100 % does not say so."""
    return f"{int(share_percent * 1000) / 1000:g}"


def _seconds(milliseconds: int | None) -> str:
    return f"{milliseconds / 1000:.1f} s" if milliseconds is not None else "(not known: too many have not arrived)"
