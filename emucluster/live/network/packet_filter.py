"""Kernel packet filters on one socket: silence, source ranges and loss, as a firewall would do.

A classic BPF program (linux/filter.h, SO_ATTACH_FILTER) sees each *received* packet of the socket
before TCP does: a dropped SYN is answered by nothing, a dropped segment is not acknowledged and the
peer retransmits it. What the socket itself sends is not filtered. Connections accepted from a
listening socket inherit the filter that it had at that time.

A socket may be given as a `socket.socket`, as a transport of asyncio or uvloop, or as a descriptor.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import functools
import ipaddress
import os
import select
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from emucluster.live.network.marks import MARKED, TOS_MASK

SO_ATTACH_FILTER = 26
SO_DETACH_FILTER = 27
MAX_NETWORKS = 1000
"""A classic program may have 4096 instructions (BPF_MAXINSNS); a network takes four."""

Filterable: TypeAlias = socket.socket | asyncio.BaseTransport | int
Network: TypeAlias = str | ipaddress.IPv4Network
_Instruction: TypeAlias = tuple[int, int, int, int]

_LOAD, _AND, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_LOAD_BYTE, _JUMP, _JUMP_IF_SET = 0x30, 0x05, 0x45
_IPV4_SOURCE = 0xFFF00000 + 12  # SKF_NET_OFF + offset of saddr in the IPv4 header
_IPV4_TOS = 0xFFF00000 + 1
_RANDOM = 0xFFFFF000 + 56  # SKF_AD_OFF + SKF_AD_RANDOM
_DROP: _Instruction = (_RETURN, 0, 0, 0)
_PASS: _Instruction = (_RETURN, 0, 0, 0xFFFFFFFF)


def drop_all(target: Filterable) -> None:
    """Drop every packet that arrives for the socket. Raises OSError where the kernel refuses."""
    _attach(target, [_DROP])


@dataclass(frozen=True, slots=True)
class Rule:
    """Of packets from `networks`, drop this share, drawn by the kernel.

    `marks`: of load balancers in these networks; a marked packet is theirs, whatever its source.
    """

    networks: tuple[ipaddress.IPv4Network, ...]
    marks: frozenset[int]
    share: float = 1.0


def screen(target: Filterable, *, allow: Sequence[Network] | None, rules: Sequence[Rule]) -> None:
    """Drop packets from outside `allow` (None: from nowhere), and those that `rules` say.

    An empty `allow` drops everything. A socket has one filter, so that both are in one program.
    Raises ValueError when they do not fit into it.
    """
    program = [*_allowing(allow), *_ruling(rules), _PASS]
    if len(program) == 1:
        clear(target)
    elif len(program) > 4 * MAX_NETWORKS:
        raise ValueError(f"source ranges and faults: more than {MAX_NETWORKS} networks in all")
    else:
        _attach(target, program)


def _allowing(networks: Sequence[Network] | None) -> list[_Instruction]:
    """Drops what comes from elsewhere, else goes on behind its end."""
    if networks is None:
        return []
    program: list[_Instruction] = [_DROP]
    for network in reversed([ipaddress.IPv4Network(network) for network in networks]):
        program = [
            (_LOAD, 0, 0, _IPV4_SOURCE),
            (_AND, 0, 0, int(network.netmask)),
            (_JUMP_EQUAL, 0, 1, int(network.network_address)),
            (_JUMP, 0, 0, len(program)),
            *program,
        ]
    return program


def _ruling(rules: Sequence[Rule]) -> list[_Instruction]:
    """Two parts: marked packets are judged by their mark alone, all others by their source."""
    if not rules:
        return []
    marked: list[_Instruction] = []
    others: list[_Instruction] = []
    for rule in rules:
        drop = _dropping(rule.share)
        for mark in sorted(rule.marks):
            marked += [(_LOAD_BYTE, 0, 0, _IPV4_TOS), (_AND, 0, 0, TOS_MASK)]
            marked += [(_JUMP_EQUAL, 0, len(drop), mark), *drop]
        for network in ipaddress.collapse_addresses(rule.networks):
            others += [(_LOAD, 0, 0, _IPV4_SOURCE), (_AND, 0, 0, int(network.netmask))]
            others += [(_JUMP_EQUAL, 0, len(drop), int(network.network_address)), *drop]
    head = [(_LOAD_BYTE, 0, 0, _IPV4_TOS), (_JUMP_IF_SET, 1, 0, MARKED)]
    return [*head, (_JUMP, 0, 0, len(marked) + 1), *marked, _PASS, *others]


def _dropping(share: float) -> list[_Instruction]:
    threshold = round(share * 2**32)
    if threshold > 0xFFFFFFFF:
        return [_DROP]
    return [(_LOAD, 0, 0, _RANDOM), (_JUMP_GREATER_EQUAL, 1, 0, threshold), _DROP]


def drop_fraction(target: Filterable, probability: float) -> None:
    """Drop each received packet with `probability` (0 to 1), drawn by the kernel."""
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"probability {probability} is not between 0 and 1")
    threshold = round(probability * 2**32)
    if threshold == 0:
        clear(target)
        return
    if threshold > 0xFFFFFFFF:
        drop_all(target)
        return
    _attach(
        target,
        [(_LOAD, 0, 0, _RANDOM), (_JUMP_GREATER_EQUAL, 0, 1, threshold), _PASS, _DROP],
    )


def clear(target: Filterable) -> None:
    """Remove the socket's filter, if it has one."""
    with _borrowed(target) as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EBADF):
                raise


@functools.cache
def available() -> bool:
    """Whether this process may filter packets, found out by doing it on two loopback sockets."""
    try:
        return _try_it()
    except OSError:
        return False


def _try_it() -> bool:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname(), timeout=5) as sender,
        listener.accept()[0] as receiver,
    ):
        drop_all(receiver)
        sender.send(b"x")
        # Loopback delivers before send() returns: what is not there now was dropped.
        dropped = not select.select([receiver], [], [], 0.02)[0]
        clear(receiver)
        passed = bool(select.select([receiver], [], [], 5)[0])  # retransmitted by the kernel
        return dropped and passed


class _borrowed:
    """The target as a `socket.socket` that shares its open file and never closes it."""

    def __init__(self, target: Filterable) -> None:
        self._descriptor = os.dup(_descriptor(target))

    def __enter__(self) -> socket.socket:
        self._sock = socket.socket(fileno=self._descriptor)
        return self._sock

    def __exit__(self, *_: object) -> None:
        self._sock.close()


def _descriptor(target: Filterable) -> int:
    if isinstance(target, int):
        return target
    if isinstance(target, socket.socket):
        return target.fileno()
    # uvloop gives a pseudo socket without setsockopt; its descriptor is what we need.
    inner = target.get_extra_info("socket")
    return -1 if inner is None else int(inner.fileno())


def _attach(target: Filterable, program: Sequence[_Instruction]) -> None:
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HL", len(program), ctypes.addressof(buffer))  # struct sock_fprog
    with _borrowed(target) as sock:
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, header)
