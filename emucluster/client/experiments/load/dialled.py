"""What the clients of a group dial, in the words of a load generator."""

from __future__ import annotations

from dataclasses import dataclass

from emucluster.client.experiments.load.seats import Seat
from emucluster.client.targets import Objects, resolve
from emucluster.core.addresses import CLUSTER_DOMAIN
from emucluster.core.errors import UsageError
from emucluster.core.objects import EndpointSlice, Service
from emucluster.core.routing.targets import Target, parse_target
from emucluster.experiment.spec import ClientGroup

SERVICE_OF_SLICE = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Dialled:
    """What one group dials; one of the three is set.

    Attributes:
        addresses: ip:port.
        name: NAME:PORT, which the client's gateway resolves.
        dns_name: NAME:PORT, which gRPC itself asks the DNS server of the client's node for, and
            again when it has lost a connection (at most every 30 s, unless channelOptions say
            otherwise).
        service: NAMESPACE/NAME of the Service; empty: none.
    """

    addresses: tuple[str, ...] = ()
    name: str = ""
    dns_name: str = ""
    service: str = ""

    def uri(self, seat: Seat) -> str:
        """What gRPC resolves for a client at `seat`; empty where it resolves nothing."""
        return f"dns://{seat.dns}/{self.dns_name}" if self.dns_name else ""


def dialled(group: ClientGroup, seat: Seat, objects: Objects) -> Dialled:
    """What a client at `seat` dials for the group's target; see `client.targets`.

    Raises NoRoute with the reason, NotFound, or UsageError.
    """
    target = parse_target(group.target)
    if group.node and target.kind != "service":
        raise UsageError("only a Service is reached through a node's port")
    if target.kind != "service":
        found = resolve(target, seat.source, objects, namespace=group.namespace)
        return Dialled(addresses=_texts(found.addresses), name=found.name)
    service = objects.find("Service", target.name, group.namespace)
    named = f"{group.namespace}/{target.name}"
    inside = seat.source.kind != "outside"
    if isinstance(service, Service) and _is_headless(service) and inside and not group.node:
        port = _pod_port(target, service, objects)
        host = f"{target.name}.{group.namespace}.svc.{CLUSTER_DOMAIN}"
        return Dialled(dns_name=f"{host}:{port}", service=named)
    found = resolve(target, seat.source, objects, namespace=group.namespace, node=group.node)
    return Dialled(addresses=_texts(found.addresses), name=found.name, service=named)


def _texts(addresses: tuple[tuple[str, int], ...]) -> tuple[str, ...]:
    return tuple(f"{ip}:{port}" for ip, port in addresses)


def _is_headless(service: Service) -> bool:
    return service.spec.cluster_ip == "None" and service.spec.type != "ExternalName"


def _pod_port(target: Target, service: Service, objects: Objects) -> int:
    """A headless Service translates nothing: clients dial the pods' own port."""
    ports = [p for p in service.spec.ports if target.port in ("", p.name, str(p.port))]
    if not ports:
        known = ", ".join(p.name or str(p.port) for p in service.spec.ports) or "none"
        raise UsageError(f'the Service has no port "{target.port}"; it has: {known}')
    port = ports[0]
    for piece in objects.list("EndpointSlice", service.metadata.namespace):
        labels = piece.metadata.labels or {}
        if isinstance(piece, EndpointSlice) and labels.get(SERVICE_OF_SLICE) == target.name:
            for found in piece.ports:
                if found.port and (found.name or "") == (port.name or ""):
                    return found.port
    if isinstance(port.target_port, int):
        return port.target_port
    if not port.target_port:
        return port.port
    raise UsageError(
        f'targetPort "{port.target_port}" of a headless Service is a name, which its pods define, '
        "and it has no pod yet"
    )
