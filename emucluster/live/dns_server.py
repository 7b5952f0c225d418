"""A DNS server on real sockets, UDP and TCP, that answers from a `DnsView`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Literal

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from emucluster.core.dns.answer import Record
from emucluster.core.dns.records import DnsView

Mode = Literal["open", "silent"]

UDP_SIZE = 512
"""What every client takes, RFC 1035; more only as far as it says by EDNS."""

EDNS_SIZE = 1232
"""The most we send in a datagram, and announce: DNS flag day 2020."""

TCP_IDLE_TIMEOUT_S = 10.0
TCP_CLIENTS_MAX = 256

_HEADER = 12


class DnsServer:
    """Answers on one address and port. Queries are answered in the loop, each in well under 1 ms.

    Args:
        view: shared with whoever feeds it.
        address, port: where to listen; port 0 takes a free one (see `port` after `start`).

    Attributes:
        late_s: how late an answer is, asked for each; None: not at all. As it then is, it answers.
    """

    def __init__(self, view: DnsView, address: str, port: int) -> None:
        self.view = view
        self.address = address
        self.port = port
        self.mode: Mode = "open"
        self.late_s: Callable[[], float] | None = None
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None
        self._clients: set[_TcpClient] = set()

    async def start(self) -> None:
        """Listen. Raises OSError if the port is taken."""
        loop = asyncio.get_running_loop()
        self._tcp = await loop.create_server(lambda: _TcpClient(self), self.address, self.port)
        self.port = self._tcp.sockets[0].getsockname()[1]
        try:
            self._udp, _ = await loop.create_datagram_endpoint(
                lambda: _Udp(self), local_addr=(self.address, self.port)
            )
        except BaseException:
            self._tcp.close()
            raise

    async def close(self) -> None:
        """Stop listening and end the connections there are."""
        if self._udp is not None:
            self._udp.close()
        if self._tcp is not None:
            self._tcp.close()
        for client in list(self._clients):
            client.abort()
        await asyncio.sleep(0)  # let the transports report that they are closed

    def set_mode(self, mode: Mode) -> None:
        """`silent`: take no notice of any query, as a frozen or dead server; `open`: answer.

        Queries over TCP that came while silent are answered afterwards, datagrams are lost.
        """
        self.mode = mode
        for client in list(self._clients):
            client.follow_mode()

    def sockets(self) -> list[socket.socket]:
        """The listening sockets, for a packet filter."""
        found: list[socket.socket] = []
        if self._udp is not None:
            found.append(self._udp.get_extra_info("socket"))
        if self._tcp is not None:
            found.extend(self._tcp.sockets)
        return found

    def answer(self, wire: bytes, *, over_tcp: bool) -> bytes | None:
        """The reply to a message; None: it deserves none."""
        if len(wire) < _HEADER or wire[2] & 0x80:
            return None  # no query: answering answers would make a loop
        try:
            query = dns.message.from_wire(wire)
        except Exception:  # dnspython raises more than DNSException on hostile input
            return _format_error(wire)
        try:
            reply = self._reply(query)
        except dns.exception.DNSException:
            reply = _plain_reply(query, dns.rcode.SERVFAIL)
        return _to_wire(reply, 65_535 if over_tcp else _datagram_size(query))

    def _reply(self, query: dns.message.Message) -> dns.message.Message:
        if query.edns > 0:
            return _plain_reply(query, dns.rcode.BADVERS)
        if query.opcode() != dns.opcode.QUERY:
            return _plain_reply(query, dns.rcode.NOTIMP)
        if len(query.question) != 1:
            return _plain_reply(query, dns.rcode.FORMERR)
        question = query.question[0]
        if question.rdclass not in (dns.rdataclass.IN, dns.rdataclass.ANY):
            return _plain_reply(query, dns.rcode.REFUSED)
        found = self.view.answer(question.name.to_text(), dns.rdatatype.to_text(question.rdtype))
        reply = _plain_reply(query, dns.rcode.from_text(found.rcode))
        if found.rcode not in ("REFUSED", "SERVFAIL"):
            reply.flags |= dns.flags.AA
        _fill(reply.answer, found.records)
        _fill(reply.authority, found.authority)
        _fill(reply.additional, found.additional)
        return reply

    def _joined(self, client: _TcpClient) -> bool:
        if len(self._clients) >= TCP_CLIENTS_MAX:
            return False
        self._clients.add(client)
        return True

    def _left(self, client: _TcpClient) -> None:
        self._clients.discard(client)


def _plain_reply(query: dns.message.Message, rcode: dns.rcode.Rcode) -> dns.message.Message:
    reply = dns.message.make_response(query, our_payload=EDNS_SIZE)
    reply.set_rcode(rcode)
    return reply


def _format_error(wire: bytes) -> bytes:
    """FORMERR with the query's id and nothing else; the rest of it cannot be trusted."""
    flags = (wire[2] & 0x79) | 0x80  # QR, and its opcode and RD
    return wire[:2] + bytes((flags, int(dns.rcode.FORMERR))) + bytes(8)


def _datagram_size(query: dns.message.Message) -> int:
    if query.edns < 0:
        return UDP_SIZE
    return min(max(query.payload, UDP_SIZE), EDNS_SIZE)


def _to_wire(reply: dns.message.Message, size: int) -> bytes:
    """With TC and as many records as fit, where they do not all."""
    try:
        return reply.to_wire(max_size=size)
    except dns.exception.TooBig:
        reply.additional.clear()  # may be left out without a word: RFC 2181, 9
    return reply.to_wire(max_size=size, prefer_truncation=True)


def _fill(section: list[dns.rrset.RRset], records: tuple[Record, ...]) -> None:
    """Records of one name and type go together, in their order."""
    sets: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        sets.setdefault((record.name, record.type), []).append(record)
    for (name, type_), held in sets.items():
        values = [record.value for record in held]
        section.append(dns.rrset.from_text_list(name, held[0].ttl, "IN", type_, values))


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport) or hasattr(transport, "sendto")
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._server.mode == "silent":
            return
        if self._server.late_s is None:
            self._answer(data, addr)
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(self._server.late_s(), self._answer, data, addr)

    def _answer(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._server.mode == "silent" or self._transport is None:
            return
        reply = self._server.answer(data, over_tcp=False)
        if reply is not None and not self._transport.is_closing():
            self._transport.sendto(reply, addr)


class _TcpClient(asyncio.Protocol):
    """One connection: messages with two bytes of length, as many as the client sends."""

    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        if not self._server._joined(self):
            transport.close()
            return
        self.follow_mode()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._watch_idle()
        self._answer_whole_messages()

    def connection_lost(self, error: Exception | None) -> None:
        self._server._left(self)
        if self._idle is not None:
            self._idle.cancel()

    def follow_mode(self) -> None:
        """Stop or go on reading, as the server's mode is."""
        assert self._transport is not None
        if self._server.mode == "silent":
            self._transport.pause_reading()
            if self._idle is not None:
                self._idle.cancel()
            return
        self._transport.resume_reading()
        self._watch_idle()
        self._answer_whole_messages()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _answer_whole_messages(self) -> None:
        assert self._transport is not None
        buffer = self._buffer
        while self._server.mode == "open" and len(buffer) >= 2:
            size = int.from_bytes(buffer[:2], "big")
            if len(buffer) < 2 + size:
                return
            query = bytes(buffer[2 : 2 + size])
            del buffer[: 2 + size]
            if self._server.late_s is None:
                self._answer(query)
            else:  # others may overtake it: RFC 7766, 6.2.1.1
                loop = asyncio.get_running_loop()
                loop.call_later(self._server.late_s(), self._answer, query)

    def _answer(self, query: bytes) -> None:
        assert self._transport is not None
        if self._server.mode == "silent" or self._transport.is_closing():
            return
        reply = self._server.answer(query, over_tcp=True)
        if reply is None:
            self._transport.close()
        else:
            self._transport.write(len(reply).to_bytes(2, "big") + reply)

    def _watch_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(TCP_IDLE_TIMEOUT_S, self.abort)
