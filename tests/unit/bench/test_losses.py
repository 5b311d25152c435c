"""A target that a measurement misses is reported below its table."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench import buckets_large, copy, lines, readme, tags
from bench.buckets import Row
from bench.buckets_large import MOST_MEMORY, Half
from bench.images import MIB
from bench.peers import PEERS

ORAS = next(peer for peer in PEERS if peer.name == "oras")


def test_a_loss_stands_below_the_table_and_on_the_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- tags: begin -->\nold\n<!-- tags: end -->\nafter\n")
    readme.tell("tags", readme.table(("a", "b"), [("1", "2")]), ["near: 1.05 of crane"], path=page)
    printed = capsys.readouterr().out
    for shown in (page.read_text(), printed):
        assert "| 1 | 2 |\n\nNot met, or slower: near: 1.05 of crane.\n" in shown
    assert "old" not in page.read_text()
    readme.tell("tags", readme.table(("a", "b"), [("1", "2")]), [], path=page)
    assert "Not met" not in page.read_text()


@pytest.mark.parametrize(
    ("is_far", "said"), [(True, "source 80 ms away: 1.50 of oras"), (False, "at most 1.0 is asked")]
)
def test_a_copy_that_is_slower_than_another_tool_says_so_near_and_far(is_far: bool, said: str) -> None:
    row = copy.Row(case=copy.CASES[2], peer=ORAS, is_far=is_far, ours=[3.0], theirs=[2.0])
    assert said in row.loss


def test_tags_say_their_time_and_their_cpu() -> None:
    row = tags.Row(line="here", at_most=0.9, ours=[3.0], theirs=[2.0], cpu_s=[1.2])
    assert [one.partition(": ")[2] for one in row.misses] == [
        "1.20 s of our CPU, and at most 1.0 s is asked for",
        "1.50 of crane, and at most 0.9 is asked for",
    ]


def test_a_line_says_its_time_and_what_it_is_beside() -> None:
    row = lines.Row(name="256 MiB", line="20 MB/s", beside="one connection", at_most="4 s", is_missed=lambda _: True)
    row.ours, row.others = [5.0], [10.0]
    assert row.loss == "256 MiB, 20 MB/s: 5.00 s, 0.50 of one connection"


def test_the_largest_copy_by_s3_says_its_time_its_bytes_and_the_memory_of_both_halves() -> None:
    row = Row(size=10 * MIB, by_s3=[4.0], streamed=[10.0], moved=1)
    by_s3 = Half(seconds=4.0, cpu_s=0.1, load=1.0, extra=MOST_MEMORY, moved=1)
    streamed = Half(seconds=10.0, cpu_s=1.0, load=1.0, extra=MOST_MEMORY + MIB, moved=0)
    assert buckets_large.misses(row, by_s3, streamed) == [
        "0.40 of streaming, and at most 0.3 is asked for",
        "1 bytes through the function while S3 copied",
        "streamed: +129 MiB of memory",
    ]
