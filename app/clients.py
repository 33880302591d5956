"""Whom a request counts for where clients share."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network


@lru_cache(1024)
def client_key(host: str) -> str:
    """A client's address, or for IPv6 its /64 network, which is one site's."""
    if ":" not in host:
        return host
    try:
        return IPv6Address(host.partition("%")[0]).packed[:8].hex()
    except ValueError:
        return host


class Networks:
    """Addresses and networks, as settings name them.

    Args:
        names: separated by commas; ``*`` is every address.
    """

    def __init__(self, names: str) -> None:
        listed = [name.strip() for name in names.split(",") if name.strip()]
        self._all = "*" in listed
        self._networks = [ip_network(name, strict=False) for name in listed if name != "*"]

    def __contains__(self, host: str) -> bool:
        if self._all or not self._networks:
            return self._all
        try:
            address = ip_address(host)
        except ValueError:  # A Unix socket has none.
            return False
        return any(address in network for network in self._networks)
