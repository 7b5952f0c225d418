"""`doctor`: what this machine allows, and what stands in the way."""

import os
import platform
import resource
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from emucluster.client import preflight
from emucluster.client.options import StartOptions
from emucluster.client.sockets_in_use import Listening, bindable, listening
from emucluster.core.addresses import SLICES, Slice
from emucluster.core.errors import PreflightFailed

Verdict = Literal["ok", "warn", "fail"]

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked. `fail`: no cluster starts here; `warn`: something is limited."""

    verdict: Verdict
    what: str
    text: str


@click.command()
def doctor() -> None:
    """Check this machine: system, limits, ports, addresses, filters, memory, Ray.

    Exit code 1 if clusters cannot run here.
    """
    findings = []
    for finding in examine():
        findings.append(finding)
        mark = click.style(f"{finding.verdict:<4}", fg=_COLOURS[finding.verdict])
        click.echo(f"{mark}  {finding.what:<18}{finding.text}")
    if any(finding.verdict == "fail" for finding in findings):
        raise PreflightFailed("clusters cannot run here as it is")


def examine() -> Iterator[Finding]:
    """All findings, in the order in which they matter; stops at a system that cannot do it."""
    system = check_system()
    yield system
    if system.verdict == "fail":
        return
    listeners = listening()
    for check in _CHECKS:
        yield check()
    yield check_fixed_ports(listeners)
    yield check_node_ports(listeners)
    yield check_ray()


def check_system() -> Finding:
    try:
        preflight.check_system()
    except PreflightFailed as error:
        return Finding("fail", "system", str(error))
    release = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return Finding("ok", "system", release)


def check_user() -> Finding:
    if os.geteuid() == 0:
        return Finding("ok", "user", "root (not needed)")
    return Finding("ok", "user", f"uid {os.geteuid()}: nothing needs root")


def check_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"{soft} open files, {hard} at most (the keeper raises its own limit)"
    try:
        preflight.check_files(StartOptions())
    except PreflightFailed as error:
        return Finding("fail", "limits", str(error))
    return Finding("warn" if hard < 4096 else "ok", "limits", text)


def check_memory() -> Finding:
    free = preflight.available_mb()
    actors = max(0, (free - preflight.RAY_MB) // preflight.ACTOR_MB)
    text = f"{free} MB available, enough for about {actors} actors"
    try:
        preflight.check_memory(StartOptions(), free)
    except PreflightFailed as error:
        return Finding("fail", "memory", str(error))
    return Finding("ok", "memory", text)


def check_addresses() -> Finding:
    """Whether each slice's addresses can be bound, by binding one of each range."""
    for index in range(SLICES):
        addresses = Slice(index)
        for address in (
            addresses.node(1),
            addresses.control_plane(0),
            str(addresses.pods[2]),
            addresses.load_balancer(1),
            addresses.outside_client(1),
        ):
            error = bindable(address)
            if error is not None:
                return Finding("fail", "addresses", f"{address} cannot be bound: {error.strerror}")
    return Finding("ok", "addresses", "all of 127.0.0.0/8 can be bound")


def check_ephemeral_ports(path: Path = EPHEMERAL) -> Finding:
    """Ports that the kernel gives to clients must not be NodePorts."""
    low, high = (int(word) for word in path.read_text().split())
    text = f"{low}-{high} are given to outgoing connections"
    nodes = preflight.NODE_PORTS
    if low < nodes.stop and high >= nodes.start:
        return Finding(
            "warn",
            "ephemeral ports",
            f"{text}, which overlaps NodePorts {nodes.start}-{nodes.stop - 1}: a NodePort may be "
            "taken now and then (sysctl net.ipv4.ip_local_port_range)",
        )
    return Finding("ok", "ephemeral ports", text)


def check_filter() -> Finding:
    """Tried on two sockets, not guessed from the uid."""
    from emucluster.live.network import packet_filter

    if packet_filter.available():
        return Finding("ok", "kernel filter", "possible: a power-off is silence of the kernel")
    return Finding("warn", "kernel filter", "refused: a power-off is imitated, and says so")


def check_fixed_ports(listeners: list[Listening]) -> Finding:
    try:
        preflight.check_ports(listeners)
    except PreflightFailed as error:
        return Finding("fail", "ports", str(error))
    needed = ", ".join(str(port) for port in sorted(preflight.FIXED_PORTS))
    return Finding("ok", "ports", f"nobody listens on all addresses at {needed}")


def check_node_ports(listeners: list[Listening]) -> Finding:
    taken = [entry for entry in listeners if entry.wildcard and entry.port in preflight.NODE_PORTS]
    if taken:
        texts = "; ".join(str(entry) for entry in taken)
        return Finding("warn", "NodePorts", f"{texts}: Services cannot have these as nodePort")
    return Finding("ok", "NodePorts", "30000-32767 are free on all addresses")


def check_ray() -> Finding:
    """The installed Ray, without importing it: that would take longer than all the rest."""
    from importlib.metadata import PackageNotFoundError, version
    from importlib.util import find_spec

    try:
        found = version("ray")
    except PackageNotFoundError:
        return Finding("fail", "Ray", f"not installed in {sys.prefix}: pip install 'ray>=2.60'")
    if find_spec("ray") is None:
        return Finding("fail", "Ray", f"{found} is installed but cannot be imported")
    if not found.startswith("2.60."):
        return Finding("warn", "Ray", f"{found}: tested with 2.60, the start may be slower")
    return Finding("ok", "Ray", found)


_CHECKS: tuple[Callable[[], Finding], ...] = (
    check_user,
    check_files,
    check_memory,
    check_addresses,
    check_ephemeral_ports,
    check_filter,
)
