"""What every namespace has: the ServiceAccount `default`, and the authority of the API server.

kubernetes/pkg/controller/serviceaccount/serviceaccounts_controller.go and
pkg/controller/certificates/rootcacertpublisher.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from emucluster.core.objects import (
    ConfigMap,
    Namespace,
    Object,
    ObjectMeta,
    ServiceAccount,
    replace,
)

from .dirty import DirtyQueue
from .podstate import ObjectKey, is_deleting, key_of
from .writer import Writer, attempt

if TYPE_CHECKING:
    from emucluster.core.store import StoreEvent

ACCOUNT = "default"
ROOT_CA = "kube-root-ca.crt"
_DESCRIBED = {
    "kubernetes.io/description": "Contains a CA bundle that can be used to verify the "
    "kube-apiserver when using internal endpoints such as the internal service IP or "
    "kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
}


class NamespaceDefaults:
    """Creates both in each namespace that lives, and puts them right when somebody changes them.

    Args:
        root_ca: PEM of the authority's certificate; "": there is none, and no ConfigMap of it.
    """

    kinds: ClassVar[frozenset[str]] = frozenset({"Namespace", "ServiceAccount", "ConfigMap"})

    def __init__(self, writer: Writer, *, root_ca: str) -> None:
        self._writer, self._root_ca = writer, root_ca
        self._namespaces: set[str] = set()
        self._accounts: set[ObjectKey] = set()
        self._published: dict[ObjectKey, ConfigMap] = {}
        self._dirty: DirtyQueue[str] = DirtyQueue()

    def handle(self, event: StoreEvent, *, now_s: float) -> None:
        obj, gone = event.object, event.type == "DELETED"
        if isinstance(obj, Namespace):
            lives = not gone and not is_deleting(obj)
            (self._namespaces.add if lives else self._namespaces.discard)(obj.metadata.name)
            self._dirty.mark(obj.metadata.name)
        elif self._is_ours(obj):
            if isinstance(obj, ConfigMap):
                self._published.pop(key_of(obj), None)
                if not gone:
                    self._published[key_of(obj)] = obj
            else:
                (self._accounts.discard if gone else self._accounts.add)(key_of(obj))
            self._dirty.mark(obj.metadata.namespace)

    @staticmethod
    def _is_ours(obj: Object) -> bool:
        name = ROOT_CA if isinstance(obj, ConfigMap) else ACCOUNT
        return obj.metadata.name == name

    def flush(self, *, now_s: float, stamp: str) -> None:
        for namespace in self._dirty.take(now_s):
            if namespace in self._namespaces:
                with attempt(self._dirty, namespace, now_s=now_s):
                    self._sync(namespace, stamp=stamp)

    def next_wake_s(self) -> float | None:
        return self._dirty.next_wake_s()

    def _sync(self, namespace: str, *, stamp: str) -> None:
        if (namespace, ACCOUNT) not in self._accounts:
            meta = ObjectMeta(name=ACCOUNT, namespace=namespace)
            self._writer.create(ServiceAccount(metadata=meta), stamp=stamp)
            self._accounts.add((namespace, ACCOUNT))
        if not self._root_ca:
            return
        key, data = (namespace, ROOT_CA), {"ca.crt": self._root_ca}
        held = self._published.get(key)
        if held is None:
            meta = ObjectMeta(name=ROOT_CA, namespace=namespace, annotations=_DESCRIBED)
            made = self._writer.create(ConfigMap(metadata=meta, data=data), stamp=stamp)
            self._published[key] = made
        elif held.data != data:
            self._published[key] = self._writer.update(replace(held, data=data), stamp=stamp)
