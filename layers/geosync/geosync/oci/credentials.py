"""Credentials: the ways in which a client may be let in. No secret of theirs is in any text: `repr` leaves it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

THUMBPRINT = "rfc7638"
"""The `kid` of a RegistryKey that is the key's thumbprint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anonymous:
    """No credentials: a token service, if the registry names one, is asked without an account.

    Only one on the registry's own host or on one of `realm_hosts`, as with Basic.
    """

    realm_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Basic:
    """A user and a password, for a Basic challenge or for the token service that a Bearer challenge names.

    They go to the registry's own host, and to a token service only on that host or on one of `realm_hosts` (`host`, any
    port, or `host:port`), never from https to http.
    """

    username: str
    password: str = field(repr=False)
    realm_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryKey:
    """A key whose tokens the registry trusts: we sign our own, so that nobody has to be asked.

    `private_key` is an RSA key as PEM, `issuer` and `service` are what the registry's `auth.token` section names,
    `lifetime_s` is in seconds. `certificate` (PEM, one or a chain) goes along as `x5c`; it has to be one that the
    registry's rootcertbundle holds or has signed. Distribution 3 needs it; 2.8 and GitLab's registry find the key by
    its `kid` alone. `kid` is that id, for a registry that reads its keys from a JWKS: THUMBPRINT has it computed, None
    means libtrust's.
    """

    private_key: str = field(repr=False)
    issuer: str
    service: str
    lifetime_s: float = 300.0
    certificate: str | None = field(default=None, repr=False)
    kid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """A user and a password for a time; `renew_at_s` (seconds since the epoch) is well before they end.

    Where the password `is_refresh_token`, the token service is asked by POST (Distribution, "OAuth2 Token
    Authentication").
    """

    username: str
    password: str = field(repr=False)
    renew_at_s: float
    is_refresh_token: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Borrowed:
    """An account that somebody else gives out for a time; else as Basic.

    One thread at a time calls `borrow`: when there is no loan yet, at its `renew_at_s`, and after it was refused.
    It raises Unauthorized or RegistryUnavailable where it gets none.
    """

    borrow: Callable[[], Loan] = field(repr=False)
    realm_hosts: tuple[str, ...] = ()


Credentials = Anonymous | Basic | Borrowed | RegistryKey
