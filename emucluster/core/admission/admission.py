"""The API's door to the store: every request passes here, and leaves nothing when it is refused.

What it adds to the store: default namespace, generateName, the life of namespaces, defaults,
validation, immutability, and the addresses and ports of Services.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Literal, TypeVar, cast

from emucluster.core.addresses import API_PORT, SERVICE_CIDR
from emucluster.core.errors import (
    AlreadyExists,
    BadRequest,
    Cause,
    Forbidden,
    Invalid,
    NotFound,
)
from emucluster.core.objects import (
    Deployment,
    Namespace,
    NamespaceSpec,
    Node,
    Object,
    ObjectMeta,
    ReplicaSet,
    Service,
    ServicePort,
    ServiceSpec,
    replace,
)
from emucluster.core.objects.registry import BY_KIND, resource_of
from emucluster.core.store import Store

from .apply import Applied, apply_all
from .defaults import with_defaults
from .nodeport import DEFAULT_RANGE
from .services import ServiceAllocations, carried_over
from .validation import validate_create, validate_update

O = TypeVar("O", bound=Object)  # noqa: E741

Propagation = Literal["Background", "Foreground", "Orphan"]

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
IMMORTAL = frozenset(["default", "kube-system", "kube-public"])
"""Namespaces that may not be deleted (NamespaceLifecycle admission plugin)."""

NAMESPACE_FINALIZER = "kubernetes"
FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH = 5
_BASE_MAX = 63 - _SUFFIX_LENGTH
_NAME_ATTEMPTS = 8


class Admission:
    """Creates, updates and deletes as the API server does. One for each store."""

    def __init__(
        self,
        store: Store,
        *,
        rng: random.Random,
        service_cidr: str = SERVICE_CIDR,
        node_port_range: range = DEFAULT_RANGE,
    ) -> None:
        """Takes over the allocations of the Services that `store` has.

        Args:
            rng: chooses names, addresses and ports.
            service_cidr: of ClusterIPs; IPv4.
            node_port_range: of nodePorts and healthCheckNodePorts.
        """
        self.store = store
        self._rng = rng
        self.allocations = ServiceAllocations(cidr=service_cidr, ports=node_port_range, rng=rng)
        store.on_removal(self._removed)
        self.restored()

    def restored(self) -> None:
        """To be called when the store was restored: reads the allocations from its Services."""
        self.allocations.rebuild(self.store.list(Service))

    def _removed(self, obj: Object) -> None:
        if isinstance(obj, Service):
            self.allocations.release(obj)

    # --- requests --------------------------------------------------------------------------------

    def create(self, obj: O, *, stamp: str, namespace: str = "default") -> O:
        """Adds an object. `namespace` is for namespaced objects that name none.

        Raises BadRequest, NotFound (no such namespace), Forbidden (it terminates), AlreadyExists,
        Invalid, InternalError (addresses or ports exhausted).
        """
        with self.allocations.transaction():
            return self.store.create(self.prepare_create(obj, namespace=namespace), stamp=stamp)

    def update(
        self,
        obj: O,
        *,
        stamp: str,
        expect: str | None = None,
        subresource: Literal["", "status"] = "",
        namespace: str = "default",
    ) -> O:
        """Replaces an object, or only its status; what is unchanged is not written.

        Values that were allocated and are not named again stay.

        Args:
            expect: the resourceVersion it is based on; None: the one in `obj`, and where that has
                none either, whatever is there.

        Raises NotFound, Conflict, Invalid, InternalError.
        """
        del stamp  # no time is written by an update; part of the signature of every write
        obj = _with_namespace(obj, namespace)
        old = self._existing(obj)
        expect = expect or obj.metadata.resource_version or None
        self.store.check(old, version=expect, uid=obj.metadata.uid or None)
        if subresource == "status":
            sent = with_defaults(obj) if isinstance(obj, Service | Node) else obj
            return self.store.update(sent, expect=expect, subresource="status")
        with self.allocations.transaction():
            return self.store.update(self.prepare_update(obj, old), subresource=_main_part(obj))

    def delete(
        self,
        kind: str | type[Object],
        namespace: str,
        name: str,
        *,
        stamp: str,
        grace_period_s: int | None = None,
        uid: str | None = None,
        expect: str | None = None,
        propagation: str = "Background",
    ) -> Object:
        """Deletes as `Store.delete`, with the fate of what the object owns.

        `propagation`: Background deletes it afterwards, Foreground before, Orphan not at all.
        Raises NotFound, Conflict, Forbidden (a namespace that may not be deleted), Invalid.
        """
        kind = kind if isinstance(kind, str) else kind.kind
        if kind in BY_KIND and BY_KIND[kind].namespaced:
            namespace = namespace or "default"
        else:
            namespace = ""
        if kind == "Namespace" and name in IMMORTAL:
            raise Forbidden.of("namespaces", name, "this namespace may not be deleted")
        finalizers = {"Background": (), "Foreground": (FOREGROUND,), "Orphan": (ORPHAN,)}
        if propagation not in finalizers:
            message = (
                f'Unsupported value: "{propagation}": supported values: "Background", '
                '"Foreground", "Orphan"'
            )
            causes = [Cause("propagationPolicy", "FieldValueNotSupported", message)]
            raise Invalid.of("DeleteOptions.meta.k8s.io", "", causes)
        return self.store.delete(
            kind,
            namespace,
            name,
            stamp=stamp,
            grace_period_s=grace_period_s,
            uid=uid,
            expect=expect,
            add_finalizers=finalizers[propagation],
        )

    def scale(
        self, kind: str | type[Object], namespace: str, name: str, replicas: int, *, stamp: str
    ) -> Object:
        """Sets `spec.replicas` of a Deployment or ReplicaSet. Raises NotFound, Invalid."""
        kind = kind if isinstance(kind, str) else kind.kind
        if kind not in (Deployment.kind, ReplicaSet.kind):
            raise NotFound("the server could not find the requested resource")
        old = self.store.get(kind, namespace or "default", name)
        if not isinstance(old, Deployment | ReplicaSet):
            raise NotFound.of(BY_KIND[kind].qualified_plural, name)
        return self.update(replace(old, spec=replace(old.spec, replicas=replicas)), stamp=stamp)

    def apply(
        self,
        objects: Sequence[Object],
        namespace: str = "default",
        *,
        stamp: str,
        dry_run: bool = False,
    ) -> list[Applied]:
        """`kubectl apply` of a whole manifest: all of it is checked before any of it is written.

        See `core.admission.apply`. Returns (`created`, `configured` or `unchanged`, object) for
        each object in its order; with `dry_run` as they would be. Raises what the one bad object
        raises, or BadRequest that lists all of them; then nothing is changed.
        """
        with self.allocations.transaction(keep=not dry_run):
            return apply_all(self, objects, namespace, stamp=stamp, dry_run=dry_run)

    def bootstrap(self, stamp: str) -> None:
        """Creates what every cluster has, where it is not there yet.

        Namespaces default, kube-system, kube-public and kube-node-lease, and the Service
        default/kubernetes with the first address of the range.
        """
        for name in NAMESPACES:
            if self.store.get(Namespace, "", name) is None:
                self.create(Namespace(metadata=ObjectMeta(name=name)), stamp=stamp)
        if self.store.get(Service, "default", "kubernetes") is None:
            (ip,) = (i for i, o in self.allocations.reserved.items() if o[1] == "kubernetes")
            port = ServicePort(name="https", port=443, protocol="TCP", target_port=API_PORT)
            labels = {"component": "apiserver", "provider": "kubernetes"}
            meta = ObjectMeta(name="kubernetes", namespace="default", labels=labels)
            spec = ServiceSpec(cluster_ip=ip, ports=(port,))
            self.create(Service(metadata=meta, spec=spec), stamp=stamp)

    # --- what a request makes of an object -------------------------------------------------------

    def prepare_create(self, obj: O, *, namespace: str, opened: frozenset[str] = frozenset()) -> O:
        """The object as it will be stored, with what it was allocated; to be used in a
        transaction of `allocations`. `opened`: namespaces that the same request creates.
        """
        obj = _with_namespace(obj, namespace)
        if obj.metadata.resource_version:
            raise BadRequest("resourceVersion should not be set on objects to be created")
        obj = self._named(_with_initial_state(obj))
        resource = resource_of(obj)
        if resource.namespaced:
            self._require_open(obj, opened)
        key = (obj.metadata.namespace, obj.metadata.name)
        if self.store.get(obj.kind, *key) is not None:
            raise AlreadyExists.of(resource.qualified_plural, obj.metadata.name)
        obj = with_defaults(obj)
        if causes := validate_create(obj):
            raise Invalid.of(resource.qualified_kind, obj.metadata.name, causes)
        return cast(O, self.allocations.create(obj)) if isinstance(obj, Service) else obj

    def prepare_update(self, obj: O, old: O) -> O:
        """Like `prepare_create`, for what is to take the place of `old`."""
        obj = with_defaults(obj)
        if isinstance(obj, Service) and isinstance(old, Service):
            obj = cast(O, carried_over(obj, old))
        if causes := validate_update(obj, old):
            raise Invalid.of(resource_of(obj).qualified_kind, obj.metadata.name, causes)
        if isinstance(obj, Service) and isinstance(old, Service):
            return cast(O, self.allocations.update(obj, old))
        return obj

    def revised(self, obj: O) -> O:
        """What writing a prepared update would store; the present object if nothing changes."""
        return self.store.revised(obj, subresource=_main_part(obj))

    def write(self, obj: O, *, old: O | None, stamp: str) -> O:
        """Stores what was prepared; nothing can be wrong with it any more."""
        if old is None:
            return self.store.create(obj, stamp=stamp)
        return self.store.update(obj, subresource=_main_part(obj))

    def _existing(self, obj: O) -> O:
        meta = obj.metadata
        old = self.store.get(type(obj), meta.namespace, meta.name)
        if old is None:
            raise NotFound.of(resource_of(obj).qualified_plural, meta.name)
        return old

    def _named(self, obj: O) -> O:
        """With a name made from generateName, if it has none (k8s.io/apiserver/.../names)."""
        meta = obj.metadata
        if meta.name or not meta.generate_name:
            return obj
        for _ in range(_NAME_ATTEMPTS):
            suffix = "".join(self._rng.choice(_ALPHABET) for _ in range(_SUFFIX_LENGTH))
            name = meta.generate_name[:_BASE_MAX] + suffix
            if self.store.get(obj.kind, meta.namespace, name) is None:
                return replace(obj, metadata=replace(meta, name=name))
        text = "the server was not able to generate a unique name for the object"
        raise AlreadyExists(f'{resource_of(obj).qualified_plural} "{name}" already exists, {text}')

    def _require_open(self, obj: Object, opened: frozenset[str]) -> None:
        """Source: the admission plugin NamespaceLifecycle."""
        name = obj.metadata.namespace
        namespace = self.store.get(Namespace, "", name)
        if namespace is None:
            if name in opened:
                return
            raise NotFound.of("namespaces", name)
        if namespace.metadata.deletion_timestamp is not None:
            why = f"unable to create new content in namespace {name} because it is being terminated"
            plural = resource_of(obj).qualified_plural
            raise Forbidden.of(plural, obj.metadata.name, why)


def _main_part(obj: Object) -> Literal["", "replace"]:
    """A Service's status changes with its type; of other kinds a main update keeps it."""
    return "replace" if isinstance(obj, Service) else ""


def _with_namespace(obj: O, namespace: str) -> O:
    if obj.metadata.namespace or not resource_of(obj).namespaced:
        return obj
    return replace(obj, metadata=replace(obj.metadata, namespace=namespace or "default"))


def _with_initial_state(obj: O) -> O:
    """Without the state that only the system may report; a Node may bring its own."""
    status: Any = getattr(obj, "status", None)
    if status is not None and not isinstance(obj, Node):
        obj = replace(obj, status=type(status)())
    if isinstance(obj, Namespace) and NAMESPACE_FINALIZER not in obj.spec.finalizers:
        finalizers = (*obj.spec.finalizers, NAMESPACE_FINALIZER)
        return cast(O, replace(obj, spec=NamespaceSpec(finalizers=finalizers)))
    return obj
