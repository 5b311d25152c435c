"""Credentials: the ways in which a client proves who it is. Their `repr` leaves out every secret."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

THUMBPRINT = "rfc7638"
"""As a RegistryKey's `kid`: the key's thumbprint (RFC 7638)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anonymous:
    """No credentials: a token service, if the registry names one, is asked without an account.

    It is asked only on the registry's own host or on one of `realm_hosts`, as with Basic.
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
    """A key whose tokens the registry trusts: the client signs its own, without a token service.

    `private_key` is an RSA key as PEM, `issuer` and `service` are what the registry's `auth.token` section names,
    `lifetime_s` is in seconds. `certificate` (PEM, one or a chain) goes along as `x5c`; it has to be one that the
    registry's rootcertbundle holds or has signed. Distribution 3 needs it; 2.8 and GitLab's registry find the key by
    its `kid` alone. `kid` is that id, for a registry that reads its keys from a JWKS; THUMBPRINT stands for the key's
    thumbprint, None for libtrust's id.
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
    """An account that a lender gives out for a time; it may go wherever Basic may.

    One thread at a time calls `borrow`: when there is no loan yet, at its `renew_at_s`, and after it was refused.
    It raises Unauthorized or RegistryUnavailable where it gets none.
    """

    borrow: Callable[[], Loan] = field(repr=False)
    realm_hosts: tuple[str, ...] = ()


Credentials = Anonymous | Basic | Borrowed | RegistryKey
