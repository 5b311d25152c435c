"""Has moto answer a call to DynamoDB without the wire between: no request is signed, sent or parsed, no answer written.

It is moto that reads and changes its tables, and what it refuses goes the long way, for the error as AWS words it. Most
of the time of the functional tests was the wire, and what moto does again and again to understand an update.

One call is answered at a time: moto's tables are plain dictionaries, which no thread must change while another reads.
"""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import moto.dynamodb.parsing.ast_nodes
import moto.dynamodb.parsing.expressions
from botocore import handlers, xform_name
from botocore.model import OperationModel
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.models import DEFAULT_ACCOUNT_ID, botocore_stubber
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.dynamodb.parsing.validators import ActionCountValidator, OverlappingPathsValidator
from moto.dynamodb.responses import DynamoHandler

_ON_ITEMS = frozenset(
    {"GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan"}
    | {"BatchGetItem", "BatchWriteItem", "TransactWriteItems"}
)
_turn = threading.RLock()
_process_request = BotocoreStubber.process_request


def _wire(stubber: BotocoreStubber, request: Any) -> Any:
    """Answer a call on the wire; a test that replaces this (throttled.py) gets all calls."""
    with _turn:
        return _process_request(stubber, request)


_OK = SimpleNamespace(status_code=200, headers={})
_parsed: Any = vars(moto.dynamodb.parsing.expressions)["UpdateExpressionParser"].make
_traverser: Any = vars(moto.dynamodb.parsing.ast_nodes)["DepthFirstTraverser"]
_Node: Any = vars(moto.dynamodb.parsing.ast_nodes)["Node"]
_cast_value: Any = vars(DynamoType)["cast_value"].fget
_transact: Any = vars(DynamoDBBackend)["transact_write_items"]


def shorten() -> None:
    """Let moto answer the DynamoDB calls of all clients that this process makes from now on."""
    # After all handlers of a test, which count calls or cut them: those of a longer name come first, too.
    handlers.BUILTIN_HANDLERS.append(("before-call", _answer, handlers.REGISTER_LAST))
    patch.object(BotocoreStubber, "process_request", _wire).start()
    parsing, models = "moto.dynamodb.parsing", "moto.dynamodb.models"
    for name, shorter in {
        f"{parsing}.expressions.UpdateExpressionParser.make": cache(_parsed),
        f"{parsing}.ast_nodes.DepthFirstTraverser.traverse_node_recursively": _traversed,
        f"{parsing}.validators.deepcopy": lambda nodes: pickle.loads(pickle.dumps(nodes)),  # noqa: S301 - made here
        # What these two find in a part of an expression, they find in the whole as well.
        f"{parsing}.validators.ActionCountValidator.traverse": ActionCountValidator.verify_action_counts,
        f"{parsing}.validators.OverlappingPathsValidator.traverse": (
            OverlappingPathsValidator.check_for_overlapping_paths
        ),
        f"{models}.DynamoDBBackend.transact_write_items": _transact_on_items,
        f"{models}.copy": SimpleNamespace(deepcopy=lambda table_or_item: table_or_item),
        f"{models}.dynamo_type.DynamoType.cast_value": property(_cast),
        f"{models}.table.Table.all_items": _all_items,
    }.items():
        patch(name, shorter).start()


def _answer(model: OperationModel, params: Mapping[str, Any], context: Mapping[str, Any], **_: Any) -> Any:
    """The response, and its content as botocore would have parsed it; None: the call goes the long way."""
    is_on_items = model.service_model.service_name == "dynamodb" and model.name in _ON_ITEMS
    is_motos = botocore_stubber.enabled and ".amazonaws.com" in params["url"]
    if not is_on_items or not is_motos or BotocoreStubber.process_request is not _wire:
        return None
    handler: Any = DynamoHandler()
    handler.region, handler.current_account = context["client_region"], DEFAULT_ACCOUNT_ID
    handler.body = handler.params = json.loads(params["body"])
    handler.uri_match, handler.querystring = {}, {}
    try:
        with _turn:
            result = getattr(handler, xform_name(model.name))().result
    except Exception:  # noqa: BLE001 - it changed nothing, and moto says it once more on the wire
        return None
    assert model.output_shape is not None
    told = {name: value for name, value in result.items() if name in model.output_shape.members and value is not None}
    about = {"RequestId": "moto", "HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}
    return _OK, told | {"ResponseMetadata": about}


def _traversed(traverser: Any, node: Any, place: int = -1) -> Any:
    """Go through an expression as moto does, and ask only once for each kind of node if it is processed."""
    above, children = node.parent, node.children
    for number, child in enumerate(children or ()):
        traverser.pre_processing_of_child(node, number)
        if isinstance(child, _Node):
            _traversed(traverser, child, number)
    kinds: Any = type(traverser), type(node)
    if not _is_processed(*kinds):
        return node
    processed = traverser.process(node)
    processed.parent = above
    if above:
        above.children[place] = processed
    return processed


@cache
def _is_processed(traverser: Any, kind: type) -> bool:
    return issubclass(kind, _traverser.nodes_to_be_processed(traverser.__new__(traverser)))


def _cast(value: DynamoType) -> Any:
    return value.value if value.type == "S" else _cast_value(value)


def _all_items(table: Table) -> list[Item]:
    """All items in the order of their keys, which moto itself compares in Python."""
    kept: Any = table.items.values()
    items: list[Item] = [item for part in kept for item in part.values()] if table.has_range_key else list(kept)
    return sorted(items, key=lambda one: (one.hash_key.cast_value, one.range_key and one.range_key.cast_value))


def _transact_on_items(backend: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
    """Keep the items that a transaction names: moto itself copies the table, once for each of them."""
    named = [(part["TableName"], part.get("Key") or part["Item"]) for one in transact_items for part in one.values()]
    before = [(name, key, deepcopy(backend.get_item(name, key))) for name, key in named]
    try:
        _transact(backend, transact_items)
    except Exception:
        for name, key, item in before:
            table = backend.get_table(name)
            place = backend.get_keys_value(table, key)
            table.delete_item(*place)
            if item is not None:
                table.put_item(item.to_json()["Attributes"])
        raise
