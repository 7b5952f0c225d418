"""Probes and hooks as a node carries them out."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from emucluster.core.kubelet.commands import Exec, GrpcCheck, HttpGet, TcpConnect
from emucluster.live.pods.checks import Outcome, Target, check
from emucluster.live.pods.inside import VARIABLES, inside_environment
from emucluster.live.pods.logs import ContainerLog, rotate_if_large, rotated
from tests.live.pods.pod_setup import run

pytestmark = pytest.mark.live


def test_grpc_probes_follow_health_and_name_what_is_wrong(tmp_path: Path) -> None:
    async def scenario() -> None:
        ready, at = await run(tmp_path, "emucluster/echo")
        unready, at_other = await run(tmp_path, "emucluster/echo", env={"EMU_NOT_READY": "1"})
        good, bad = Target(at.pod.ip, ready.ports), Target(at_other.pod.ip, unready.ports)
        probe = GrpcCheck(50051)
        assert await check(probe, good, timeout_s=10) == Outcome("success")
        assert await check(probe, bad, timeout_s=10) == Outcome(
            "failure", 'service unhealthy (responded with "NOT_SERVING")'
        )
        unknown = await check(GrpcCheck(50051, "shop"), good, timeout_s=10)
        assert unknown.result == "failure"
        ready.signal("KILL")
        await ready.wait()
        gone = await check(probe, good, timeout_s=10)
        assert gone.result == "failure"
        assert gone.message.startswith(f'error: failed to connect service "{at.pod.ip}:')
        unready.signal("KILL")

    asyncio.run(scenario())


def test_a_server_without_health_fails_a_grpc_probe_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "silent_servicer.py").write_text("def add(server):\n    pass\n")

    async def scenario() -> None:
        workload, at = await run(
            tmp_path, "python://silent_servicer:add", source_dir=str(tmp_path), shares_process=True
        )
        outcome = await check(GrpcCheck(50051), Target(at.pod.ip, workload.ports), timeout_s=10)
        assert outcome.result == "failure"
        assert outcome.message.startswith(
            "error: this server does not implement the grpc health protocol"
        )
        workload.signal("KILL")

    asyncio.run(scenario())


def test_tcp_probes_see_whether_somebody_listens(tmp_path: Path) -> None:
    async def scenario() -> None:
        workload, at = await run(tmp_path, "emucluster/echo")
        target = Target(at.pod.ip, workload.ports)
        assert (await check(TcpConnect(50051), target, timeout_s=10)).result == "success"
        refused = await check(TcpConnect(81), target, timeout_s=10)
        assert refused.result == "failure"
        assert "connection refused" in refused.message
        workload.signal("KILL")

    asyncio.run(scenario())


def test_http_probes_take_200_to_399() -> None:
    async def scenario() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            request = await reader.readuntil(b"\r\n\r\n")
            status = b"302 Found" if request.startswith(b"GET /ok") else b"500 Oops"
            writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(answer, "127.62.250.2", 0) as server:
            target = Target("127.62.250.2", {8080: server.sockets[0].getsockname()[1]})
            good = await check(HttpGet(8080, "/ok"), target, timeout_s=10)
            bad = await check(HttpGet(8080, "/bad"), target, timeout_s=10)
        assert good.result == "success"
        assert bad == Outcome("failure", "HTTP probe failed with statuscode: 500")

    asyncio.run(scenario())


def test_exec_probes_run_with_the_containers_environment_and_are_cut_off(tmp_path: Path) -> None:
    async def scenario() -> None:
        target = Target("127.62.250.3", {80: 4711}, {"COLOR": "blue"}, str(tmp_path))
        shown = Exec(("/bin/sh", "-c", "echo $COLOR $HOST $PORT $PWD; exit 3"))
        assert await check(shown, target, timeout_s=10) == Outcome(
            "failure", f"blue 127.62.250.3 4711 {tmp_path}"
        )
        assert (await check(Exec(("/bin/true",)), target, timeout_s=10)).result == "success"
        slow = await check(Exec(("/bin/sleep", "60")), target, timeout_s=0.3)
        assert slow == Outcome("failure", 'command "/bin/sleep 60" timed out after 0.3s')

    asyncio.run(scenario())


def test_inside_variables_send_everything_through_the_pods_gateway() -> None:
    env = inside_environment(
        "127.32.1.2", 15001, "127.16.0.1:1053", "10.96.0.0/12", "127.32.0.0/14"
    )
    for name in ("grpc_proxy", "http_proxy", "HTTPS_PROXY"):
        assert env[name] == "http://127.32.1.2:15001"
    assert env["no_proxy"] == env["NO_PROXY"] == ""
    assert env["GRPC_ADDRESS_HTTP_PROXY"] == "127.32.1.2:15001"
    assert env["EMUCLUSTER_DNS"] == "127.16.0.1:1053"
    assert set(env) == set(VARIABLES)


def test_the_gateway_itself_is_no_address_that_grpc_proxies() -> None:
    env = inside_environment(
        "127.32.1.2", 15001, "127.16.0.1:1053", "10.96.0.0/12", "127.32.0.0/14"
    )
    enabled = [
        IPv4Network(text) for text in env["GRPC_ADDRESS_HTTP_PROXY_ENABLED_ADDRESSES"].split(",")
    ]

    def proxied(address: str) -> bool:
        return any(IPv4Address(address) in network for network in enabled)

    assert not proxied("127.32.1.2")
    for address in ("127.32.1.1", "127.32.1.3", "127.32.0.0", "127.35.255.255", "10.96.0.1"):
        assert proxied(address)
    for address in ("127.31.255.255", "127.36.0.0", "10.112.0.0", "127.16.0.1"):
        assert not proxied(address)


def test_a_node_gets_inside_by_a_gateway_that_is_no_pods_address() -> None:
    env = inside_environment(
        "127.16.0.1", 15001, "127.16.0.1:1053", "10.96.0.0/12", "127.32.0.0/14"
    )
    assert env["GRPC_ADDRESS_HTTP_PROXY_ENABLED_ADDRESSES"] == "10.96.0.0/12,127.32.0.0/14"


def test_a_log_that_grows_too_large_loses_its_older_half_first(tmp_path: Path) -> None:
    log = ContainerLog(tmp_path / "main.log")
    for round_ in range(3):
        log.write(f"round {round_}\n" * 10)
        assert rotate_if_large(log.path, limit_bytes=50)
    log.write("last\n")
    assert rotated(log.path).read_text().splitlines() == ["round 2"] * 10
    assert log.path.read_text() == "last\n"
    log.close()
