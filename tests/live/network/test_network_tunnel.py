"""Tunnels carry a connection with its source address, and admit nobody without the token."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.live.network import tunnel
from emucluster.live.network.routes import Drop, Refuse, Route, Tunnel
from emucluster.live.network.tunnel_header import (
    MAX_BYTES,
    BadHeader,
    ReplayGuard,
    TunnelHeader,
    decode,
    encode,
)
from tests.live.network.lab import Server, connect, forwarding, receive, send, stays_silent, until

NODE_1, NODE_2 = "127.61.0.1", "127.61.0.2"
POD = "127.61.2.2"
VIRTUAL = ("127.61.2.2", 9090)
TOKEN = b"the cluster's token"

addresses = st.tuples(st.ip_addresses(v=4).map(str), st.integers(min_value=0, max_value=65535))
headers = st.builds(
    TunnelHeader,
    flow_id=st.binary(min_size=16, max_size=16),
    nonce=st.binary(min_size=16, max_size=16),
    time_ms=st.integers(min_value=0, max_value=2**63),
    destination=addresses,
    source=addresses,
    service=st.text(max_size=60),
    hop=st.text(max_size=60),
)


@given(headers, st.binary(max_size=80))
def test_a_header_comes_out_as_it_went_in_whatever_follows(
    header: TunnelHeader, rest: bytes
) -> None:
    data = encode(header, TOKEN)
    assert len(data) <= MAX_BYTES
    assert decode(data + rest, TOKEN) == (header, len(data))


@given(headers)
def test_a_header_cut_short_asks_for_more(header: TunnelHeader) -> None:
    data = encode(header, TOKEN)
    assert all(decode(data[:length], TOKEN) is None for length in range(len(data)))


@given(headers, st.data())
def test_a_header_with_any_byte_changed_is_never_accepted(
    header: TunnelHeader, choice: st.DataObject
) -> None:
    data = bytearray(encode(header, TOKEN))
    position = choice.draw(st.integers(0, len(data) - 1))
    data[position] ^= choice.draw(st.integers(1, 255))
    try:
        # A longer text length asks for more bytes; whatever they are, the MAC is then wrong.
        assert decode(bytes(data), TOKEN) is None
        decode(bytes(data) + bytes(MAX_BYTES), TOKEN)
    except BadHeader:
        return
    # The one byte of the header that means nothing is under the MAC as well.
    pytest.fail("accepted")


@given(headers)
def test_another_token_is_refused(header: TunnelHeader) -> None:
    with pytest.raises(BadHeader, match="wrong MAC"):
        decode(encode(header, TOKEN), b"another")


@given(st.binary(max_size=200))
def test_noise_is_refused_or_waited_for_but_never_accepted(noise: bytes) -> None:
    try:
        assert decode(noise, TOKEN) is None
    except BadHeader:
        pass


def stamped(time_s: float, nonce: int = 1) -> TunnelHeader:
    return TunnelHeader(bytes(16), nonce.to_bytes(16, "big"), int(time_s * 1000), VIRTUAL, VIRTUAL)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(-40, 40), st.integers(0, 20)), max_size=40)
)
def test_a_nonce_is_accepted_at_most_once_whatever_the_order(
    arrivals: list[tuple[int, int, int]],
) -> None:
    guard, now_s = ReplayGuard(30.0), 1000.0
    accepted: list[TunnelHeader] = []
    for nonce, skew_s, later_s in arrivals:
        now_s += later_s
        header = stamped(1000.0 + skew_s, nonce)
        try:
            guard.check(header, now_s=now_s)
        except BadHeader:
            continue
        assert abs(now_s - header.time_ms / 1000) <= 30.0
        assert header not in accepted
        accepted.append(header)


def test_the_guard_forgets_what_is_stale_anyway() -> None:
    guard = ReplayGuard(30.0)
    for second in range(1000):
        guard.check(stamped(second, second), now_s=float(second))
    assert len(guard) <= 32


def test_the_pod_behind_a_tunnel_sees_the_client_and_both_hops_share_the_flow(on_uvloop) -> None:
    async def scenario() -> None:
        async with (
            Server().running(POD) as server,
            forwarding("node-1") as near,
            forwarding("node-2") as far,
        ):
            seen: list[tunnel.Arrival] = []

            def resolve(arrival: tunnel.Arrival) -> Route:
                seen.append(arrival)
                return Route(server.address)

            entrance = tunnel.listen(far, NODE_2, 0, resolve, token=TOKEN)
            route = Route(
                VIRTUAL,
                source="127.61.9.9",
                via=Tunnel(entrance.address, TOKEN, source=NODE_1),
                service="default/web",
                hop="node-port",
            )
            listener = near.listen(NODE_1, 0, lambda client, local: route)
            client = await connect(listener.address)
            await send(client, b"hello")
            assert await receive(client, 5) == b"HELLO"
            assert seen == [tunnel.Arrival(VIRTUAL, ("127.61.9.9", 0), "default/web", "node-port")]
            assert server.peers[0][0] == "127.61.9.9"
            (first,), (second,) = near.flows.recent(), far.flows.recent()
            assert first.id == second.id
            assert (first.out_local, first.out_peer) == (second.in_peer, second.in_local)
            assert second.service == "default/web"
            client.close()
            await until(lambda: first.end_s is not None and second.end_s is not None)
            assert (first.bytes_in, first.bytes_out) == (second.bytes_in, second.bytes_out)
            assert (first.bytes_in, first.bytes_out) == (5, 5 + len(b"BYE"))

    on_uvloop(scenario)


@pytest.mark.parametrize(
    ("decision", "how"), [(Refuse("no such pod"), "refused"), (Drop("no answer"), "dropped")]
)
def test_what_the_far_node_decides_is_what_the_client_gets(on_uvloop, decision, how) -> None:
    async def scenario() -> None:
        async with forwarding("node-1") as near, forwarding("node-2") as far:
            entrance = tunnel.listen(far, NODE_2, 0, lambda arrival: decision, token=TOKEN)
            route = Route(VIRTUAL, via=Tunnel(entrance.address, TOKEN))
            listener = near.listen(NODE_1, 0, lambda client, local: route)
            client = await connect(listener.address)
            await until(lambda: [flow.how for flow in far.flows.recent()] == [how])
            if how == "refused":
                with pytest.raises(ConnectionResetError):
                    await receive(client, 1)
            else:
                assert stays_silent(client)
            client.close()

    on_uvloop(scenario)


@pytest.mark.parametrize("fault", ["token", "stale", "replay", "version", "noise"])
def test_whoever_is_not_of_the_cluster_gets_no_byte_and_no_connection(on_uvloop, fault) -> None:
    async def scenario() -> None:
        async with Server().running(POD) as server, forwarding("node-2") as far:
            entrance = tunnel.listen(
                far, NODE_2, 0, lambda arrival: Route(server.address), token=TOKEN
            )
            good = encode(stamped(time.time()), TOKEN)
            if fault == "replay":
                first = await connect(entrance.address)
                await send(first, good)
                assert await receive(first, 1) == b"\x00"
                first.close()
            bad = {
                "token": encode(stamped(time.time()), b"another"),
                "stale": encode(stamped(time.time() - 3600), TOKEN),
                "replay": good,
                "version": good[:4] + b"\x07" + good[5:],
                "noise": b"GET / HTTP/1.1\r\n\r\n",
            }[fault]
            before = len(server.peers)
            client = await connect(entrance.address)
            await send(client, bad)
            try:
                assert await receive(client, 1) == b""
            except ConnectionResetError:
                pass
            assert len(server.peers) == before
            assert far.flows.recent()[-1].how == "refused"
            client.close()

    on_uvloop(scenario)


def test_payload_sent_right_behind_the_header_is_not_lost(on_uvloop) -> None:
    async def scenario() -> None:
        async with Server().running(POD) as server, forwarding("node-2") as far:
            entrance = tunnel.listen(
                far, NODE_2, 0, lambda arrival: Route(server.address), token=TOKEN
            )
            client = await connect(entrance.address)
            data = encode(stamped(time.time()), TOKEN) + b"early"
            for piece in (data[:30], data[30:70], data[70:]):
                await send(client, piece)
                await asyncio.sleep(0)
            assert await receive(client, 6) == b"\x00EARLY"
            client.close()

    on_uvloop(scenario)
