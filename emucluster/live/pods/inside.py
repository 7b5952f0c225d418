"""The environment that puts a gRPC client inside the cluster."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network

PROXY_VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")
EXCEPTION_VARIABLES = ("no_grpc_proxy", "no_proxy", "NO_PROXY")
VARIABLES = (
    *PROXY_VARIABLES,
    *(name.upper() for name in PROXY_VARIABLES),
    *EXCEPTION_VARIABLES,
    "GRPC_ADDRESS_HTTP_PROXY",
    "GRPC_ADDRESS_HTTP_PROXY_ENABLED_ADDRESSES",
    "JDK_JAVA_OPTIONS",
    "EMUCLUSTER_DNS",
)
"""All that `inside_environment` sets."""


def inside_environment(
    pod_ip: str, gateway_port: int, dns: str, service_cidr: str, pod_cidr: str
) -> dict[str, str]:
    """Variables of a process that is to reach ClusterIPs, pod IPs and Service names.

    Everything goes by HTTP CONNECT through the gateway that listens on the pod's (or node's)
    address: it knows by that address who calls. `dns` is host:port of the node's DNS server.

    The proxy variables serve every target by its name or literal address. gRPC's C core applies
    GRPC_ADDRESS_HTTP_PROXY to each address that it connects to, after name resolution: that serves
    clients that resolve by `dns` and balance themselves (grpc doc/environment_variables.md). It
    does so even to the address of a proxy, which must therefore not be among those enabled, else
    the CONNECT for a name would ask the gateway for the gateway itself.

    Java reads no proxy variables; its launcher (JDK 9 and later) reads JDK_JAVA_OPTIONS. An empty
    http.nonProxyHosts is what lets it proxy loopback addresses, as pods' are on one machine.

    Exceptions are empty rather than absent, so that none of the user's own remain in force.
    """
    gateway = f"{pod_ip}:{gateway_port}"
    env: dict[str, str] = {}
    for name in PROXY_VARIABLES:
        env[name] = env[name.upper()] = f"http://{gateway}"
    env |= dict.fromkeys(EXCEPTION_VARIABLES, "")
    enabled = (service_cidr, *_without(IPv4Network(pod_cidr), IPv4Network(pod_ip)))
    env["GRPC_ADDRESS_HTTP_PROXY"] = gateway
    env["GRPC_ADDRESS_HTTP_PROXY_ENABLED_ADDRESSES"] = ",".join(map(str, enabled))
    env["JDK_JAVA_OPTIONS"] = (
        f"-Dhttps.proxyHost={pod_ip} -Dhttps.proxyPort={gateway_port} -Dhttp.nonProxyHosts="
    )
    env["EMUCLUSTER_DNS"] = dns
    return env


def _without(network: IPv4Network, part: IPv4Network) -> list[IPv4Network]:
    """The network less `part`, in order."""
    if not part.subnet_of(network):
        return [network]
    return sorted(network.address_exclude(part))


def without_proxies(env: Iterable[tuple[str, str]]) -> dict[str, str]:
    """An environment stripped of everybody's proxy settings, those of the user's shell included."""
    ours = {"all_proxy", "no_proxy", "no_grpc_proxy", *PROXY_VARIABLES}
    return {
        name: value
        for name, value in env
        if name.lower() not in ours and not name.startswith("GRPC_ADDRESS_HTTP_PROXY")
    }
