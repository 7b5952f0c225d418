"""The EndpointSlices of one Service: what they should hold, and what is written."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from emucluster.core.admission.generated_names import generated_name
from emucluster.core.objects import Endpoint, EndpointSlice, ObjectMeta, Service, replace

from .endpoints import PortSet
from .podstate import ObjectKey, controller_ref
from .slice_packing import SlicePacker
from .writer import Writer

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
HEADLESS = "service.kubernetes.io/headless"
_RESERVED = frozenset({SERVICE_NAME, MANAGED_BY, HEADLESS})

Packer = SlicePacker[ObjectKey, Endpoint]


class ServiceSlices:
    """One packer for each set of resolved ports; `wanted` is what each pod should be."""

    def __init__(self, service: Service, *, rng: Random) -> None:
        self.service = service
        self.wanted: dict[ObjectKey, tuple[PortSet, Endpoint]] = {}
        self.observed: dict[str, EndpointSlice] = {}
        """Managed slices as the store has them, by name."""
        self.stale = True
        """The packers have to be rebuilt from `observed` before anything is written."""
        self.changes = 0
        """Endpoint changes since the last write."""
        self._packers: dict[PortSet, Packer] = {}
        self._rng = rng

    def set(self, pod: ObjectKey, wanted: tuple[PortSet, Endpoint] | None) -> bool:
        """What a pod should be from now on; whether that is a change."""
        old = self.wanted.get(pod)
        if old == wanted:
            return False
        self.changes += 1
        if wanted is None:
            del self.wanted[pod]
        else:
            self.wanted[pod] = wanted
        if self.stale:
            return True
        if old is not None and (wanted is None or wanted[0] != old[0]):
            self._packers[old[0]].remove(pod)
        if wanted is not None:
            self._packer(wanted[0]).put(pod, wanted[1])
        return True

    def observe(self, slice_: EndpointSlice, *, gone: bool) -> bool:
        """The store's word on a managed slice; True if somebody else changed it."""
        name = slice_.metadata.name
        known = self.observed.get(name)
        if gone:
            if known is None:
                return False
            del self.observed[name]
            self.stale = True
            return True
        if known is not None and _version(known) >= _version(slice_):
            return False
        self.observed[name] = slice_
        self.stale = True
        return True

    def _packer(self, ports: PortSet) -> Packer:
        if (packer := self._packers.get(ports)) is None:
            packer = self._packers[ports] = SlicePacker(self._new_name)
        return packer

    def _new_name(self) -> str:
        name = generated_name(f"{self.service.metadata.name}-", self._rng)
        return self._new_name() if name in self.observed else name

    def rebuild(self) -> None:
        """Packs anew, keeping every endpoint in the slice in which it is."""
        self._packers = {}
        for name, slice_ in self.observed.items():
            entries = ((_pod_key(each), each) for each in slice_.endpoints)
            self._packer(slice_.ports).load(name, [(k, e) for k, e in entries if k is not None])
        for ports, packer in self._packers.items():
            for key in tuple(packer.keys()):
                if key not in self.wanted or self.wanted[key][0] != ports:
                    packer.remove(key)
        for key, (ports, endpoint) in self.wanted.items():
            self._packer(ports).put(key, endpoint)
        for packer in self._packers.values():
            # Labels or a hand's edits may differ even where all endpoints are in place.
            packer.dirty.update(
                name for name in packer.slices if not self._is_written(name, packer)
            )
        self.stale = False

    def _is_written(self, name: str, packer: Packer) -> bool:
        held = self.observed.get(name)
        return (
            held is not None
            and held.endpoints == tuple(packer.slices[name].values())
            and held.metadata.labels == self._labels()
        )

    def write(self, writer: Writer, *, stamp: str) -> None:
        """Creates, updates, deletes slices until the store has what is wanted. Raises ApiError."""
        if self.stale:
            self.rebuild()
        self._keep_one_placeholder()
        for ports, packer in tuple(self._packers.items()):
            for name in tuple(sorted(packer.dirty)):
                if packer.slices[name] or self._is_placeholder(ports):
                    self._write_slice(writer, name, ports, packer, stamp=stamp)
                    packer.dirty.discard(name)
                else:
                    if (held := self.observed.pop(name, None)) is not None:
                        writer.delete(held, stamp=stamp)
                    packer.forget(name)
            if not packer.slices:
                del self._packers[ports]
        self.changes = 0

    def _keep_one_placeholder(self) -> None:
        """A Service without endpoints has one empty slice without ports."""
        if self.wanted:
            if () in self._packers and not len(self._packers[()]):
                self._packers[()].dirty.update(self._packers[()].slices)
            return
        self._packer(()).ensure_one()

    def _is_placeholder(self, ports: PortSet) -> bool:
        return not self.wanted and not ports

    def _write_slice(
        self, writer: Writer, name: str, ports: PortSet, packer: Packer, *, stamp: str
    ) -> None:
        endpoints = tuple(packer.slices[name].values())
        held = self.observed.get(name)
        if held is None:
            slice_ = self._new_slice(name, ports, endpoints)
            self.observed[name] = writer.create(slice_, stamp=stamp)
            return
        metadata = replace(held.metadata, labels=self._labels())
        changed = replace(held, metadata=metadata, endpoints=endpoints)
        if changed != held:
            self.observed[name] = writer.update(changed, stamp=stamp)

    def _new_slice(self, name: str, ports: PortSet, endpoints: Iterable[Endpoint]) -> EndpointSlice:
        return EndpointSlice(
            metadata=ObjectMeta(
                name=name,
                generate_name=f"{self.service.metadata.name}-",
                namespace=self.service.metadata.namespace,
                labels=self._labels(),
                owner_references=(controller_ref(self.service),),
            ),
            address_type="IPv4",
            endpoints=tuple(endpoints),
            ports=ports,
        )

    def _labels(self) -> dict[str, str]:
        own = self.service.metadata.labels or {}
        labels = {name: value for name, value in own.items() if name not in _RESERVED}
        labels[SERVICE_NAME] = self.service.metadata.name
        labels[MANAGED_BY] = MANAGER
        if self.service.spec.cluster_ip == "None":
            labels[HEADLESS] = ""
        return labels


def _version(slice_: EndpointSlice) -> int:
    return int(slice_.metadata.resource_version or 0)


def _pod_key(endpoint: Endpoint) -> ObjectKey | None:
    ref = endpoint.target_ref
    if ref is None or ref.kind != "Pod":
        return None
    return ref.namespace or "", ref.name or ""
