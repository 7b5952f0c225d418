"""Where the Service default/kubernetes leads: the API server itself, which is no pod.

Source: kubernetes pkg/controlplane/reconcilers (EndpointsAdapter, masterCountEndpointReconciler).
Written past validation, which keeps others from naming loopback addresses.
"""

from __future__ import annotations

from emucluster.core.objects import (
    Endpoint,
    EndpointAddress,
    EndpointConditions,
    EndpointPort,
    Endpoints,
    EndpointSlice,
    EndpointsPort,
    EndpointSubset,
    ObjectMeta,
    replace,
)
from emucluster.core.store import Store

NAMESPACE, NAME = "default", "kubernetes"
SKIP_MIRROR = {"endpointslice.kubernetes.io/skip-mirror": "true"}
SLICE_OF = {"kubernetes.io/service-name": NAME}


def publish(store: Store, address: str, port: int, *, stamp: str) -> None:
    """Have Endpoints and an EndpointSlice say that the API is at `address`:`port`."""
    endpoints = Endpoints(
        metadata=ObjectMeta(name=NAME, namespace=NAMESPACE, labels=SKIP_MIRROR),
        subsets=(
            EndpointSubset(
                addresses=(EndpointAddress(ip=address),),
                ports=(EndpointsPort(name="https", port=port, protocol="TCP"),),
            ),
        ),
    )
    slice_ = EndpointSlice(
        metadata=ObjectMeta(name=NAME, namespace=NAMESPACE, labels=SLICE_OF),
        address_type="IPv4",
        endpoints=(Endpoint(addresses=(address,), conditions=EndpointConditions(ready=True)),),
        ports=(EndpointPort(name="https", port=port, protocol="TCP"),),
    )
    for obj in (endpoints, slice_):
        _put(store, obj, stamp)


def _put(store: Store, obj: Endpoints | EndpointSlice, stamp: str) -> None:
    """What others added to it stays, but for an address, a port or a label of ours."""
    old = store.get(type(obj), NAMESPACE, NAME)
    if old is None:
        store.create(obj, stamp=stamp)
        return
    labels = {**(old.metadata.labels or {}), **(obj.metadata.labels or {})}
    store.update(replace(obj, metadata=replace(old.metadata, labels=labels)))
