"""Whether this machine can carry a cluster, before anything is made."""

import platform
import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emucluster.client.options import StartOptions
from emucluster.client.sockets_in_use import Listening, listening
from emucluster.core.addresses import (
    AGENT_PORT,
    API_PORT,
    DNS_PORT,
    GATEWAY_PORT,
    HEALTHZ_PORT,
    KUBE_API_PORT,
    LAB_PORT,
    TUNNEL_PORT,
)
from emucluster.core.errors import PreflightFailed

RAY_MB = 250
"""A private Ray head with the keeper, measured."""
ACTOR_MB = 48
"""An idle actor with a gRPC server, of memory that it alone holds; measured."""
POD_IN_NODE_MB = 0.5
"""A pod inside its node's process: one gRPC server with its sockets."""
FILES_BASE = 256
FILES_PER_ACTOR = 12
"""Of the raylet, whose table of descriptors is the fullest."""

NODE_PORTS = range(30000, 32768)
FIXED_PORTS = {
    API_PORT: "the API",
    KUBE_API_PORT: "the Kubernetes API",
    LAB_PORT: "the keeper",
    DNS_PORT: "DNS",
    AGENT_PORT: "the nodes' agents",
    HEALTHZ_PORT: "kube-proxy's healthz",
    TUNNEL_PORT: "the nodes' tunnels",
    GATEWAY_PORT: "the gateways",
}

CONTAINER_COMMAND = (
    'docker run --rm -it --init --shm-size=256m -v "$PWD":/work -w /work python:3.11 '
    "bash -c 'pip install -e . && exec bash'"
)


def check(options: StartOptions) -> None:
    """Raises `PreflightFailed` with the numbers, and with what would work."""
    check_system()
    check_files(options)
    check_ports(listening())
    if options.ray_address is None:
        check_memory(options, available_mb())


def check_system(
    system: str = platform.system(), version: tuple[int, ...] = tuple(sys.version_info[:2])
) -> None:
    """Linux with Python 3.11 or later: addresses of 127.0.0.0/8, /proc and pidfds are needed."""
    if system != "Linux":
        raise PreflightFailed(
            f"emucluster needs Linux, for each of its machines has an address of 127.0.0.0/8; this "
            f"is {system}. In a container it works:\n  {CONTAINER_COMMAND}"
        )
    if version < (3, 11):
        raise PreflightFailed(f"emucluster needs Python 3.11 or later, this is {version}")


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a cluster takes."""

    actors: int
    memory_mb: int


def estimate(nodes: int, pods: int, packing: str) -> Estimate:
    """Memory of Ray, the control plane, the nodes and the pods; load balancers come on top."""
    own_process = packing == "pod"
    actors = 1 + nodes + (pods if own_process else 0)
    inside = 0.0 if own_process else pods * POD_IN_NODE_MB
    return Estimate(actors, round(RAY_MB + ACTOR_MB * actors + inside))


def check_memory(options: StartOptions, free_mb: int) -> None:
    """Refuses what would not fit, and says what would."""
    nodes, pods = options.nodes, options.expected_pods
    needed = estimate(nodes, pods, options.packing).memory_mb
    if needed <= free_mb:
        return
    message = (
        f"{nodes} nodes and {pods} expected pods with packing: {options.packing} need about "
        f"{needed} MB, {free_mb} MB are available"
    )
    inside = estimate(nodes, pods, "node").memory_mb
    if options.packing == "pod" and inside <= free_mb:
        raise PreflightFailed(f"{message}; packing: node needs about {inside} MB")
    fitting = (free_mb - RAY_MB - round(pods * POD_IN_NODE_MB)) // ACTOR_MB - 1
    if fitting >= 1:
        raise PreflightFailed(f"{message}; packing: node with --nodes {fitting} would fit")
    raise PreflightFailed(f"{message}; no packing fits, free some memory")


def available_mb() -> int:
    """What the kernel could still give to this process: of the machine and of its cgroup."""
    found = [_meminfo_mb("MemAvailable")]
    limit, used = _cgroup_bytes("memory.max"), _cgroup_bytes("memory.current")
    if limit is not None and used is not None:
        # The page cache of the group counts as used, but goes when memory is asked for.
        found.append((limit - used + _cgroup_cache_bytes()) >> 20)
    return max(0, min(found))


def check_files(options: StartOptions) -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    actors = estimate(options.nodes, options.expected_pods, options.packing).actors
    needed = FILES_BASE + FILES_PER_ACTOR * actors
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise PreflightFailed(
            f"a process may open {hard} files (hard limit), {needed} are needed for {actors} "
            f"actors; raise it (ulimit -Hn) or take packing: node"
        )


def check_ports(listeners: Sequence[Listening]) -> None:
    """A wildcard listener answers at every address of 127.0.0.0/8, and keeps others from it."""
    for entry in listeners:
        if entry.wildcard and entry.port in FIXED_PORTS:
            raise PreflightFailed(
                f"{entry}, and {FIXED_PORTS[entry.port]} need it; stop that process or let it "
                "listen on one address only"
            )


def _meminfo_mb(name: str) -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) >> 10
    return 1 << 30


def _cgroup() -> Path | None:
    try:
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::"):
                return Path("/sys/fs/cgroup") / line[3:].lstrip("/")
    except OSError:
        pass
    return None


def _cgroup_bytes(name: str) -> int | None:
    """A number of our cgroup; None where there is none, or no limit."""
    group = _cgroup()
    try:
        text = (group / name).read_text().strip() if group is not None else "max"
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _cgroup_cache_bytes() -> int:
    group = _cgroup()
    try:
        lines = (group / "memory.stat").read_text().splitlines() if group is not None else []
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
