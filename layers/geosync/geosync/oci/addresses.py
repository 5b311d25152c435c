"""The addresses that a host's name stands for, and those to which nobody but the operator may lead a request.

A realm, a redirect, the location of an upload, a link: a registry names hosts, and a name may stand for this machine or
for its metadata service. So the name is resolved here, and a connection is opened to the very address that was judged.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

from geosync.clock import Clock
from geosync.oci.wire import Left, Step

MOST_ADDRESSES = 8
"""Addresses of one name that are tried."""

_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        # Of Azure's and Alibaba's hosts, and AWS's over IPv6. Most others, AWS's for containers too, are link-local.
        ("168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fd00:ec2::23"),
    )
)


_Found = tuple[socket.AddressFamily, tuple[str, int]]


class ForbiddenAddress(OSError):
    """A registry led to a forbidden address. Only Transport sees it."""

    def __init__(self, why: str = "it leads to a loopback, link-local or metadata address") -> None:
        super().__init__(0, f"{why}: not connected to")


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """The hosts to which requests may go on the word of the registry at `home`, the host that an operator named.

    Without `home` an operator named them all. `hosts` are the other hosts to which `home` may lead: `host` for any
    port, `host:port`, or `*.domain` for everything below a domain. Empty: wherever no address is forbidden.
    """

    home: str | None = None
    hosts: tuple[str, ...] = ()

    def names(self, host: str) -> bool:
        """Tell whether an operator named `host` itself: what its name stands for is never forbidden."""
        return self.home is None or host == self.home

    def permits(self, host: str, port: int) -> bool:
        """Tell whether requests may go to `host` (lower case), whatever its addresses are."""
        return self.names(host) or not self.hosts or any(_is(one, host, port) for one in self.hosts)


EVERYWHERE = Egress()


def _is(named: str, host: str, port: int) -> bool:
    texts = (host, f"{host}:{port}")
    if named.startswith("*."):
        return any(one.endswith(named[1:].lower()) for one in texts)
    return named.lower() in texts


def is_forbidden(address: str) -> bool:
    """Tell whether a registry must not lead to an IP address: loopback, link-local, metadata, or none of one host's."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    one = mapped or found
    return one.is_loopback or one.is_link_local or one.is_unspecified or one.is_multicast or one in _METADATA


def connect(host: str, port: int, *, egress: Egress, clock: Clock, seconds: float, left: Left) -> socket.socket:
    """Connect to the first address of `host` that answers, each within `seconds`.

    Raises OSError, ForbiddenAddress when none may be connected to; UnicodeError for what is no name.
    """
    if not egress.permits(host, port):
        # Before the name is resolved: a question to a name server leads somewhere, too.
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


def _addresses(host: str, port: int) -> list[_Found]:
    """The addresses of a name. Raises socket.gaierror, UnicodeError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(family, address) for family, _, _, _, address in found]  # type: ignore[misc]


def _allowed(host: str, port: int, egress: Egress) -> list[_Found]:
    """The addresses of `host` that may be connected to. The registry's own host may be at any address."""
    found = list(dict.fromkeys(_addresses(host, port)))
    if egress.home is None or egress.names(host):
        return found
    allowed = [one for one in found if not is_forbidden(one[1][0])]
    if len(allowed) == len(found):
        return found
    own = {one[1][0] for one in _addresses(egress.home, port)}
    return [one for one in found if one in allowed or one[1][0] in own]
