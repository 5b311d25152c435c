import re

import pytest
from tests.unit.template.parts import FUNCTIONS, LINES, QUEUES, RESOURCES, ROOT, actions, statements, walk

TAKERS = {"EventsQueue": "LogCursorFunction", "LiveQueue": "SyncFunction", "WorkQueue": "SyncFunction"}
SOURCES = set(TAKERS)
BATCHES = {"LogCursorFunction": 10, "SyncFunction": 1}
DAY = 86_400


def test_each_queue_has_the_function_that_takes_its_messages() -> None:
    assert set(QUEUES) == {*SOURCES, "DeadLetterQueue", "MeasurementsQueue"}
    taken = {
        event["Properties"]["Queue"]["Fn::GetAtt"][0]: name
        for name, function in FUNCTIONS.items()
        for event in function.get("Events", {}).values()
        if event["Type"] == "SQS"
    }
    assert taken == TAKERS


def test_no_chain_of_messages_comes_near_the_loops_that_lambda_stops() -> None:
    """Lambda stops a function at about its sixteenth invocation in one chain through SQS and SNS.

    functions/log_cursor wakes functions/sync, which may ask another execution of its own for help, and that one asks
    nobody (tests/functional/sync/test_help.py). Nobody else may send to a queue that invokes who invoked it.
    """
    sends: dict[str, set[str]] = {}
    for name, function in FUNCTIONS.items():
        for statement in statements(function["Role"]["Fn::GetAtt"][0]):
            if "sqs:SendMessage" in actions(statement):
                queues = {node["Fn::GetAtt"][0] for _, node in walk(statement["Resource"]) if "Fn::GetAtt" in node}
                sends.setdefault(name, set()).update(TAKERS[queue] for queue in queues & SOURCES)
    invoked = {name: to for name, to in sends.items() if name in TAKERS.values()}
    assert invoked == {"LogCursorFunction": {"SyncFunction"}, "SyncFunction": {"SyncFunction"}}


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_message_stays_hidden_for_longer_than_an_invocation_lasts(name: str) -> None:
    # Lambda refuses an event source whose queue hides messages for less than the function's timeout.
    assert QUEUES[name]["VisibilityTimeout"] == FUNCTIONS[TAKERS[name]]["Timeout"] + 60


def test_an_event_that_the_former_release_has_in_hand_does_not_end_in_the_dlq() -> None:
    # Its functions/sync may be at a copy for 900 s; meanwhile the event comes back, and is marked and deleted.
    queue = QUEUES["EventsQueue"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] * queue["VisibilityTimeout"] > 900


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_message_gets_enough_tries_and_then_goes_to_the_dead_letter_queue(name: str) -> None:
    redrive = QUEUES[name]["RedrivePolicy"]
    assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    assert redrive["maxReceiveCount"] >= 5
    # All tries are over before the message is too old to be moved.
    assert redrive["maxReceiveCount"] * QUEUES[name]["VisibilityTimeout"] < QUEUES[name]["MessageRetentionPeriod"]


def test_a_dead_letter_can_be_looked_at_for_days_whatever_its_age() -> None:
    kept = QUEUES["DeadLetterQueue"]["MessageRetentionPeriod"]
    assert kept == 14 * DAY
    for name in SOURCES:
        # The age goes on from the first enqueue.
        assert kept - QUEUES[name]["MessageRetentionPeriod"] >= 4 * DAY


@pytest.mark.parametrize("name", ["DeadLetterQueue", "MeasurementsQueue"])
def test_the_dead_letter_queue_and_that_of_measurements_have_none_themselves(name: str) -> None:
    assert "RedrivePolicy" not in QUEUES[name]


def test_measurements_in_hand_stay_hidden_while_the_minute_records_them() -> None:
    assert QUEUES["MeasurementsQueue"]["VisibilityTimeout"] == FUNCTIONS["ReconcileFunction"]["Timeout"] + 60


def test_a_message_that_fails_comes_back_alone_and_each_queue_has_its_own_bound() -> None:
    bounds = []
    for name, batch in BATCHES.items():
        for event in FUNCTIONS[name]["Events"].values():
            properties = event["Properties"]
            assert properties["BatchSize"] == batch
            assert "MaximumBatchingWindowInSeconds" not in properties, "no event waits for others"
            assert properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
            bounds.append(properties["ScalingConfig"]["MaximumConcurrency"]["Ref"])
    assert sorted(bounds) == ["EventsConcurrency", "LiveConcurrency", "WorkConcurrency"]


def test_only_topics_of_sites_of_known_accounts_may_send_to_the_events_queue() -> None:
    allowing = [
        statement
        for statement in RESOURCES["EventsQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
        if statement.get("Effect") == "Allow"
    ]
    assert len(allowing) == 1
    # SNS alone, under its names: tests/unit/template/test_regions.py.
    assert set(allowing[0]["Principal"]) == {"Service"}
    assert allowing[0]["Action"] == "sqs:SendMessage"
    several, one = allowing[0]["Condition"]["ArnLike"]["aws:SourceArn"]["Fn::If"][1:]
    assert one == {"Fn::Sub": "arn:*:sns:*:${AWS::AccountId}:geosync-*"}
    # What joins the accounts makes one pattern of each.
    pattern, variables = several["Fn::Split"][1]["Fn::Sub"]
    between, _ = variables["Accounts"]["Fn::Join"]
    joined = pattern.replace("${Accounts}", between.join(["111111111111", "222222222222"]))
    assert joined.split(",") == ["arn:*:sns:*:111111111111:geosync-*", "arn:*:sns:*:222222222222:geosync-*"]


def test_each_number_with_arithmetic_beside_it_is_its_result() -> None:
    found = 0
    for line in LINES:
        matched = re.match(r"\s+(?:- )?\w+: (\d+)  # ([\d d+x/s-]+?)(?:[,:]|$)", line)
        if matched and re.search(r"\d+ [^,]*[x+-] \d+", matched[2]):
            terms = re.sub(r"[ds ]", "", matched[2]).replace("x", "*")
            assert re.fullmatch(r"[\d*+-]+", terms), line
            assert eval(terms) == int(matched[1]), line  # noqa: S307 - digits and signs
            found += 1
    assert found == 10


def test_the_arithmetic_in_the_comments_about_the_queues_holds() -> None:
    text = " ".join(line.strip(" #") for line in LINES)
    assert "120 + 60 = 180 s" in text
    assert "900 + 60 = 960 s" in text
    assert (FUNCTIONS["LogCursorFunction"]["Timeout"], FUNCTIONS["SyncFunction"]["Timeout"]) == (120, 900)
    assert "10 x 180 s = 30 min" in text
    assert 10 * 180 == 30 * 60
    assert "10 x 960 s = 160 min" in text
    assert 10 * 960 == 160 * 60
    assert "14 d there - 10 d here = 4 d" in text


def test_an_event_of_ecr_that_the_function_fails_at_goes_to_the_dead_letter_queue_and_can_come_back() -> None:
    kept = RESOURCES["EcrEventsThatFailed"]
    assert (kept["Type"], kept["Condition"]) == ("AWS::Lambda::EventInvokeConfig", "TakesEcrEvents")
    properties = kept["Properties"]
    dead = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    assert properties["FunctionName"] == {"Ref": "NotificationsFunction"}
    assert properties["DestinationConfig"] == {"OnFailure": {"Destination": dead}}
    # Lambda sends in the function's name, and refuses a destination that its role may not reach.
    permissions = {
        name: choice["Fn::If"][1]
        for name in ("NotificationsRole", "AdminRole")
        for _, choice in walk(RESOURCES[name]["Properties"]["Policies"])
        if isinstance(choice, dict) and choice.get("Fn::If", [None])[0] == "TakesEcrEvents"
    }
    assert (permissions["NotificationsRole"]["Action"], permissions["NotificationsRole"]["Resource"]) == (
        "sqs:SendMessage",
        dead,
    )
    # A replay hands the event to the function that failed at it.
    own = {"Fn::GetAtt": ["NotificationsFunction", "Arn"]}
    assert (permissions["AdminRole"]["Action"], permissions["AdminRole"]["Resource"]) == ("lambda:InvokeFunction", own)
    assert FUNCTIONS["NotificationsFunction"]["FunctionName"] == {"Fn::Sub": "geosync-${SiteName}-notifications"}
    assert '-notifications"' in (ROOT / "functions" / "admin" / "app.py").read_text()
