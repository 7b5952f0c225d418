"""An unmodified grpcio client reaches virtual addresses through a CONNECT gateway."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator

import grpc
import grpc.aio
import pytest

from emucluster.live.network import gateway
from emucluster.live.network.routes import Deny, Refuse, Route
from tests.live.network.lab import forwarding

GATEWAY = "127.61.1.4"
POD = "127.61.1.2"
VIP = "10.96.12.7"
METHOD = "/test.Echo/Call"


@contextlib.asynccontextmanager
async def echo_server() -> AsyncIterator[int]:
    async def peer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return context.peer().encode()

    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(peer)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("test.Echo", {"Call": handler}),)
    )
    port = server.add_insecure_port(f"{POD}:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)


async def call(target: str, options: list[tuple[str, object]]) -> str:
    options = [*options, ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(target, options=options) as channel:
        reply = await channel.unary_unary(METHOD)(b"", timeout=10)
        return reply.decode()


def through(kind: str, proxy: str) -> list[tuple[str, object]]:
    if kind == "name":
        return [("grpc.http_proxy", f"http://{proxy}")]
    return [
        ("grpc.address_http_proxy", proxy),
        ("grpc.address_http_proxy_enabled_addresses", "10.96.0.0/12,127.61.0.0/16"),
    ]


@pytest.mark.parametrize(
    ("kind", "target", "asked"),
    [
        ("name", f"{VIP}:80", (VIP, 80)),
        ("name", "web.default.svc.cluster.local:80", ("web.default.svc.cluster.local", 80)),
        ("address", f"{VIP}:80", (VIP, 80)),
    ],
)
def test_channel_options_lead_a_channel_through_the_gateway(on_uvloop, kind, target, asked) -> None:
    async def scenario() -> None:
        async with echo_server() as port, forwarding() as host:
            seen: list[tuple[str, int]] = []

            def decide(name: str, number: int, client: tuple[str, int]) -> Route:
                seen.append((name, number))
                return Route((POD, port), source="127.61.7.7")

            listener = gateway.listen(host, GATEWAY, 0, decide, hop="cluster-ip")
            proxy = f"{GATEWAY}:{listener.port}"
            assert (await call(target, through(kind, proxy))).startswith("ipv4:127.61.7.7:")
            assert seen == [asked]

    on_uvloop(scenario)


@pytest.mark.parametrize("decision", [Refuse("no endpoints"), Deny("not of this cluster")])
def test_a_refusal_is_unavailable_at_once(on_uvloop, decision) -> None:
    async def scenario() -> None:
        async with forwarding() as host:
            listener = gateway.listen(host, GATEWAY, 0, lambda *_: decision, hop="cluster-ip")
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await call(f"{VIP}:80", through("name", f"{GATEWAY}:{listener.port}"))
            assert failed.value.code() == grpc.StatusCode.UNAVAILABLE

    on_uvloop(scenario)


_CHILD = f"""
import asyncio, sys, grpc
from emucluster.live.network.gateway import NO_PROXY_OPTIONS
async def main():
    options = {{
        "on": [],
        "http off": [("grpc.enable_http_proxy", 0)],
        "off": list(NO_PROXY_OPTIONS),
    }}[sys.argv[2]]
    async with grpc.aio.insecure_channel(sys.argv[1], options=options) as channel:
        print((await channel.unary_unary({METHOD!r})(b"", timeout=10)).decode())
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("variables", "options", "proxied"),
    [
        ("http_proxy", "on", True),
        ("http_proxy", "off", False),
        ("GRPC_ADDRESS_HTTP_PROXY", "on", True),
        ("GRPC_ADDRESS_HTTP_PROXY", "http off", True),
        ("GRPC_ADDRESS_HTTP_PROXY", "off", False),
    ],
)
def test_two_options_make_a_channel_ignore_every_proxy_variable(
    on_uvloop, variables: str, options: str, proxied: bool
) -> None:
    async def scenario() -> None:
        async with echo_server() as port, forwarding() as host:
            listener = gateway.listen(
                host,
                GATEWAY,
                0,
                lambda *_: Route((POD, port), source="127.61.7.7"),
                hop="cluster-ip",
            )
            address = f"{GATEWAY}:{listener.port}"
            environment = {
                key: value for key, value in os.environ.items() if "proxy" not in key.lower()
            }
            if variables == "http_proxy":
                environment |= {"http_proxy": f"http://{address}", "no_proxy": ""}
            else:
                environment |= {
                    "GRPC_ADDRESS_HTTP_PROXY": address,
                    "GRPC_ADDRESS_HTTP_PROXY_ENABLED_ADDRESSES": "127.61.0.0/16",
                }
            peer = await _child(f"{POD}:{port}", options, environment)
            assert peer.startswith("ipv4:127."), peer
            assert peer.startswith("ipv4:127.61.7.7:") == proxied
            assert len(host.flows.recent()) == proxied

    on_uvloop(scenario)


async def _child(target: str, options: str, environment: dict[str, str]) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _CHILD,
        target,
        options,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return output.decode()
