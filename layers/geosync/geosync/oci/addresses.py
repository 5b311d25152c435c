"""The addresses of a host, and those to which only an operator may lead a request, never a registry.

A registry names hosts: in a realm, a redirect, the location of an upload, a link. Such a name may resolve to this
machine or to its metadata service. So it is resolved here, and the connection goes to the very address that was judged.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from geosync.clock import Clock
from geosync.oci.wire import Left, Step

MOST_ADDRESSES = 8
"""So many addresses of one name are tried at most."""

_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        # Azure's, Alibaba's, and AWS's over IPv6. Most others, and AWS's for containers, are link-local.
        ("168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fd00:ec2::23"),
    )
)


_Address = tuple[socket.AddressFamily, tuple[str, int]]


class ForbiddenAddress(OSError):
    """A registry led to a forbidden address. Only Transport sees it."""

    def __init__(self, why: str = "it leads to a loopback, link-local or metadata address") -> None:
        super().__init__(0, f"{why}: not connected to")


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """The hosts to which the registry at `home`, which an operator named, may lead requests.

    Without `home` an operator named every host. `hosts` are the other hosts to which `home` may lead: `host` for any
    port, `host:port`, or `*.domain` for everything below a domain. Empty: every host whose address is not forbidden.
    """

    home: str | None = None
    hosts: tuple[str, ...] = ()

    def names(self, host: str) -> bool:
        """Tell whether an operator named `host` itself: its addresses are never forbidden."""
        return self.home is None or host == self.home

    def permits(self, host: str, port: int) -> bool:
        """Tell whether requests may go to `host` (lower case), whatever its addresses are."""
        return self.names(host) or not self.hosts or any(_matches(pattern, host, port) for pattern in self.hosts)


EVERYWHERE = Egress()


def _matches(pattern: str, host: str, port: int) -> bool:
    texts = (host, f"{host}:{port}")
    if pattern.startswith("*."):
        return any(text.endswith(pattern[1:].lower()) for text in texts)
    return pattern.lower() in texts


def is_forbidden(address: str) -> bool:
    """Tell whether a registry must not lead to an address: loopback, link-local, unspecified, multicast, metadata."""
    given = ipaddress.ip_address(address.partition("%")[0])
    mapped = given.ipv4_mapped if isinstance(given, ipaddress.IPv6Address) else None
    ip = mapped or given
    return ip.is_loopback or ip.is_link_local or ip.is_unspecified or ip.is_multicast or ip in _METADATA


def connect(host: str, port: int, *, egress: Egress, clock: Clock, seconds: float, left: Left) -> socket.socket:
    """Connect to the first address of `host` that answers, each within `seconds`.

    Raises OSError, ForbiddenAddress when none may be connected to, UnicodeError where `host` is no name.
    """
    if not egress.permits(host, port):
        # Checked before the name is resolved: a query to a name server leaves this machine, too.
        raise ForbiddenAddress("it leads to a host that AllowedHosts does not name")
    allowed = _allowed(host, port, egress)
    if not allowed:
        raise ForbiddenAddress
    failure: OSError | None = None
    for family, address in allowed[:MOST_ADDRESSES]:
        wire = socket.socket(family, socket.SOCK_STREAM)
        try:
            wire.settimeout(Step(clock, seconds, left).left_s())
            wire.connect(address)
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            wire.close()
            failure = error
        else:
            return wire
    raise failure or ForbiddenAddress


def _addresses(host: str, port: int) -> list[_Address]:
    """The addresses of a name. Raises socket.gaierror, UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]  # type: ignore[misc]


def _allowed(host: str, port: int, egress: Egress) -> list[_Address]:
    """The addresses of `host` that may be connected to. The registry's own host may be at any address."""
    found = list(dict.fromkeys(_addresses(host, port)))
    if egress.home is None or egress.names(host):
        return found
    allowed = [one for one in found if not is_forbidden(one[1][0])]
    if len(allowed) == len(found):
        return found
    own = {one[1][0] for one in _addresses(egress.home, port)}
    return [one for one in found if one in allowed or one[1][0] in own]
