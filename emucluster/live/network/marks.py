"""Who sent a packet, where its address does not tell: load balancers mark what they send.

A load balancer that keeps its clients' addresses cannot be told from these clients by the source of
its packets. So its sockets write a codepoint of the DSCP field that no standard uses (RFC 2474:
experimental or local use), which the receiver's kernel filters can read. The codepoint comes from
the load balancer's address; of more than 31 load balancers of a cluster, some share one.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

_LOAD_BALANCERS = IPv4Network("127.240.0.0/13")
"""Of all slices; see `core.addresses`."""
_MARKS = 31
MARKED = 0x04
"""The bit of the TOS byte that every mark has and no standard DSCP but one (LE) has."""
TOS_MASK = 0xFC
_IP_PKTOPTIONS = 9
_IP_RECVTOS = 13
_CMSG = struct.Struct("@Lii")


def mark_of(address: str) -> int:
    """The TOS byte of what the load balancer at `address` sends; zones share their balancer's."""
    return (2 * ((int(IPv4Address(address)) & 0xFF) % _MARKS) + 3) << 2


def marks_of(networks: Iterable[IPv4Network]) -> frozenset[int]:
    """The marks of all load balancers in `networks`."""
    found: set[int] = set()
    for network in networks:
        if network.overlaps(_LOAD_BALANCERS):
            numbers = range(min(network.num_addresses, 2 * _MARKS))
            found.update(mark_of(str(network[number])) for number in numbers)
    return frozenset(found)


def put(sock: socket.socket, mark: int) -> None:
    """Mark all packets of a socket that is not connected yet."""
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, mark)


def read(sock: socket.socket) -> int:
    """The mark of the packet that opened an accepted connection; 0: none."""
    try:
        sock.setsockopt(socket.IPPROTO_IP, _IP_RECVTOS, 1)
        data = sock.getsockopt(socket.IPPROTO_IP, _IP_PKTOPTIONS, 256)
    except OSError:
        return 0
    while len(data) >= _CMSG.size:
        length, level, kind = _CMSG.unpack_from(data)
        if length < _CMSG.size:
            break
        if level == socket.IPPROTO_IP and kind == socket.IP_TOS and length > _CMSG.size:
            tos = data[_CMSG.size] & TOS_MASK
            return tos if tos & MARKED else 0
        data = data[(length + 7) & ~7 :]
    return 0
