"""One machine looks at another, by sockets of its own and by the ways that its traffic takes."""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from emucluster.core.addresses import TUNNEL_PORT
from emucluster.core.errors import BadRequest
from emucluster.live.clock import now_s, wall_s
from emucluster.live.network import http_head
from emucluster.live.network.dialer import DialError, Refused, TimedOut, Unreachable, dial
from emucluster.live.network.http2_talk import Http2Talk
from emucluster.live.network.probe import Dial
from emucluster.live.network.routes import Route, Tunnel
from emucluster.live.network.sockets import Address
from emucluster.live.network.tunnel import dial_through
from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc, lab_pb2

TIMEOUT_S = 1.0
TOTAL_S = 4.0
"""After so long no further sample is begun: what answers badly is not looked at for minutes."""
COUNT_MAX = 200
BYTES_MAX = 16 * 1024 * 1024
HELD_MAX, HELD_S = 64, 120.0
"""So many connections are held at most, each for so long."""

_RETRANSMITS = struct.Struct("=100xI")
"""tcpi_total_retrans of struct tcp_info (linux/tcp.h)."""


class _Failed(Exception):
    """A look that ended otherwise than well: the outcome and one line."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome


class Looker:
    """Carries out `ProbeRequest`s of one machine.

    Args:
        dial: how it dials; by `dialer.dial` it sees what arrives at others, whatever its own links
            have.
        source: the machine's address.
        elsewhere: the address from which other machines are dialled, since one of 127.0.0.0/8 can
            be a source to none of them; empty: there are none.
        gateway: where its CONNECT gateway is, if it has one.
        token: the cluster's, for tunnels; empty: none are used.
    """

    def __init__(
        self,
        dial: Dial,
        source: str,
        *,
        elsewhere: str = "",
        gateway: Address | None = None,
        token: str = "",
    ) -> None:
        self._dial = dial
        self._source = source
        self._elsewhere = elsewhere
        self._gateway = gateway
        self._token = token.encode()
        self._held: OrderedDict[str, tuple[Http2Talk, asyncio.TimerHandle]] = OrderedDict()

    async def look(self, request: lab_pb2.ProbeRequest) -> lab_pb2.ProbeReply:
        """The samples of one request, one after the other; fewer where they take long.

        Raises BadRequest.
        """
        hows: dict[str, Callable[[Any, Any, float], Awaitable[None]]] = {
            "connect": self._connect,
            "http": self._http,
            "dns": self._dns,
            "health": self._health,
            "echo": self._echo,
            "exchange": self._exchange,
            "hold": self._hold,
            "held": self._exchange_held,
        }
        how = hows.get(request.how)
        if how is None:
            raise BadRequest(f'how: must be one of {", ".join(hows)}, got "{request.how}"')
        if request.count > COUNT_MAX or request.bytes > BYTES_MAX:
            raise BadRequest(f"count: at most {COUNT_MAX}; bytes: at most {BYTES_MAX}")
        samples = [await self._sample(how, request)]
        until_s = now_s() + TOTAL_S
        while len(samples) < request.count and now_s() < until_s:
            samples.append(await self._sample(how, request))
        return lab_pb2.ProbeReply(samples=samples)

    def close(self) -> None:
        """Let go of what is held."""
        while self._held:
            self._let_go(next(iter(self._held)))

    async def _sample(self, how: Any, request: Any) -> lab_pb2.ProbeSample:
        sample = lab_pb2.ProbeSample(at_s=wall_s(), outcome="ok")
        timeout_s = request.timeout_s or TIMEOUT_S
        began_s = now_s()
        try:
            async with asyncio.timeout(timeout_s):
                await how(request, sample, timeout_s)
            sample.answer_s = now_s() - began_s
        except _Failed as error:
            sample.outcome, sample.detail = error.outcome, str(error)
        except TimeoutError:
            sample.outcome, sample.detail = "timeout", f"no answer within {timeout_s:g} s"
        except (Refused, TimedOut, Unreachable) as error:
            sample.outcome, sample.detail = _outcome(error), error.reason
        except ConnectionError as error:
            sample.outcome, sample.detail = "reset", str(error) or type(error).__name__
        except (OSError, ValueError) as error:
            sample.outcome, sample.detail = "error", str(error) or type(error).__name__
        return sample

    # --- what a look can be

    async def _connect(self, request: Any, sample: Any, timeout_s: float) -> None:
        sock = await self._reach(request, sample, timeout_s)
        sample.retransmits = _retransmits(sock)
        sock.close()

    async def _http(self, request: Any, sample: Any, timeout_s: float) -> None:
        sock = await self._reach(request, sample, timeout_s)
        loop = asyncio.get_running_loop()
        try:
            head = f"GET {request.host or '/'} HTTP/1.1\r\nhost: {request.address}\r\n"
            await loop.sock_sendall(sock, f"{head}connection: close\r\n\r\n".encode())
            received = b""
            while (status := http_head.parse_status(received)) is None:
                chunk = await loop.sock_recv(sock, 4096)
                if not chunk:
                    raise ConnectionError("closed without an answer")
                received += chunk
            sample.detail = str(status)
        finally:
            sample.retransmits = _retransmits(sock)
            sock.close()

    async def _exchange(self, request: Any, sample: Any, timeout_s: float) -> None:
        talk = Http2Talk(await self._reach(request, sample, timeout_s))
        try:
            await talk.open()
            await talk.exchange(request.bytes)
        finally:
            sample.retransmits = _retransmits(talk.sock)
            talk.close()

    async def _hold(self, request: Any, sample: Any, timeout_s: float) -> None:
        """Connect and stay so; `detail` is the word by which it is asked for again."""
        talk = Http2Talk(await self._reach(request, sample, timeout_s))
        try:
            await talk.open()
        except BaseException:
            talk.close()
            raise
        while len(self._held) >= HELD_MAX:
            self._let_go(next(iter(self._held)))
        word = secrets.token_hex(8)
        timer = asyncio.get_running_loop().call_later(HELD_S, self._let_go, word)
        self._held[word] = (talk, timer)
        sample.detail = word

    async def _exchange_held(self, request: Any, sample: Any, timeout_s: float) -> None:
        """Whether a held connection still answers; one that does not is let go."""
        held = self._held.get(request.host)
        if held is None:
            raise _Failed("error", "no such connection is held")
        try:
            await held[0].exchange(request.bytes)
        except BaseException:
            self._let_go(request.host)
            raise

    async def _dns(self, request: Any, sample: Any, timeout_s: float) -> None:
        query = dns.message.make_query(request.host, "A")
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            address = _address(request.address)
            sock.bind((self._source_to(address, request.source), 0))
            sock.connect(address)
            await loop.sock_sendall(sock, query.to_wire())
            try:
                reply = dns.message.from_wire(await loop.sock_recv(sock, 4096))
            except dns.exception.DNSException as error:
                raise _Failed("error", str(error)) from error
        found = sorted(str(item) for rrset in reply.answer for item in rrset)
        sample.detail = " ".join((dns.rcode.to_text(reply.rcode()), *found))

    async def _health(self, request: Any, sample: Any, timeout_s: float) -> None:
        async with self._channel(request) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            asked = health_pb2.HealthCheckRequest(service=request.host)
            reply = await _answered(stub.Check(asked, timeout=timeout_s))
            sample.detail = health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)

    async def _echo(self, request: Any, sample: Any, timeout_s: float) -> None:
        async with self._channel(request) as channel:
            asked = echo_pb2.EchoRequest(id=f"witness-{secrets.token_hex(8)}", message="witness")
            reply = await _answered(echo_pb2_grpc.EchoStub(channel).Call(asked, timeout=timeout_s))
            sample.detail = f"pod {reply.namespace}/{reply.pod}"

    # --- how to get there

    def _channel(self, request: Any) -> grpc.aio.Channel:
        options: list[tuple[str, str | int]] = [
            ("grpc.enable_http_proxy", 0),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.enable_retries", 0),
        ]
        if request.via == "gateway":
            gateway = self._gateway_of(request)
            options += [
                ("grpc.address_http_proxy", f"{gateway[0]}:{gateway[1]}"),
                ("grpc.address_http_proxy_enabled_addresses", "0.0.0.0/0"),
            ]
        return grpc.aio.insecure_channel(f"ipv4:{request.address}", options=options)

    def _gateway_of(self, request: Any) -> Address:
        if request.gateway:
            return _address(request.gateway)
        if self._gateway is None:
            raise _Failed("error", "this machine has no gateway")
        return self._gateway

    async def _reach(self, request: Any, sample: Any, timeout_s: float) -> socket.socket:
        began_s = now_s()
        sock = await self._socket(request, timeout_s)
        sample.connect_s = now_s() - began_s
        return sock

    async def _socket(self, request: Any, timeout_s: float) -> socket.socket:
        address = _address(request.address)
        source = self._source_to(address, request.source)
        match request.via:
            case "":
                return await self._dial(address, source=source, timeout_s=timeout_s)
            case "gateway":
                source = request.source or self._source
                return await _connect_by(self._gateway_of(request), address, source, timeout_s)
            case "tunnel":
                tunnel = Tunnel((address[0], TUNNEL_PORT), self._token, source=source)
                route = Route(address, source=source, via=tunnel, dial_timeout_s=timeout_s)
                return await dial_through(route, flow_id=secrets.token_hex(16), now_s=time.time())
        raise _Failed("error", f'via: must be gateway, tunnel or empty, got "{request.via}"')

    def _source_to(self, address: Address, source: str) -> str:
        if self._elsewhere and not address[0].startswith("127."):
            return self._elsewhere
        return source or self._source

    def _let_go(self, word: str) -> None:
        held = self._held.pop(word, None)
        if held is not None:
            held[1].cancel()
            held[0].close()


async def _connect_by(
    gateway: Address, address: Address, source: str, timeout_s: float
) -> socket.socket:
    """A socket through a CONNECT gateway; its refusals are those of the far side."""
    sock = await dial(gateway, source=source, timeout_s=timeout_s)
    loop = asyncio.get_running_loop()
    place = f"{address[0]}:{address[1]}"
    try:
        request = f"CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n\r\n"
        await loop.sock_sendall(sock, request.encode())
        received = b""
        while not received.endswith(b"\r\n\r\n"):
            # Byte by byte, for what follows is the server's: it speaks first at times.
            chunk = await loop.sock_recv(sock, 1)
            if not chunk:
                raise ConnectionError("the gateway closed")
            received += chunk
    except BaseException:
        sock.close()
        raise
    status = http_head.parse_status(received)
    if status != 200:
        sock.close()
        raise _Failed("timeout" if status == 504 else "refused", f"CONNECT {place}: {status}")
    return sock


async def _answered(call: Any) -> Any:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        code = error.code()
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            raise _Failed("timeout", "no answer in time") from error
        raise _Failed("error", f"{code.name}: {error.details()}") from error


def _outcome(error: DialError) -> str:
    if isinstance(error, Refused):
        return "refused"
    return "timeout" if isinstance(error, TimedOut) else "error"


def _retransmits(sock: socket.socket) -> int:
    """How many segments the kernel had to send again; 0 of a socket that is closed already."""
    try:
        raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RETRANSMITS.size)
        return int(_RETRANSMITS.unpack(raw)[0])
    except (OSError, struct.error):
        return 0


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise ValueError(f'address: must be ip:port, got "{text}"')
    return host, int(port)
