"""The contract of a store, checked on both stores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from boto3.dynamodb.conditions import Attr

from geosync.errors import CorruptItem
from geosync.sync_registry.table.changes import Check, ConditionFailed, Delete, Key, Store, TransactionFailed, Update
from geosync.sync_registry.table.memory import MemoryStore

KEY = Key("project/app", "row")
OTHER = Key("project/app", "tag#v1")


def test_update_creates_the_item_and_returns_it(store: Store) -> None:
    item = store.write(
        Update(
            key=KEY,
            set={"state": "1", "flag": True},
            set_once={"created_at": 7},
            add={"revision": 2},
            union={"expects": frozenset({"a"})},
            remove=("retry_at",),
        )
    )

    assert item == {
        "repository": "project/app",
        "item": "row",
        "state": "1",
        "flag": True,
        "created_at": 7,
        "revision": 2,
        "expects": frozenset({"a"}),
    }
    assert store.get(KEY) == item


@pytest.mark.parametrize("name", ["repository", "item"])
def test_no_update_changes_the_key(name: str) -> None:
    """DynamoDB refuses it, even to the value that it has; moto does not."""
    changes: list[dict[str, Any]] = [{"set": {name: "x"}}, {"set_once": {name: "x"}}, {"remove": (name,)}]
    for change in changes:
        with pytest.raises(ValueError, match="cannot change the key"):
            Update(key=KEY, **change)


def test_update_changes_what_it_names_and_keeps_the_rest(store: Store) -> None:
    store.write(Update(key=KEY, set={"state": "1", "retry_at": 3, "kept": "yes"}, set_once={"created_at": 7}))

    item = store.write(
        Update(
            key=KEY,
            set={"state": "2"},
            set_once={"created_at": 9},
            add={"revision": 1},
            union={"expects": frozenset({"b", "c"})},
            remove=("retry_at",),
        )
    )

    assert item is not None
    assert (item["state"], item["created_at"], item["revision"], item["kept"]) == ("2", 7, 1, "yes")
    assert item["expects"] == frozenset({"b", "c"})
    assert "retry_at" not in item
    assert isinstance(item["revision"], int)


def test_an_attribute_is_set_to_the_former_value_of_another_or_to_a_default(store: Store) -> None:
    store.write(Update(key=KEY, set={"verification_due": 5, "due": 1}))

    item = store.write(Update(key=KEY, set_from={"due": ("verification_due", 9)}, remove=("verification_due",)))
    assert item is not None
    assert (item["due"], "verification_due" in item) == (5, False)

    item = store.write(Update(key=KEY, set_from={"due": ("verification_due", 9)}))
    assert item is not None
    assert item["due"] == 9


def test_a_condition_that_fails_brings_the_item_and_writes_nothing(store: Store) -> None:
    store.write(Update(key=KEY, set={"lease_token": "mine"}))

    with pytest.raises(ConditionFailed) as failed:
        store.write(Update(key=KEY, set={"lease_token": "yours"}, when=Attr("lease_token").not_exists()))

    assert failed.value.item == {"repository": "project/app", "item": "row", "lease_token": "mine"}
    assert store.get(KEY) == failed.value.item


def test_a_condition_that_fails_on_a_missing_item_brings_none(store: Store) -> None:
    with pytest.raises(ConditionFailed) as failed:
        store.write(Update(key=KEY, set={"state": "1"}, when=Attr("lease_token").eq("mine")))

    assert failed.value.item is None
    assert store.get(KEY) is None


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (Attr("number").eq(5), True),
        (Attr("number").eq(6), False),
        (Attr("number").ne(6), True),
        (Attr("number").lt(6), True),
        (Attr("number").lt(5), False),
        (Attr("number").lte(5), True),
        (Attr("number").gt(5), False),
        (Attr("number").gte(5), True),
        (Attr("missing").lt(5), False),
        (Attr("missing").gt(5), False),
        (Attr("missing").eq("x"), False),
        (Attr("missing").exists(), False),
        (Attr("missing").not_exists(), True),
        (Attr("text").exists(), True),
        (Attr("texts").size().lt(3), True),
        (Attr("texts").size().lt(2), False),
        (Attr("missing").not_exists() | Attr("texts").size().lt(2), True),
        (Attr("text").eq("x") & Attr("number").gt(9), False),
        (Attr("text").eq("x") & Attr("number").gt(4), True),
        (~Attr("text").eq("x"), False),
    ],
)
def test_conditions_mean_the_same_in_both_stores(store: Store, condition: object, holds: bool) -> None:
    store.write(Update(key=KEY, set={"number": 5, "text": "x", "texts": frozenset({"a", "b"})}))
    change = Update(key=KEY, set={"reached": True}, when=condition)  # type: ignore[arg-type]

    if holds:
        store.write(change)
    else:
        with pytest.raises(ConditionFailed):
            store.write(change)


def test_delete_checks_its_condition(store: Store) -> None:
    store.write(Update(key=KEY, set={"mark": "one"}))

    with pytest.raises(ConditionFailed):
        store.write(Delete(key=KEY, when=Attr("mark").eq("two")))
    assert store.get(KEY) is not None

    store.write(Delete(key=KEY, when=Attr("mark").eq("one")))
    assert store.get(KEY) is None
    store.write(Delete(key=KEY))  # gone already: as good


def test_a_transaction_is_carried_out_whole(store: Store) -> None:
    store.write(Update(key=KEY, set={"lease_token": "mine"}))
    store.write(Update(key=Key("project/app", "owed#tag#v1"), set={"mark": "one"}))

    store.transact(
        [
            Check(key=KEY, when=Attr("lease_token").eq("mine")),
            Delete(key=Key("project/app", "owed#tag#v1"), when=Attr("mark").eq("one")),
            Update(key=OTHER, set={"digest": "sha256:1"}),
        ]
    )

    assert store.get(Key("project/app", "owed#tag#v1")) is None
    assert store.get(OTHER) == {"repository": "project/app", "item": "tag#v1", "digest": "sha256:1"}
    assert store.get(KEY) == {"repository": "project/app", "item": "row", "lease_token": "mine"}


def test_a_transaction_says_which_conditions_failed_and_writes_nothing(store: Store) -> None:
    store.write(Update(key=KEY, set={"lease_token": "mine"}))

    with pytest.raises(TransactionFailed) as failed:
        store.transact(
            [
                Check(key=KEY, when=Attr("lease_token").eq("mine")),
                Delete(key=Key("project/app", "owed#tag#v1"), when=Attr("mark").eq("one")),
                Update(key=OTHER, set={"digest": "sha256:1"}),
            ]
        )

    assert list(failed.value.failed) == [1]
    assert store.get(OTHER) is None


def test_adding_to_what_is_no_number_or_no_set_names_the_item(store: Store) -> None:
    store.write(Update(key=KEY, set={"revision": "many", "expects": "nonsense"}))

    with pytest.raises(CorruptItem, match=r"project/app.*row.*revision"):
        store.write(Update(key=KEY, add={"revision": 1}))
    with pytest.raises(CorruptItem, match=r"project/app.*row.*expects"):
        store.write(Update(key=KEY, union={"expects": frozenset({"a"})}))


def test_batch_get_finds_what_is_there_among_any_number_of_keys(
    store: Store, put: Callable[[MemoryStore], None]
) -> None:
    keys = [Key("project/app", f"tag#{number}") for number in range(150)]
    table = {key: {"repository": key.repository, "item": key.item, "digest": key.item} for key in keys[:120]}
    put(MemoryStore(table.values()))

    found = store.batch_get([*keys, keys[0]])

    assert set(found) == set(keys[:120])
    assert found[keys[7]]["digest"] == "tag#7"
    assert store.batch_get([]) == {}


def test_items_are_read_by_prefix_in_order_and_from_a_place(store: Store) -> None:
    for item in ("owed#tag#b", "owed#tag#a", "owed#*", "row", "tag#a"):
        store.write(Update(key=Key("project/app", item), set={"x": 1}))
    store.write(Update(key=Key("project/other", "owed#tag#c"), set={"x": 1}))

    def read(limit: int, after: str = "") -> list[str]:
        return [item["item"] for item in store.items("project/app", "owed#", limit=limit, after=after)]

    assert read(10) == ["owed#*", "owed#tag#a", "owed#tag#b"]
    assert read(2) == ["owed#*", "owed#tag#a"]
    assert read(10, after="owed#tag#a") == ["owed#tag#b"]
    assert read(10, after="owed#tag#aa") == ["owed#tag#b"]


def test_only_the_wanted_attributes_of_items_are_read(store: Store) -> None:
    """`total` and `minutes` are words that an expression must not have as they are."""
    for name in ("hour#1", "hour#2"):
        store.write(Update(key=Key("project/app", name), set={"minutes": 1, "total": {"0": 3}, "late": 2}))
    found = store.items("project/app", "hour#", limit=9, after="hour#0", only=("item", "minutes", "late", "lost"))
    assert found == [{"item": name, "minutes": 1, "late": 2} for name in ("hour#1", "hour#2")]
    assert store.items("project/app", "hour#", limit=1, only=("total",)) == [{"total": {"0": 3}}]


def test_due_is_newest_first_of_one_repository_up_to_a_time(store: Store) -> None:
    for number, due in enumerate((30, 10, 20, 40)):
        store.write(Update(key=Key("project/app", f"owed#tag#{number}"), set={"due": due, "due_shard": "0"}))
    store.write(Update(key=Key("project/app", "owed#tag#none"), set={"mark": "x"}))
    store.write(Update(key=Key("project/other", "owed#tag#x"), set={"due": 5, "due_shard": "0"}))

    assert [item["due"] for item in store.due("project/app", 30, 10)] == [30, 20, 10]
    assert [item["due"] for item in store.due("project/app", 30, 2)] == [30, 20]
    assert store.due("project/app", 9, 10) == []


def test_due_leaves_out_what_failed_where_it_is_asked_to(store: Store) -> None:
    for number in range(30):
        tried = {"attempts": number % 3} if number % 2 else {}
        store.write(Update(key=Key("project/app", f"owed#tag#{number:02}"), set={"due": number, **tried}))

    untried = [29 - number for number in range(30) if (29 - number) % 2 == 0 or (29 - number) % 3 == 0]
    assert [item["due"] for item in store.due("project/app", 30, 30, untried=True)] == untried
    assert [item["due"] for item in store.due("project/app", 30, 2, untried=True)] == untried[:2]
    assert [item["due"] for item in store.due("project/app", 20, 30, untried=True)] == [n for n in untried if n <= 20]


def test_references_due_at_one_moment_are_all_found_page_by_page(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geosync.sync_registry.table.dynamodb.PAGE", 7)
    names = [f"owed#tag#{number:02}" for number in range(30)]
    for number, name in enumerate(names):
        tried = {"attempts": 1} if 0 < number < 29 else {}
        store.write(Update(key=Key("project/app", name), set={"due": 7, "due_shard": "0", **tried}))

    assert sorted(key.item for key in store.due_keys("0", 7)) == names
    assert sorted(item["item"] for item in store.due("project/app", 7, 2, untried=True)) == [names[0], names[-1]]


def test_due_keys_are_of_one_shard_oldest_first(store: Store) -> None:
    for number, (due, shard) in enumerate(((30, "0"), (10, "0"), (20, "1"), (40, "0"))):
        store.write(Update(key=Key(f"project/{number}", "owed#tag#v1"), set={"due": due, "due_shard": shard}))
    store.write(Update(key=Key("project/5", "owed#tag#v1"), set={"due": 1, "due_shard": "0"}))
    store.write(Update(key=Key("project/5", "owed#tag#v1"), remove=("due", "due_shard")))

    assert [key.repository for key in store.due_keys("0", 30)] == ["project/1", "project/0"]
    assert [key.repository for key in store.due_keys("0", 99, start=30)] == ["project/0", "project/3"]


def test_whole_items_are_put_in_place_of_what_was_there(store: Store) -> None:
    """More than fit into one request."""
    keys = [Key(f"blob#{number}", "blob") for number in range(60)]
    store.write(Update(key=keys[3], set={"copied_by": "somebody", "copied_until": 7}))

    store.batch_put({**key._asdict(), "repositories": ["a", "b"], "expire_at": 9} for key in keys)

    assert store.batch_get(keys) == {
        key: {"repository": key.repository, "item": "blob", "repositories": ["a", "b"], "expire_at": 9} for key in keys
    }


def test_items_are_deleted_together_and_others_stay(store: Store) -> None:
    """More than fit into one request, and one that is not there."""
    keys = [Key(f"#outbox-{number % 8}", f"event#{number}") for number in range(60)]
    store.batch_put({**key._asdict(), "kind": "replicated"} for key in keys)

    store.batch_delete([*keys[1:], Key("#outbox-0", "event#none")])

    assert set(store.batch_get(keys)) == {keys[0]}


def test_nothing_to_put_or_delete_is_no_request(store: Store) -> None:
    store.batch_put([])
    store.batch_delete([])
