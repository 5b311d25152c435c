"""Ages, counts, and text from outside."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from contextlib import redirect_stdout

import pytest
from botocore.exceptions import ClientError

from geosync.cli.checks.findings import CheckFinding, exit_code, looks, ok, problem, skipped, unknown
from geosync.cli.former import with_former
from geosync.cli.output import Answer, AnswerStream, Column, Format, Grid, age, as_json, count, plain
from geosync.cli.site import StackName
from geosync.errors import ConfigurationError


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "0 s"), (0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (172_800, "2 d")],
)
def test_an_age_is_in_the_largest_unit_that_counts_to_two(seconds: int, said: str) -> None:
    assert age(1_000_000_000_000 - seconds * 1000, 1_000_000_000_000) == said


def test_a_count_says_when_there_are_more() -> None:
    assert count(1, "message") == "1 message"
    assert count(1000, "message", more=True) == "more than 1000 messages"
    assert count(1, "entry is", "entries are") == "1 entry is"
    assert count(1, "entry is", "entries are", more=True) == "more than 1 entries are"


def test_a_document_holds_no_command_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    as_json({"name": "a\x1b[2J\x9b31m\u202eé"})
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert "\x1b" not in printed
    assert json.loads(printed) == {"name": "a\x1b[2J\x9b31m\u202eé"}


def test_text_from_outside_is_neither_markup_nor_a_command_to_the_terminal() -> None:
    shown = plain("[bold]x[/bold]\x1b]0;title\x07\n")
    assert shown.plain == "[bold]x[/bold] ]0;title  "
    assert not shown.spans


def answer(**row: object) -> Answer:
    return Answer(document=row, rows=[row], shown=[Grid((Column("name", lambda one: one["name"]),), [row])])


def put_out(output: Format, *rows: Mapping[str, object], whole: bool = False) -> str:
    with redirect_stdout(io.StringIO()) as shown:
        stream = AnswerStream(output, whole=whole)
        for row in rows:
            stream.put(answer(**row))
    return shown.getvalue()


def test_rows_that_come_later_stand_below_their_own_titles() -> None:
    first, less, more = {"name": "a", "tag": "v1"}, {"tag": "v2"}, {"name": "c", "reason": "no"}
    assert put_out("tsv", first, less, more, more) == "name\ttag\na\tv1\n\tv2\nname\treason\nc\tno\nc\tno\n"


def test_answers_that_stand_for_themselves_have_their_titles_and_are_apart() -> None:
    assert put_out("table", {"name": "a"}, {"name": "b"}) == "name\na\nb\n"
    assert put_out("table", {"name": "a"}, {"name": "b"}, whole=True) == "name\na\n\nname\nb\n"
    assert put_out("name", {"name": "a"}, {"name": "b"}, whole=True) == "a\nb\n"


def test_a_cell_of_a_list_is_json_and_text_has_its_tabs_and_lines_escaped() -> None:
    value = ['a "b" \\ c\n\t\x1b']
    titles, line = put_out("tsv", {"list": value, "text": "a\tb\nc\\"}).splitlines()
    listed, text = line.split("\t")
    assert (titles, json.loads(listed), text) == ("list\ttext", value, "a\\tb\\nc\\\\")


@pytest.mark.parametrize("text", ["", "@eu-west-1", "stack@"])
def test_a_stack_name_without_one_of_its_parts_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="STACK@REGION"):
        StackName.parse(text)


def test_a_stack_name_has_a_region_or_not() -> None:
    assert StackName.parse("geosync-oregon@us-west-2") == StackName(name="geosync-oregon", region="us-west-2")
    assert StackName.parse("geosync-oregon").region is None


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([ok("clock", "")], 0),
        ([ok("clock", ""), skipped("test_notification", "", "")], 0),
        ([unknown("schedule", "", ""), ok("sync", "")], 2),
        ([unknown("schedule", "", ""), problem("sync", "", "")], 1),
    ],
)
def test_the_exit_code_tells_a_problem_from_what_could_not_be_looked_at(
    findings: list[CheckFinding], code: int
) -> None:
    assert exit_code(findings) == code


def test_a_look_that_is_not_permitted_does_not_stop_the_others() -> None:
    def refused() -> list[CheckFinding]:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "ListSubscriptionsByTopic")

    first, second = looks([("subscription", refused), ("dlq_empty", lambda: [ok("dlq_empty", "")])])
    assert (first.name, first.result) == ("subscription", "unknown")
    assert "ListSubscriptionsByTopic" in first.text
    assert "AccessDenied" in first.text
    assert second.result == "ok"


def test_a_former_value_is_beside_the_one_that_has_its_name_now_unless_it_is_true_or_false() -> None:
    document = {"at": "1970-01-01T00:00:00.001Z", "state": "synced", "more": True, "kept": 1}
    former = {"at": 1, "state": "2", "more": False, "kept": 1, "gone": 5}
    assert with_former(document, former) == {**document, "gone": 5, "at_ms": 1, "state_number": "2"}
