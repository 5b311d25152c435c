"""Scopes: what a request needs to be allowed (CNCF Distribution, "Token Scope Documentation")."""

from __future__ import annotations

#: (type, name, actions), e.g. ("repository", "team/app", ("pull", "push")).
Scope = tuple[str, str, tuple[str, ...]]
#: Every scope that one request needs.
Scopes = tuple[Scope, ...]

#: The scope for listing all repositories.
CATALOG: Scope = ("registry", "catalog", ("*",))


def pull(repository: str) -> Scope:
    """Return the scope for reading a repository."""
    return ("repository", repository, ("pull",))


def push(repository: str) -> Scope:
    """Return the scope for writing to a repository: a registry wants `pull` along with it."""
    return ("repository", repository, ("pull", "push"))


def delete(repository: str) -> Scope:
    """Return the scope for deleting in a repository."""
    return ("repository", repository, ("delete", "pull"))


def widened(access: Scopes, *, writes: bool) -> Scopes:
    """Return the scopes of a token request for `access`, in a fixed order.

    A client that writes asks for `push` along with the `pull` of the first scope, so that one token does for both.
    """
    if writes and access and access[0][2] == ("pull",):
        kind, name, _ = access[0]
        access = ((kind, name, ("pull", "push")), *access[1:])
    return tuple(sorted(access))


def advice(access: Scopes) -> str:
    """Return the sentence that says what to allow the account for `access`, "" where that is nothing."""
    wanted = " and ".join(f"{' and '.join(actions)} in {kind} {name}" for kind, name, actions in access)
    return f"check that the account may {wanted}" if wanted else ""
