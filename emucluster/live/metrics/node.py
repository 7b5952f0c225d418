"""The pages of a node's kube-proxy and kubelet, at the node's own address."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from emucluster.core.addresses import KUBELET_READ_ONLY_PORT, PROXY_METRICS_PORT
from emucluster.core.kubeproxy.choose import NodeProxy
from emucluster.live.metrics.kube_proxy import ProxyCollector, ProxyCounts
from emucluster.live.metrics.kubelet import (
    PROBES_PATH,
    KubeletCollector,
    KubeletCounts,
    ProbeCollector,
)
from emucluster.live.metrics.page import PATH, listen, place_of, registry_of
from emucluster.live.network.forwarder import Forwarding
from emucluster.live.network.listener import Listener


class NodePages:
    """The listeners of both, by component."""

    def __init__(self, listeners: Mapping[str, Listener]) -> None:
        self._listeners = listeners
        self.places = {name: place_of(listener) for name, listener in listeners.items()}
        """Component -> host:port."""

    def stop_proxy(self, stopped: bool) -> None:
        """A kube-proxy that is stopped tells nothing, as its other ports."""
        listener = self._listeners.get("kube-proxy")
        if listener is not None:
            listener.set_mode("drop" if stopped else "open")


def serve_node(
    forwarding: Forwarding,
    address: str,
    *,
    published: bool,
    proxy: NodeProxy,
    proxy_counts: ProxyCounts,
    kubelet_counts: KubeletCounts,
    pods: Callable[[], Sequence[dict[str, Any]]],
) -> NodePages:
    """Serve both.

    They belong to the node's `forwarding`: whoever scrapes a node that is silent, frozen or off
    gets from it what everybody gets. `published`: `address` is the machine's, which several nodes
    share, so that the kernel chooses the ports.
    """
    kubelet = KubeletCollector(proxy.node_name, kubelet_counts, pods)
    wanted = {
        "kube-proxy": (
            PROXY_METRICS_PORT,
            {PATH: registry_of(ProxyCollector(proxy_counts, proxy))},
        ),
        "kubelet": (
            KUBELET_READ_ONLY_PORT,
            {PATH: registry_of(kubelet), PROBES_PATH: registry_of(ProbeCollector(kubelet_counts))},
        ),
    }
    listeners = {
        component: listen(forwarding, address, 0 if published else port, pages)
        for component, (port, pages) in wanted.items()
    }
    return NodePages({name: each for name, each in listeners.items() if each is not None})
