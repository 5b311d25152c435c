"""Message groups, between which the fair queues share their consumers.

A standard queue that carries a `MessageGroupId` delivers the messages of a quiet group before those of a busy one. The
group of a repository is its namespace, so that a namespace in which thousands of tags are pushed delays itself only. A
group is no order: the queues stay standard ones.
"""

from __future__ import annotations

import hashlib
import json

SITE_GROUP = "site"
"""The group of messages that concern no repository."""
_HEX_DIGITS = 16


def namespace(repository: str) -> str:
    """The first segment of a repository's path: `group` of `group/sub/app`."""
    return repository.partition("/")[0]


def message_group(repository: str) -> str:
    """The group of a repository's messages: 16 hex digits, the same for all repositories of its namespace.

    A hash, as AWS allows 128 characters and some punctuation only.
    """
    name = namespace(repository).encode("utf-8", "replace")  # an invalid message may hold half a surrogate
    return hashlib.sha256(name).hexdigest()[:_HEX_DIGITS]


def group_of_body(body: str) -> str:
    """The group of a message that is sent on unchanged, such as a replayed dead letter."""
    try:
        repository = json.loads(body).get("repository")
    except (ValueError, AttributeError, RecursionError):
        return SITE_GROUP
    return message_group(repository) if isinstance(repository, str) else SITE_GROUP
