"""Load balancers of Services (kubernetes/cloud-provider controllers/service/controller.go)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from typing import TYPE_CHECKING, ClassVar, Literal

from emucluster.core.objects import (
    LoadBalancerIngress,
    LoadBalancerStatus,
    Node,
    Service,
    replace,
)

from .annotations import is_ours, preset_of, settings_of, source_ranges
from .cloud_commands import (
    CloudCommand,
    DeleteLoadBalancer,
    EnsureLoadBalancer,
    LoadBalancerPort,
    LoadBalancerRef,
    LoadBalancerSpec,
)
from .dirty import DirtyQueue, earliest
from .lb_targets import LoadBalancerTargets
from .podstate import is_deleting, key_of
from .recorder import EventType, Recorder
from .writer import Writer, attempt

if TYPE_CHECKING:
    from emucluster.core.store import StoreEvent

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
RETRY_MIN_S, RETRY_MAX_S = 5.0, 300.0
DEFAULT_AFFINITY_S = 10800.0


@dataclass(slots=True)
class _Balancer:
    """What the cloud was asked for a Service, and what it answered."""

    service: Service
    asked: Literal["ensure", "delete"] | None = None
    """The request that the cloud still owes an answer to."""
    requested: LoadBalancerSpec | None = None
    ensured: LoadBalancerSpec | None = None
    addresses: tuple[str, ...] = ()
    told_no_cloud: bool = False
    blocked_until_s: float = float("-inf")
    failures: int = 0


class ServiceLoadBalancerController:
    """Asks the cloud for what Services of type LoadBalancer need, and writes down what it gave.

    Args:
        cloud: the preset for load balancers that do not name one; None: there is no cloud, and
            addresses stay pending for ever.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"Service", "Node"})

    def __init__(self, writer: Writer, *, cloud: str | None) -> None:
        self._writer, self._cloud = writer, cloud
        self._recorder = Recorder(writer, component="service-controller")
        self._balancers: dict[LoadBalancerRef, _Balancer] = {}
        self._targets = LoadBalancerTargets()
        self._dirty: DirtyQueue[LoadBalancerRef] = DirtyQueue(base_s=0.05, cap_s=1.0)
        self._commands: list[CloudCommand] = []
        self._notes: list[tuple[Service, EventType, str, str]] = []
        self._cleaned: set[LoadBalancerRef] = set()
        """Whose load balancer is gone, while the finalizer is still there."""

    # --- the index -------------------------------------------------------------------------------

    def handle(self, event: StoreEvent, *, now_s: float) -> None:
        obj, gone = event.object, event.type == "DELETED"
        if isinstance(obj, Service):
            self._handle_service(obj, gone=gone)
        elif isinstance(obj, Node) and self._targets.put(obj, gone=gone, now_s=now_s):
            self._mark_all()

    def _handle_service(self, service: Service, *, gone: bool) -> None:
        ref = LoadBalancerRef(*key_of(service))
        known = self._balancers.get(ref)
        if gone:
            if known is not None and (known.ensured or known.requested):
                # Somebody took the finalizer away: the cloud must not keep the load balancer.
                self._commands.append(DeleteLoadBalancer(ref))
            self._balancers.pop(ref, None)
            self._dirty.drop(ref)
            return
        if known is None:
            if service.spec.type != "LoadBalancer" and not _has_finalizer(service):
                return
            known = self._balancers[ref] = _Balancer(service)
        known.service = service
        self._dirty.mark(ref)

    def _mark_all(self) -> None:
        for ref in self._balancers:
            self._dirty.mark(ref)

    # --- answers of the cloud --------------------------------------------------------------------

    def ensured(self, ref: LoadBalancerRef, addresses: Sequence[str]) -> None:
        """The load balancer is as last asked for, at these addresses."""
        if (known := self._balancers.get(ref)) is None or known.asked != "ensure":
            return
        first = known.ensured is None
        told = "EnsuredLoadBalancer" if first else "UpdatedLoadBalancer"
        if not first and known.requested != known.ensured and not _only_targets(known):
            told = "EnsuredLoadBalancer"
        text = "Ensured load balancer" if told.startswith("Ens") else _UPDATED
        self._notes.append((known.service, "Normal", told, text))
        known.asked, known.failures = None, 0
        known.ensured, known.addresses = known.requested, tuple(addresses)
        self._dirty.mark(ref)

    def deleted(self, ref: LoadBalancerRef) -> None:
        """The load balancer is gone."""
        if (known := self._balancers.get(ref)) is None or known.asked != "delete":
            return
        known.asked, known.failures = None, 0
        known.requested = known.ensured = None
        known.addresses = ()
        self._notes.append((known.service, "Normal", "DeletedLoadBalancer", _DELETED))
        self._dirty.mark(ref)
        self._cleaned.add(ref)

    def failed(self, ref: LoadBalancerRef, reason: str, *, now_s: float) -> None:
        """The cloud could not do it; asked again after 5 s, then ever later, up to 300 s."""
        if (known := self._balancers.get(ref)) is None or known.asked is None:
            return
        what = "ensure" if known.asked == "ensure" else "delete"
        text = f"Error syncing load balancer: failed to {what} load balancer: {reason}"
        self._notes.append((known.service, "Warning", "SyncLoadBalancerFailed", text))
        known.asked, known.requested = None, known.ensured
        delay_s = min(RETRY_MAX_S, RETRY_MIN_S * 2.0 ** min(known.failures, 10))
        known.failures += 1
        known.blocked_until_s = now_s + delay_s
        self._dirty.mark(ref)

    def take_commands(self) -> list[CloudCommand]:
        """What the cloud is to do now; each is given out once."""
        taken, self._commands = self._commands, []
        return taken

    # --- writes ----------------------------------------------------------------------------------

    def flush(self, *, now_s: float, stamp: str) -> None:
        for service, type_, reason, text in self._notes:
            self._recorder.record(service, type_, reason, text, stamp=stamp)
        self._notes.clear()
        if self._targets.resync(now_s):
            self._mark_all()
        for ref in self._dirty.take(now_s):
            if (known := self._balancers.get(ref)) is not None:
                with attempt(self._dirty, ref, now_s=now_s):
                    self._sync(ref, known, now_s=now_s, stamp=stamp)

    def next_wake_s(self) -> float | None:
        if self._notes:
            return float("-inf")
        return earliest(self._dirty.next_wake_s(), self._targets.next_wake_s())

    def _sync(self, ref: LoadBalancerRef, known: _Balancer, *, now_s: float, stamp: str) -> None:
        if self._wants(known.service):
            self._sync_wanted(ref, known, now_s=now_s, stamp=stamp)
        else:
            self._sync_unwanted(ref, known, now_s=now_s, stamp=stamp)

    def _wants(self, service: Service) -> bool:
        return (
            service.spec.type == "LoadBalancer"
            and not is_deleting(service)
            and is_ours(service.spec.load_balancer_class, self._cloud)
        )

    def _sync_wanted(
        self, ref: LoadBalancerRef, known: _Balancer, *, now_s: float, stamp: str
    ) -> None:
        self._cleaned.discard(ref)
        if self._cloud is None:
            self._tell_no_cloud(known, stamp=stamp)
            return
        if not _has_finalizer(known.service):
            finalizers = (*known.service.metadata.finalizers, FINALIZER)
            self._write_finalizers(known, finalizers, stamp=stamp)
        if known.addresses:
            self._write_ingress(known, known.addresses, stamp=stamp)
        spec = self._spec(ref, known.service, self._cloud)
        if known.asked is not None or spec == known.requested:
            return
        if now_s < known.blocked_until_s:
            self._dirty.mark_at(ref, known.blocked_until_s)
            return
        before, known.requested = known.ensured, spec
        known.asked = "ensure"
        self._commands.append(EnsureLoadBalancer(spec))
        if before is None or not _only_targets(known):
            told = ("EnsuringLoadBalancer", "Ensuring load balancer")
            self._recorder.record(known.service, "Normal", *told, stamp=stamp)

    def _tell_no_cloud(self, known: _Balancer, *, stamp: str) -> None:
        if not known.told_no_cloud:
            known.told_no_cloud = True
            self._recorder.record(
                known.service, "Warning", "NoLoadBalancerProvider", _NO_CLOUD, stamp=stamp
            )

    def _sync_unwanted(
        self, ref: LoadBalancerRef, known: _Balancer, *, now_s: float, stamp: str
    ) -> None:
        if known.asked is not None:
            return
        if _has_finalizer(known.service) and ref not in self._cleaned:
            if now_s < known.blocked_until_s:
                self._dirty.mark_at(ref, known.blocked_until_s)
                return
            known.asked = "delete"
            self._commands.append(DeleteLoadBalancer(ref))
            told = ("DeletingLoadBalancer", "Deleting load balancer")
            self._recorder.record(known.service, "Normal", *told, stamp=stamp)
            return
        if _has_finalizer(known.service):
            # Without our finalizer the addresses are another controller's word.
            self._write_ingress(known, (), stamp=stamp)
            kept = tuple(each for each in known.service.metadata.finalizers if each != FINALIZER)
            self._write_finalizers(known, kept, stamp=stamp)
        if known.service.spec.type != "LoadBalancer":
            self._balancers.pop(ref, None)
        self._cleaned.discard(ref)

    def _write_finalizers(
        self, known: _Balancer, finalizers: tuple[str, ...], *, stamp: str
    ) -> None:
        metadata = replace(known.service.metadata, finalizers=finalizers)
        known.service = self._writer.update(replace(known.service, metadata=metadata), stamp=stamp)

    def _write_ingress(self, known: _Balancer, addresses: tuple[str, ...], *, stamp: str) -> None:
        ingress = tuple(LoadBalancerIngress(ip=each, ip_mode="VIP") for each in addresses)
        service = known.service
        if service.status.load_balancer.ingress == ingress:
            return
        status = replace(service.status, load_balancer=LoadBalancerStatus(ingress=ingress))
        known.service = self._writer.update_status(replace(service, status=status), stamp=stamp)

    def _spec(self, ref: LoadBalancerRef, service: Service, cloud: str) -> LoadBalancerSpec:
        spec, notes = service.spec, service.metadata.annotations
        preset = preset_of(notes, cloud)
        affinity = spec.session_affinity == "ClientIP"
        config = spec.session_affinity_config.client_ip if spec.session_affinity_config else None
        timeout_s = config.timeout_seconds if config is not None else None
        local = spec.external_traffic_policy == "Local"
        return LoadBalancerSpec(
            ref=ref,
            uid=service.metadata.uid,
            preset=preset,
            ports=tuple(
                LoadBalancerPort(p.name or "", p.protocol or "TCP", p.port, p.node_port or 0)
                for p in spec.ports
            ),
            targets=self._targets.current(),
            source_ranges=source_ranges(spec.load_balancer_source_ranges, notes),
            local_only=local,
            health_check_node_port=(spec.health_check_node_port or 0) if local else 0,
            client_affinity=affinity,
            affinity_timeout_s=float(timeout_s or DEFAULT_AFFINITY_S) if affinity else 0.0,
            settings=settings_of(notes, preset),
        )


_UPDATED = "Updated load balancer with new hosts"
_DELETED = "Deleted load balancer"
_NO_CLOUD = (
    "No load balancer will be created: this cluster runs without a cloud (--cloud none), so "
    "EXTERNAL-IP stays <pending>. Use a NodePort, or start the cluster with a cloud preset."
)


def _has_finalizer(service: Service) -> bool:
    return FINALIZER in service.metadata.finalizers


def _only_targets(known: _Balancer) -> bool:
    """Whether what is requested differs from what is there in its targets alone."""
    if known.requested is None or known.ensured is None:
        return False
    return changed(known.requested, targets=()) == changed(known.ensured, targets=())
