"""Has botocore and moto find out once for a process what they find out for each session, client or call a test makes.

All of it follows from their own files and classes alone, so that no test can tell the difference but by its time.
"""

from __future__ import annotations

import inspect
import os
from functools import cache, lru_cache
from typing import Any
from unittest.mock import patch

import botocore.client
import botocore.endpoint
import botocore.hooks
import botocore.useragent
import moto.core.custom_responses_mock
import moto.core.utils
from botocore.hooks import EventAliaser, HierarchicalEmitter
from botocore.loaders import Loader, create_loader
from botocore.model import ServiceModel

_one: dict[str | None, tuple[Loader, list[str]]] = {}
_aliases = EventAliaser(HierarchicalEmitter())
_alias: Any = vars(EventAliaser)["_alias_event_name"]
_accepts_kwargs: Any = vars(botocore.hooks)["accepts_kwargs"]
_sanitize: Any = vars(botocore.useragent)["sanitize_user_agent_string_component"]
_model: Any = vars(botocore.client.ClientCreator)["_load_service_model"]
_proxies: Any = vars(botocore.endpoint)["get_environ_proxies"]
_Response: Any = vars(moto.core.custom_responses_mock)["CallbackResponse"]
_Trie: Any = vars(botocore.hooks)["_PrefixTrie"]
_NodeList: Any = vars(botocore.hooks)["NodeList"]
_MIDDLE: int = vars(botocore.hooks)["_MIDDLE"]
_remove: Any = _Trie.remove_item
_copy: Any = _Trie._recursive_copy
_models: dict[tuple[str, str | None], ServiceModel] = {}


def share() -> None:
    """Let all sessions, clients and calls of this process share what they would each find out."""
    for name, shared in {
        "botocore.session.create_loader": _shared,  # the description of AWS
        "botocore.client.ClientCreator._load_service_model": _service_model,
        "botocore.endpoint.get_environ_proxies": _environ_proxies,
        "botocore.hooks.EventAliaser._alias_event_name": _aliased,
        "botocore.hooks.accepts_kwargs": _takes_any,
        "botocore.hooks._PrefixTrie.__copy__": _copied,
        "botocore.hooks._PrefixTrie.append_item": _append,
        "botocore.hooks._PrefixTrie.remove_item": _removed,
        "botocore.useragent.sanitize_user_agent_string_component": lru_cache(1000)(_sanitize),
        "moto.core.models.CallbackResponse": cache(_Response),  # over a thousand for each test
        "moto.core.responses.camelcase_to_underscores": cache(moto.core.utils.camelcase_to_underscores),
        "moto.sqs.models.camelcase_to_underscores": cache(moto.core.utils.camelcase_to_underscores),
    }.items():
        patch(name, shared).start()


def _shared(search_path_string: str | None = None) -> Loader:
    if search_path_string not in _one:
        made = create_loader(search_path_string)
        _one[search_path_string] = made, list(made.search_paths)
    loader, paths = _one[search_path_string]
    loader.search_paths[:] = paths  # each session of boto3 adds its own folder once more
    return loader


def _service_model(creator: Any, service_name: str, api_version: str | None = None) -> ServiceModel:
    key = service_name, api_version
    if key not in _models:
        _models[key] = _model(creator, service_name, api_version)
    return _models[key]


def _environ_proxies(url: str) -> dict[str, str]:
    """Look through the environment only where it names a proxy."""
    found: dict[str, str] = _proxies(url) if any(name.lower().endswith("_proxy") for name in os.environ) else {}
    return found


def _aliased(_: EventAliaser, event_name: str) -> str:
    """One aliaser keeps the names that all have asked for: all have the same aliases."""
    alias: str = _alias(_aliases, event_name)
    return alias


def _takes_any(handler: Any) -> bool:
    """Tell whether a handler takes any keyword, without the cost of its signature."""
    code = getattr(getattr(handler, "__func__", handler), "__code__", None)
    return bool(code.co_flags & inspect.CO_VARKEYWORDS if code is not None else _accepts_kwargs(handler))


def _copied(trie: Any) -> Any:
    """Have two sets of handlers share all their nodes: a client has some hundred of them, and changes a few."""
    other = _Trie()
    other._root = trie._root
    trie.own, other.own = object(), object()
    return other


def _append(trie: Any, key: str, value: Any, section: int = _MIDDLE) -> None:
    """Add a handler; nodes on the way to it that others may have are made anew."""
    node = trie._root = _of_its_own(trie, trie._root)
    for part in key.split("."):
        children = node["children"]
        child = children.get(part) or {"chunk": part, "values": None, "children": {}}
        node = children[part] = _of_its_own(trie, child)
    if node["values"] is None:
        node["values"] = _NodeList([], [], [])
    node["values"][section].append(value)


def _of_its_own(trie: Any, node: dict[str, Any]) -> dict[str, Any]:
    own = vars(trie).setdefault("own", object())
    if node.get("own") is own:
        return node
    values = node["values"] and _NodeList(*(list(some) for some in node["values"]))
    return {**node, "children": dict(node["children"]), "values": values, "own": own}


def _removed(trie: Any, key: str, value: Any) -> None:
    """Take a handler out of nodes that nobody else has."""
    trie._root = _copy(trie, trie._root)
    _remove(trie, key, value)
