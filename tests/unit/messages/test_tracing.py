"""The header of the trace that a message belongs to: read, refused where SQS would not take it, and chosen."""

from __future__ import annotations

import pytest

from geosync.messages.tracing import MOST_CHARACTERS, representative, trace_header, trace_id

TRACE = "1-6923f0b4-1f2e3d4c5b6a798081928374"
HEADER = f"Root={TRACE};Parent=53995c3f42cd8ad8;Sampled=1"


@pytest.mark.parametrize(
    "header",
    [
        HEADER,
        f"Root={TRACE}",
        f"Root={TRACE};Sampled=?",
        f"{HEADER};Lineage=1:a87bd80c:0",
        f"{HEADER};Lineage=a87bd80c:0%7C68fd508a:5|c512fbe3:2;",
        f"Self=1-6923f0b5-000000000000000000000001;Root={TRACE};Sampled=0",
    ],
)
def test_a_header_of_x_ray_is_passed_on_as_it_is(header: str) -> None:
    assert trace_header({"attributes": {"AWSTraceHeader": header}}) == header
    assert trace_id(header) == TRACE


@pytest.mark.parametrize(
    "header",
    [
        "",
        TRACE,
        "Parent=53995c3f42cd8ad8;Sampled=1",
        f"Root={TRACE[:-1]}",
        f"Root={TRACE}\n",
        f"Root={TRACE};Sampled=1 ",
        f'Root={TRACE};Name="group/app"',
        f"Root={TRACE};X={'a' * MOST_CHARACTERS}",
        17,
        None,
    ],
)
def test_a_trace_header_that_sqs_may_refuse_is_left_out_so_that_no_wake_fails(header: object) -> None:
    assert trace_header({"attributes": {"AWSTraceHeader": header}}) is None


def test_a_message_without_a_header_has_no_trace() -> None:
    assert trace_header({"attributes": {"SentTimestamp": "1"}}) is None
    assert trace_header({}) is None
    assert trace_id(None) is None


def test_the_trace_of_several_messages_is_the_first_that_is_recorded() -> None:
    unrecorded = HEADER.replace("Sampled=1", "Sampled=0")
    another = HEADER.replace("6923f0b4", "6923f0b5")
    assert representative([None, unrecorded, HEADER, another]) == HEADER
    assert representative([None, unrecorded]) == unrecorded
    assert representative([None]) is None
    assert representative([]) is None
