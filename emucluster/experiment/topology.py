"""Who there is to be hit, as it stands when the plan is made."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct, field


class NodeInfo(Struct, frozen=True, kw_only=True):
    """A node. `host` is the machine that its process runs on."""

    name: str
    zone: str = ""
    host: str = ""
    labels: dict[str, str] = field(default_factory=dict)


class PodInfo(Struct, frozen=True, kw_only=True):
    """A pod. `owner` is the controller that made up its name, `deployment/web`; empty: none."""

    name: str
    node: str
    namespace: str = "default"
    owner: str = ""
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def target(self) -> str:
        return f"pod/{self.namespace}/{self.name}"


class ServiceInfo(Struct, frozen=True, kw_only=True):
    """A Service. An empty selector selects no pod."""

    name: str
    namespace: str = "default"
    type: str = "ClusterIP"
    selector: dict[str, str] = field(default_factory=dict)


class DeploymentInfo(Struct, frozen=True, kw_only=True):
    """A Deployment; `selector` is its matchLabels."""

    name: str
    namespace: str = "default"
    selector: dict[str, str] = field(default_factory=dict)


class Topology(Struct, frozen=True, kw_only=True):
    """A cluster as plans see it."""

    nodes: tuple[NodeInfo, ...]
    pods: tuple[PodInfo, ...] = ()
    services: tuple[ServiceInfo, ...] = ()
    deployments: tuple[DeploymentInfo, ...] = ()

    @property
    def sorted_nodes(self) -> list[NodeInfo]:
        return sorted(self.nodes, key=lambda node: natural(node.name))

    @property
    def sorted_pods(self) -> list[PodInfo]:
        return sorted(self.pods, key=lambda pod: (pod.namespace, _order_of(pod)))

    @property
    def zones(self) -> list[str]:
        return sorted({node.zone for node in self.nodes if node.zone}, key=natural)

    @property
    def hosts(self) -> list[str]:
        return sorted({node.host for node in self.nodes if node.host}, key=natural)

    @property
    def load_balancers(self) -> list[str]:
        """`lb/NAMESPACE/SERVICE` of every Service that has one."""
        found = [s for s in self.services if s.type == "LoadBalancer"]
        return sorted(f"lb/{service.namespace}/{service.name}" for service in found)

    def pods_with(self, namespace: str, labels: dict[str, str]) -> list[PodInfo]:
        """Pods of a namespace that have all the labels; none for no labels."""
        return [
            pod
            for pod in self.sorted_pods
            if labels and pod.namespace == namespace and labels.items() <= pod.labels.items()
        ]

    def identities(self) -> dict[str, str]:
        """Targets of pods to what they are called where the same plan must look the same.

        Controllers make up the names of their pods anew in every run: `pod/default/web-7d9c-x2x4k`
        is `pod/default/deployment/web[0]`, counted in the order of nodes. Others keep their names.
        """
        found: dict[str, str] = {}
        counts: dict[tuple[str, str], int] = {}
        for pod in self.sorted_pods:
            if not pod.owner:
                found[pod.target] = pod.target
                continue
            index = counts.get((pod.namespace, pod.owner), 0)
            counts[pod.namespace, pod.owner] = index + 1
            found[pod.target] = f"pod/{pod.namespace}/{pod.owner}[{index}]"
        return found

    def canonical(self) -> dict[str, object]:
        """What a digest covers: neither hosts nor names that controllers make up."""
        identities = self.identities()
        return {
            "nodes": [[n.name, n.zone, sorted(n.labels.items())] for n in self.sorted_nodes],
            "pods": sorted([identities[pod.target], pod.node] for pod in self.pods),
            "services": sorted([s.namespace, s.name, s.type] for s in self.services),
            "deployments": sorted([d.namespace, d.name] for d in self.deployments),
        }


def natural(name: str) -> list[tuple[int, str]]:
    """Sorts node-2 before node-10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def in_order(names: Iterable[str]) -> list[str]:
    """Names in their natural order, each once."""
    return sorted(set(names), key=natural)


def _order_of(pod: PodInfo) -> tuple[object, ...]:
    return (pod.owner, natural(pod.node), natural(pod.name))
