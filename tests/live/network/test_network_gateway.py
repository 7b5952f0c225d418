"""What a CONNECT gateway answers, and to whom it connects."""

from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emucluster.live.network import gateway, healthz, probe, tunnel
from emucluster.live.network.http_head import (
    MAX_HEAD_BYTES,
    BadRequest,
    answer,
    connect_target,
    parse_request,
    parse_status,
)
from emucluster.live.network.routes import Deny, Drop, Refuse, Route, Tunnel
from tests.live.network.lab import Server, connect, forwarding, receive, send, stays_silent, until

GATEWAY = "127.61.1.3"
POD = "127.61.1.2"
NODE_2 = "127.61.0.2"

hosts = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.from_regex(r"[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?(\.[a-z0-9]{1,10}){0,3}", fullmatch=True),
)


@given(hosts, st.integers(1, 65535), st.binary(max_size=50))
def test_a_connect_is_understood_whatever_follows(host: str, port: int, rest: bytes) -> None:
    data = f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    head = parse_request(data + rest)
    assert head is not None
    assert connect_target(head) == (host, port)
    assert (data + rest)[head.length :] == rest
    assert head.headers == {"host": f"{host}:{port}"}
    assert all(parse_request(data[:length]) is None for length in range(len(data)))


@given(st.binary(max_size=300))
@example(b"CONNECT a:1 HTTP/1.1\r\n folded\r\n\r\n")
@example(b"\r\n\r\n")
def test_noise_is_refused_with_an_http_status_and_nothing_worse(noise: bytes) -> None:
    assert verdict(noise) in (None, 200, 400, 405, 431)


def verdict(data: bytes) -> int | None:
    """The status that these bytes earn before any decision is asked for; None: not complete."""
    try:
        head = parse_request(data)
        if head is None:
            return None
        connect_target(head)
    except BadRequest as error:
        return error.status
    return 200


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET / HTTP/1.1", 405),
        ("CONNECT web HTTP/1.1", 400),
        ("CONNECT web:0 HTTP/1.1", 400),
        ("CONNECT web:65536 HTTP/1.1", 400),
        ("CONNECT a b:80 HTTP/1.1", 400),
        ("CONNECT http://web:80 HTTP/1.1", 400),
        ("CONNECT web:80 HTTP/2.0", 400),
        ("nonsense", 400),
    ],
)
def test_only_a_proper_connect_is_taken(request_line: str, status: int) -> None:
    assert verdict(request_line.encode() + b"\r\n\r\n") == status


def test_an_endless_head_is_refused_at_its_bound() -> None:
    assert parse_request(b"x" * (MAX_HEAD_BYTES - 1)) is None
    with pytest.raises(BadRequest) as refused:
        parse_request(b"x" * MAX_HEAD_BYTES)
    assert refused.value.status == 431


@given(st.integers(200, 206) | st.just(503), st.text(max_size=100))
def test_a_reason_can_never_break_out_of_its_header(status: int, reason: str) -> None:
    data = answer(status, {"x-reason": reason})
    assert parse_status(data) == status
    assert data.count(b"\r\n\r\n") == 1
    assert data.count(b"\r\n") == 5


async def ask(address: tuple[str, int], request: bytes) -> tuple[socket.socket, bytes]:
    """A client socket and the status line that it got."""
    client = await connect(address)
    await send(client, request)
    received = b""
    while not received.endswith(b"\r\n"):
        byte = await receive(client, 1)
        if not byte:
            break
        received += byte
    return client, received


def test_the_decision_gets_host_port_and_caller_and_bytes_flow(on_uvloop) -> None:
    async def scenario() -> None:
        async with Server().running(POD) as server, forwarding() as host:
            asked: list[tuple[str, int, str]] = []

            def decide(name: str, port: int, client: tuple[str, int]) -> Route:
                asked.append((name, port, client[0]))
                return Route(server.address, source=GATEWAY, service="default/web")

            listener = gateway.listen(host, GATEWAY, 0, decide, hop="cluster-ip")
            client, status = await ask(
                listener.address, b"CONNECT web.default:80 HTTP/1.1\r\n\r\nearly"
            )
            assert status == b"HTTP/1.1 200 Connection established\r\n"
            assert await receive(client, 7) == b"\r\nEARLY"
            assert asked == [("web.default", 80, "127.61.9.9")]
            assert server.peers[0][0] == GATEWAY
            (flow,) = host.flows.recent()
            assert (flow.hop, flow.bytes_in, flow.bytes_out) == ("cluster-ip", 5, 5)
            client.close()

    on_uvloop(scenario)


@pytest.mark.parametrize(
    ("decision", "status", "reason"),
    [
        (Refuse("no endpoints for default/web"), 503, "no endpoints for default/web"),
        (Deny("example.com is not of this cluster"), 403, "example.com is not of this cluster"),
        (Route((POD, 1)), 503, f"{POD}:1: Connection refused"),
        (Route((POD, 1), via=Tunnel((NODE_2, 1), b"t")), 503, f"{NODE_2}:1: Connection refused"),
    ],
)
def test_a_failure_is_told_with_its_reason(on_uvloop, decision, status, reason) -> None:
    async def scenario() -> None:
        async with forwarding() as host:
            listener = gateway.listen(
                host, GATEWAY, 0, lambda name, port, client: decision, hop="cluster-ip"
            )
            client, line = await ask(listener.address, b"CONNECT 10.96.0.1:443 HTTP/1.1\r\n\r\n")
            assert parse_status(line) == status
            assert f"x-emucluster-reason: {reason}\r\n".encode() in await receive(client, 4096)
            (flow,) = host.flows.recent()
            assert flow.how == "refused"
            client.close()

    on_uvloop(scenario)


@pytest.mark.parametrize("kind", [Refuse, Drop])
def test_what_is_refused_or_dropped_is_recorded_as_the_hop_that_decided_so(on_uvloop, kind) -> None:
    async def scenario() -> None:
        async with forwarding() as host:
            decision = kind("no endpoints", "default/web", "cluster-ip")
            listener = gateway.listen(host, GATEWAY, 0, lambda *_: decision, hop="pod-ip")
            client = await connect(listener.address)
            await send(client, b"CONNECT 10.96.0.1:443 HTTP/1.1\r\n\r\n")
            async with asyncio.timeout(5):
                while not any(f.reason for f in host.flows.recent()):  # noqa: ASYNC110
                    await asyncio.sleep(0)
            (flow,) = host.flows.recent()
            assert (flow.hop, flow.service) == ("cluster-ip", "default/web")
            client.close()

    on_uvloop(scenario)


def test_a_far_side_that_never_answers_is_504_after_the_time_out(on_uvloop) -> None:
    async def scenario() -> None:
        async with forwarding() as host, forwarding("node-2") as far:
            entrance = tunnel.listen(far, NODE_2, 0, lambda arrival: Drop(), token=b"t")
            route = Route((POD, 1), via=Tunnel(entrance.address, b"t"), dial_timeout_s=0.2)
            listener = gateway.listen(host, GATEWAY, 0, lambda *_: route, hop="pod-ip")
            client, line = await ask(listener.address, b"CONNECT 127.61.1.2:1 HTTP/1.1\r\n\r\n")
            assert parse_status(line) == 504
            client.close()

    on_uvloop(scenario)


def test_a_drop_is_no_answer(on_uvloop) -> None:
    async def scenario() -> None:
        async with forwarding() as host:
            listener = gateway.listen(host, GATEWAY, 0, lambda *_: Drop("policy"), hop="cluster-ip")
            client = await connect(listener.address)
            await send(client, b"CONNECT 10.96.0.1:443 HTTP/1.1\r\n\r\n")
            await until(lambda: [flow.how for flow in host.flows.recent()] == ["dropped"])
            assert stays_silent(client)
            client.close()

    on_uvloop(scenario)


def test_a_client_that_never_finishes_its_request_is_reset(on_uvloop) -> None:
    async def scenario() -> None:
        async with forwarding() as host:
            listener = gateway.listen(
                host, GATEWAY, 0, lambda *_: Drop(), hop="cluster-ip", slow_client_s=0.1
            )
            client = await connect(listener.address)
            await send(client, b"CONNECT ")
            with pytest.raises(ConnectionResetError):
                await receive(client, 1)

    on_uvloop(scenario)


def test_health_is_answered_by_path_and_read_by_the_probe(on_uvloop) -> None:
    async def scenario() -> None:
        async with forwarding() as host:
            answers = {
                "/healthz": healthz.Answer(200, {"content-type": "application/json"}, b"{}"),
                "/moved": healthz.Answer(302, {"location": "/"}, b""),
            }
            listener = healthz.listen(
                host,
                NODE_2,
                0,
                lambda path: answers.get(path, healthz.Answer(503, {}, b"no local endpoints")),
            )
            check = listener.address
            assert await probe.http(check, "/healthz", timeout_s=5) == (True, "")
            assert await probe.http(check, "/moved", timeout_s=5) == (True, "")
            assert await probe.http(check, "/moved", timeout_s=5, expect=(200,)) == (
                False,
                "HTTP probe failed with statuscode: 302",
            )
            assert not (await probe.http(check, "/", timeout_s=5)).passed
            assert await probe.tcp(check, timeout_s=5) == (True, "")
            assert host.flows.recent() == []
            host.freeze()
            assert await probe.http(check, "/healthz", timeout_s=0.1) == (
                False,
                f'Get "http://{check[0]}:{check[1]}/healthz": context deadline exceeded',
            )
            assert (await probe.tcp(check, timeout_s=5)).passed
            host.close_all_with_reset()
            assert await probe.tcp(check, timeout_s=5) == (
                False,
                f"dial tcp {check[0]}:{check[1]}: connect: connection refused",
            )

    on_uvloop(scenario)
