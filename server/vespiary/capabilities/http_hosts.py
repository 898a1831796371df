"""Which places on the network an agent may reach. Pure: names, addresses and grants in, a verdict out.

A host is granted by its exact name. A name that was granted must lead to a public address: else whoever answers for the name could
lead an agent to this machine, its network, or the metadata service of a cloud. A private address is reached only when that very
address was granted; `localhost` stands for the loopback addresses.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

_DEFAULT_PORTS = {"http": 80, "https": 443}
_NAT64 = ip_network("64:ff9b::/96")


def authority(host: str, port: int) -> str:
    """How a grant names a host with a port."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_granted(scheme: str, host: str, port: int, hosts: Iterable[str]) -> bool:
    """Whether the grants name this host. A grant without a port means the scheme's own."""
    names = {name.lower() for name in hosts}
    bare = f"[{host}]" if ":" in host else host
    return authority(host, port) in names or (port == _DEFAULT_PORTS.get(scheme) and bare in names)


def may_connect(host: str, port: int, address: str, hosts: Iterable[str]) -> bool:
    """Whether a granted host may be reached at an address that its name leads to."""
    found = parse_address(address)
    if found is None:
        return False
    if all(is_public(each) for each in _embedded(found)):
        return True
    if host == "localhost":
        return found.is_loopback
    names = {name.lower() for name in hosts}
    literal = str(found)
    bare = f"[{literal}]" if isinstance(found, IPv6Address) else literal
    return authority(literal, port) in names or (port in _DEFAULT_PORTS.values() and bare in names)


def parse_address(text: str) -> Address | None:
    """The address that a text writes down in the usual way; none for names and for unusual ways (`0x7f.1`)."""
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Whether the address belongs to the public internet."""
    return address.is_global and not address.is_multicast and not address.is_reserved and not address.is_unspecified


def _embedded(address: Address) -> Iterable[Address]:
    """The address, and the IPv4 address that it carries to a gateway, if it does."""
    yield address
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in _NAT64:
        yield IPv4Address(int(address) & 0xFFFFFFFF)
