"""A node's own account of what is so, and of what its kube-proxy, DNS and kubelet believe.

It is the machine room's line, no part of the node: it goes on while the node is silent or frozen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from emucluster.core.dns.records import DnsView
from emucluster.core.faults import FaultLease
from emucluster.core.kubelet.commands import ReadinessBecame
from emucluster.core.kubeproxy.choose import NodeProxy
from emucluster.core.kubeproxy.membership import Membership
from emucluster.core.kubeproxy.service_ports import LABEL_SERVICE_NAME, ServicePortName
from emucluster.core.kubeproxy.topology import Address
from emucluster.core.objects import EndpointSlice, Node, Object, Pod, Service
from emucluster.live.node.membership_beliefs import MembershipBeliefs, PodNames
from emucluster.live.node.pod_truths import PodTruths
from emucluster.live.node.power import PowerState
from emucluster.live.node.truth import FaultsHere, node_truth
from emucluster.live.observing.board import ObservationBoard
from emucluster.live.pods.runtime import PodRuntime


class NodeObserver:
    """Told of everything that happens at the node; tells `board` what changed by it.

    `dns` is asked for anew each time, for a fault may put another view in its place.
    """

    def __init__(
        self,
        *,
        node: str,
        zone: str,
        runtime: PodRuntime,
        proxy: NodeProxy,
        dns: Callable[[], DnsView],
        power: Callable[[], PowerState],
    ) -> None:
        self.board = ObservationBoard()
        self._node, self._zone = node, zone
        self._power = power
        self._proxy = proxy
        self._dns = dns
        self._faults = FaultsHere()
        self._names = PodNames()
        self._chosen = MembershipBeliefs(self.board, "proxy", node, self._names)
        self._answered = MembershipBeliefs(self.board, "dns", node, self._names)
        self._in_dns: dict[tuple[str, str], set[str]] = {}
        self._membership = Membership(proxy, self._take_chosen)
        proxy.table.on_change = self._membership.handle
        self._pods = PodTruths(self.board, runtime, node=node, zone=zone, power=power)
        runtime.on_life = self._pods.look
        self._tell_node()

    def before(self, obj: Object) -> None:
        """To be called with each change of the cluster before the node acts on it."""
        if isinstance(obj, EndpointSlice):
            for ip in self._names.take(obj):
                self._chosen.renamed(ip)
                self._answered.renamed(ip)

    def after(self, type_: str, obj: Object, old: Object | None) -> None:
        """To be called with the same once the node has acted on it."""
        match obj:
            case Pod():
                self._pods.take_pod(type_, obj)
                if type_ == "DELETED":
                    self._forget_readiness(obj)
            case Service():
                self._pods.take_service(type_, obj)
                self._look_at_dns(obj.metadata.namespace, obj.metadata.name, None)
            case EndpointSlice():
                self._take_slice(obj, old)
            case Node() if obj.metadata.name == self._node:
                self._take_own_node(obj, old)
            case _:
                pass

    def take_readiness(self, change: ReadinessBecame) -> None:
        """The kubelet made up its mind about a pod."""
        state = "in" if change.ready else "out"
        self.board.belief(
            "probe",
            f"pod/{change.namespace}/{change.name}",
            state,  # type: ignore[arg-type]
            change.reason,
            where=self._node,
        )

    def take_faults(self, leases: Iterable[FaultLease]) -> None:
        """These are in force from now on."""
        self._faults = FaultsHere.of(leases)
        self.take_power()
        self.refresh()

    def take_power(self) -> None:
        """The node's power may have changed."""
        self._tell_node()
        self._pods.take_faults(self._faults)

    def refresh(self) -> None:
        """Look at all beliefs: a fault may have put another table or view in place."""
        self._membership.refresh()
        for namespace, service in {*self._in_dns, *self._dns().headless()}:
            self._look_at_dns(namespace, service, None)

    def _tell_node(self) -> None:
        state, word = node_truth(self._power(), self._faults)
        self.board.truth(f"node/{self._node}", state, word, node=self._node, zone=self._zone)

    def _take_own_node(self, node: Node, old: Object | None) -> None:
        before = old.metadata.labels if old is not None else None
        if node.metadata.labels != before:
            self._membership.refresh()

    def _take_slice(self, obj: EndpointSlice, old: Object | None) -> None:
        service = (obj.metadata.labels or {}).get(LABEL_SERVICE_NAME)
        if service:
            held = [obj, old] if isinstance(old, EndpointSlice) else [obj]
            ips = {ip for each in held for endpoint in each.endpoints for ip in endpoint.addresses}
            self._look_at_dns(obj.metadata.namespace, service, ips)

    def _look_at_dns(self, namespace: str, service: str, ips: set[str] | None) -> None:
        """Whether these addresses (None: all) are in a headless Service's answers."""
        view = self._dns()
        known = self._in_dns.get((namespace, service), set())
        if ips is None:
            ips = known | set(view.endpoints(namespace, service))
        for ip in ips:
            answered = view.has_endpoint(namespace, service, ip)
            if answered != (ip in known):
                (known.add if answered else known.remove)(ip)
                self._answered.count(f"{namespace}/{service}", ip, 1 if answered else -1)
        if known:
            self._in_dns[namespace, service] = known
        else:
            self._in_dns.pop((namespace, service), None)

    def _take_chosen(self, name: ServicePortName, address: Address, is_chosen: bool) -> None:
        self._chosen.count(str(name.service), address[0], 1 if is_chosen else -1)

    def _forget_readiness(self, pod: Pod) -> None:
        subject = f"pod/{pod.metadata.namespace}/{pod.metadata.name}"
        self.board.belief("probe", subject, "out", "deleted", where=self._node, forget=True)
