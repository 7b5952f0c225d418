"""Probes and hooks as a node carries them out on a container."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from emucluster.core.kubelet.commands import CheckAction, Exec, GrpcCheck, HttpGet, TcpConnect
from emucluster.live.network import probe as network_probe
from emucluster.live.pods.command import launched

OUTPUT_MAX_BYTES = 10 * 1024


@dataclass(frozen=True, slots=True)
class Target:
    """A container as checks see it. `ports` maps container ports to the ports really bound."""

    ip: str
    ports: Mapping[int, int] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    directory: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`error` means that the check could not be carried out."""

    result: Literal["success", "failure", "error"]
    message: str = ""


SUCCESS = Outcome("success")


async def check(
    action: CheckAction, target: Target, *, timeout_s: float, source: str | None = None
) -> Outcome:
    """Carry out one probe or hook within `timeout_s`. Never raises."""
    try:
        match action:
            case Exec():
                return await _exec(action, target, timeout_s)
            case GrpcCheck():
                return await _grpc(action, target, timeout_s)
            case HttpGet():
                return await _http(action, target, timeout_s, source)
            case TcpConnect():
                address = _address(action.host, action.port, target)
                verdict = await network_probe.tcp(address, source=source, timeout_s=timeout_s)
                return Outcome("success" if verdict.passed else "failure", verdict.reason)
    except OSError as error:
        return Outcome("error", str(error))


def _address(host: str, port: int, target: Target) -> tuple[str, int]:
    """Where a container port of this pod really is; a port that nobody serves stays as it is."""
    if host and host != target.ip:
        return host, port
    return target.ip, target.ports.get(port, port)


async def _http(action: HttpGet, target: Target, timeout_s: float, source: str | None) -> Outcome:
    if action.scheme.upper() != "HTTP":
        return Outcome("failure", f"probes by {action.scheme} are not offered")
    host = next((value for name, value in action.headers if name.lower() == "host"), None)
    verdict = await network_probe.http(
        _address(action.host, action.port, target),
        action.path,
        host=host,
        source=source,
        timeout_s=timeout_s,
    )
    return Outcome("success" if verdict.passed else "failure", verdict.reason)


async def _grpc(action: GrpcCheck, target: Target, timeout_s: float) -> Outcome:
    """Messages as in kubernetes/kubernetes pkg/probe/grpc."""
    ip, port = _address("", action.port, target)
    address = f"{ip}:{port}"
    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service=action.service)
        try:
            reply = await stub.Check(request, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            return Outcome("failure", _grpc_failure(error, address, timeout_s))
    if reply.status == health_pb2.HealthCheckResponse.SERVING:
        return SUCCESS
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)
    return Outcome("failure", f'service unhealthy (responded with "{status}")')


def _grpc_failure(error: grpc.aio.AioRpcError, address: str, timeout_s: float) -> str:
    match error.code():
        case grpc.StatusCode.UNIMPLEMENTED:
            return (
                "error: this server does not implement the grpc health protocol "
                f"(grpc.health.v1.Health): {error.details()}"
            )
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"timeout: health rpc did not complete within {timeout_s:g}s"
        case grpc.StatusCode.UNAVAILABLE:
            return f'error: failed to connect service "{address}": {error.details()}'
    return f"error: health rpc probe failed: {error.details()}"


async def _exec(action: Exec, target: Target, timeout_s: float) -> Outcome:
    """Run a command with the container's variables, on the node's host."""
    env = {"PATH": os.environ.get("PATH", os.defpath)} | dict(target.env)
    env |= {"HOST": target.ip} | {f"PORT_{port}": str(real) for port, real in target.ports.items()}
    if target.ports:
        env["PORT"] = str(next(iter(target.ports.values())))
    process = await asyncio.create_subprocess_exec(
        *launched("group", action.command),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=target.directory or "/",
        env=env,
    )
    try:
        async with asyncio.timeout(timeout_s):
            output, _ = await process.communicate()
    except TimeoutError:
        text = " ".join(action.command)
        return Outcome("failure", f'command "{text}" timed out after {timeout_s:g}s')
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    message = output[:OUTPUT_MAX_BYTES].decode(errors="replace").strip()
    return SUCCESS if process.returncode == 0 else Outcome("failure", message)
