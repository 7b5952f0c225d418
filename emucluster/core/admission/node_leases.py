"""The Lease by which a node tells that it is alive, as its kubelet writes it.

Source: k8s.io/component-helpers apimachinery/lease; that there has to be a namespace, the admission
plugin NamespaceLifecycle. Written past validation, which such a Lease always passes.
"""

from __future__ import annotations

from emucluster.core.errors import NotFound
from emucluster.core.objects import Lease, LeaseSpec, Namespace, Node, ObjectMeta, replace
from emucluster.core.objects.registry import BY_KIND

from .admission import Admission

NAMESPACE = "kube-node-lease"


def renew(
    admission: Admission, node_name: str, *, duration_s: float, micro_stamp: str, stamp: str
) -> Lease:
    """Renews a node's Lease, or creates it.

    Args:
        duration_s: after which it runs out, of a new one.
        micro_stamp: now, in microseconds.
        stamp: now.

    Raises NotFound: there is no such node, or no namespace `kube-node-lease`; Forbidden: that
    terminates, and there is no Lease yet.
    """
    store = admission.store
    if store.get(Node, "", node_name) is None:
        raise NotFound.of("nodes", node_name)
    if store.get(Namespace, "", NAMESPACE) is None:
        raise NotFound.of("namespaces", NAMESPACE)
    old = store.get(Lease, NAMESPACE, node_name)
    if old is not None:
        return store.update(replace(old, spec=replace(old.spec, renew_time=micro_stamp)))
    spec = LeaseSpec(
        holder_identity=node_name,
        lease_duration_seconds=max(1, round(duration_s)),
        renew_time=micro_stamp,
    )
    lease = Lease(metadata=ObjectMeta(name=node_name, namespace=NAMESPACE), spec=spec)
    admission.preparation.require_open(lease, BY_KIND[Lease.kind])
    return store.create(lease, stamp=stamp)
