"""The environment that puts a gRPC client inside the cluster."""

from __future__ import annotations

from collections.abc import Iterable

PROXY_VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")


def inside_environment(
    pod_ip: str, gateway_port: int, dns: str, service_cidr: str, pod_cidr: str
) -> dict[str, str]:
    """Variables of a process that is to reach ClusterIPs, pod IPs and Service names.

    Everything goes by HTTP CONNECT through the gateway that listens on the pod's address: it knows
    by that address who calls. `dns` is host:port of the node's DNS server. gRPC's C core reads
    `grpc_proxy` for names, and GRPC_ADDRESS_HTTP_PROXY for literal addresses within the listed
    ranges (grpc doc/environment_variables.md); Go, Java and others read the usual names.
    """
    gateway = f"{pod_ip}:{gateway_port}"
    env: dict[str, str] = {}
    for name in PROXY_VARIABLES:
        env[name] = env[name.upper()] = f"http://{gateway}"
    env["no_proxy"] = env["NO_PROXY"] = env["no_grpc_proxy"] = ""
    env["GRPC_ADDRESS_HTTP_PROXY"] = gateway
    env["GRPC_ADDRESS_HTTP_PROXY_ENABLED_ADDRESSES"] = f"{service_cidr},{pod_cidr}"
    env["EMUCLUSTER_DNS"] = dns
    return env


def without_proxies(env: Iterable[tuple[str, str]]) -> dict[str, str]:
    """An environment stripped of everybody's proxy settings, those of the user's shell included."""
    ours = {"all_proxy", "no_proxy", "no_grpc_proxy", *PROXY_VARIABLES}
    return {
        name: value
        for name, value in env
        if name.lower() not in ours and not name.startswith("GRPC_ADDRESS_HTTP_PROXY")
    }
