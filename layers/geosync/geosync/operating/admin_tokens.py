"""The rules for the named tokens of the admin API: their names, how they are made, what is kept of them.

The table keeps a token's digest, so that nobody who reads the table can use one. The digest needs no salt and no slow
hash: the token is random, 285 bits. The items are in `sync_registry/site/admin_access.py`.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string

NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")
"""A token's name; it is in the audit log, and in the cookies of its sessions."""
_LETTERS = string.ascii_letters + string.digits
_LENGTH = 48


def new_token() -> str:
    """Make a token: 48 letters and digits, as the template makes its secrets."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))


def token_key(token: bytes) -> str:
    """The digest of a token, which is all that is kept of it."""
    return hashlib.sha256(token).hexdigest()
