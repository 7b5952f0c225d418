"""The API's door to the store: every request passes here, and leaves nothing when it is refused.

What it adds to the store: default namespace, generateName, the life of namespaces, defaults,
validation, immutability, the addresses and ports of Services, and what the definitions of custom
kinds ask of their objects.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, TypeVar, cast

from emucluster.core.addresses import KUBE_API_PORT, SERVICE_CIDR
from emucluster.core.errors import (
    INVALID,
    Cause,
    Forbidden,
    Invalid,
    NotFound,
)
from emucluster.core.objects import (
    CustomObject,
    CustomResourceDefinition,
    Namespace,
    Object,
    ObjectMeta,
    PriorityClass,
    Service,
    ServicePort,
    ServiceSpec,
    replace,
)
from emucluster.core.store import Store

from . import priorities
from .added import without_added
from .apply import Applied, apply_all
from .custom import definitions
from .eviction import evict
from .nodeport import DEFAULT_RANGE
from .preparation import Preparation, with_namespace
from .scale import with_replicas
from .services import ServiceAllocations
from .unused_fields import unused_fields

O = TypeVar("O", bound=Object)  # noqa: E741

Propagation = Literal["Background", "Foreground", "Orphan"]

Account: TypeAlias = Callable[[Any, Any], Any]
"""Of the object before a write (None: there is none) and as it is to be stored, makes what is
stored: it notes who manages which field (core.patching.accounts)."""

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
IMMORTAL = frozenset(["default", "kube-system", "kube-public"])
"""Namespaces that may not be deleted (NamespaceLifecycle admission plugin)."""

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"

CONDITIONAL = frozenset(["CustomResourceDefinition", "Lease", "PodDisruptionBudget"])
"""Built-in kinds of which no update goes without a resourceVersion (AllowUnconditionalUpdate)."""
NO_VERSION = "Invalid value: 0x0: must be specified for an update"


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
        self.allocations = ServiceAllocations(cidr=service_cidr, ports=node_port_range, rng=rng)
        self.preparation = Preparation(store, self.allocations, rng=rng)
        store.on_removal(self._removed)
        self.restored()

    def restored(self) -> None:
        """To be called when the store was restored: reads the allocations from its Services."""
        self.allocations.rebuild(self.store.list(Service))

    def _removed(self, obj: Object) -> None:
        if isinstance(obj, Service):
            self.allocations.release(obj)
        self.preparation.removed(obj)

    # --- requests --------------------------------------------------------------------------------

    def create(
        self,
        obj: O,
        *,
        stamp: str,
        namespace: str = "default",
        dry_run: bool = False,
        account: Account | None = None,
        warnings: list[str] | None = None,
    ) -> O:
        """Adds an object, and returns it as it is stored.

        Args:
            obj: of a custom kind, in any version that is served.
            namespace: for namespaced objects that name none.
            account: keeps account of who manages which field.
            dry_run: nothing is stored, and nothing stays allocated; what is returned is what would
                have been, without a resourceVersion.
            warnings: gets what is not wrong and yet not as one may think.

        Raises BadRequest, NotFound (no such namespace), Forbidden (it terminates),
        MethodNotAllowed (its kind goes), AlreadyExists, Invalid, InternalError (addresses or ports
        exhausted).
        """
        with self.allocations.transaction(keep=not dry_run):
            made = self.preparation.create(obj, namespace=namespace, stamp=stamp, warnings=warnings)
            if warnings is not None:
                warnings += unused_fields(made)
            if account is not None:
                made = replace(made, metadata=account(None, without_added(made, obj)).metadata)
            return self.store.create(made, stamp=stamp, dry_run=dry_run)

    def update(
        self,
        obj: O,
        *,
        stamp: str,
        expect: str | None = None,
        subresource: Literal["", "status"] = "",
        namespace: str = "default",
        dry_run: bool = False,
        account: Account | None = None,
        warnings: list[str] | None = None,
    ) -> O:
        """Replaces an object, or only its status; what is unchanged is not written.

        Values that were allocated and are not named again stay.

        Args:
            expect: the resourceVersion it is based on; None: the one in `obj`, and where that has
                none either, whatever is there (of most kinds; see `CONDITIONAL`).
            dry_run, account, warnings: as at `create`.

        Raises NotFound, Conflict, Invalid, InternalError.
        """
        row = self.preparation.row(obj)
        obj = with_namespace(obj, namespace, row)
        old = self._existing(obj)
        expect = _given(expect) or _given(obj.metadata.resource_version)
        if expect is None and (obj.kind in CONDITIONAL or isinstance(obj, CustomObject)):
            cause = Cause("metadata.resourceVersion", INVALID, NO_VERSION)
            raise Invalid.of(row.qualified_plural, obj.metadata.name, [cause])
        self.store.check(old, version=expect, uid=obj.metadata.uid or None)
        if subresource == "status":
            sent = self.preparation.status(obj, old)
            if account is not None:
                sent = account(old, self.store.revised(sent, subresource="status"))
            return self.store.update(sent, expect=expect, subresource="status", dry_run=dry_run)
        with self.allocations.transaction(keep=not dry_run):
            changed = self.preparation.update(obj, old, stamp=stamp, warnings=warnings)
            if warnings is not None:
                warnings += unused_fields(changed, old)
            if account is not None:
                changed = account(old, self.revised(changed))
            return self.store.update(changed, subresource=_main_part(obj), dry_run=dry_run)

    def finalize(
        self,
        obj: Namespace,
        *,
        expect: str | None = None,
        dry_run: bool = False,
        account: Account | None = None,
    ) -> Namespace:
        """Sets a namespace's own finalizers, and its metadata; the last one taken away lets one
        go that terminates.

        Args: as at `update`. Raises NotFound, Conflict, Invalid.
        """
        old = self._existing(obj)
        expect = _given(expect) or _given(obj.metadata.resource_version)
        self.store.check(old, version=expect, uid=obj.metadata.uid or None)
        sent = self.preparation.finalize(obj, old)
        if account is not None:
            sent = account(old, self.store.revised(sent, subresource="finalize"))
        return self.store.update(sent, subresource="finalize", dry_run=dry_run)

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
        dry_run: bool = False,
    ) -> Object:
        """Deletes as `Store.delete`, with the fate of what the object owns.

        `propagation`: Background deletes it afterwards, Foreground before, Orphan not at all.
        Raises NotFound, Conflict, Forbidden (what every cluster keeps), Invalid.
        """
        kind = kind if isinstance(kind, str) else kind.kind
        row = self.store.kinds.get(kind)
        namespace = (namespace or "default") if row is not None and row.namespaced else ""
        if kind == "Namespace" and name in IMMORTAL:
            raise Forbidden.of("namespaces", name, "this namespace may not be deleted")
        if kind == "PriorityClass" and name in priorities.SYSTEM_NAMES:
            why = "this is a system priority class and cannot be deleted"
            raise Forbidden.of(priorities.RESOURCE, name, why)
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
            add_finalizers=(*finalizers[propagation], *_own_finalizers(kind)),
            dry_run=dry_run,
        )

    def evict(
        self,
        namespace: str,
        name: str,
        *,
        stamp: str,
        grace_period_s: int | None = None,
        uid: str | None = None,
        expect: str | None = None,
        dry_run: bool = False,
    ) -> None:
        """Deletes a pod unless a PodDisruptionBudget is against it. See `core.admission.eviction`.

        Raises NotFound, Conflict, TooManyRequests, Forbidden, InternalError.
        """
        evict(
            self,
            namespace or "default",
            name,
            stamp=stamp,
            grace_period_s=grace_period_s,
            uid=uid,
            expect=expect,
            dry_run=dry_run,
        )

    def scale(
        self,
        kind: str | type[Object],
        namespace: str,
        name: str,
        replicas: int,
        *,
        stamp: str,
        expect: str | None = None,
        dry_run: bool = False,
    ) -> Object:
        """Sets how many replicas are wanted of a kind that has the subresource `scale`.

        Raises NotFound, Conflict, Invalid.
        """
        kind = kind if isinstance(kind, str) else kind.kind
        row = self.store.kinds.get(kind)
        if row is None or "scale" not in row.subresources:
            raise NotFound("the server could not find the requested resource")
        old = self.store.get(kind, (namespace or "default") if row.namespaced else "", name)
        if old is None:
            raise NotFound.of(row.qualified_plural, name)
        if replicas < 0:
            text = f"Invalid value: {replicas}: must be greater than or equal to 0"
            raise Invalid.of("Scale.autoscaling", name, [Cause("spec.replicas", INVALID, text)])
        return self.update(
            with_replicas(old, row, replicas), stamp=stamp, expect=expect, dry_run=dry_run
        )

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

        Namespaces default, kube-system, kube-public and kube-node-lease, the Service
        default/kubernetes with the first address of the range, and the system's priority classes.
        """
        for name in NAMESPACES:
            self.ensure_namespace(name, stamp=stamp)
        for each in priorities.SYSTEM_CLASSES:
            if self.store.get(PriorityClass, "", each.metadata.name) is None:
                self.store.create(each, stamp=stamp)
        self.ensure_kubernetes(stamp=stamp)

    def ensure_namespace(self, name: str, *, stamp: str) -> None:
        """Creates a namespace unless it is there, be it that it terminates."""
        if self.store.get(Namespace, "", name) is None:
            self.create(Namespace(metadata=ObjectMeta(name=name)), stamp=stamp)

    def ensure_kubernetes(self, *, stamp: str) -> None:
        """Creates the Service default/kubernetes, at the address that is kept for it."""
        if self.store.get(Service, "default", "kubernetes") is None:
            (ip,) = (i for i, o in self.allocations.reserved.items() if o[1] == "kubernetes")
            port = ServicePort(name="https", port=443, protocol="TCP", target_port=KUBE_API_PORT)
            labels = {"component": "apiserver", "provider": "kubernetes"}
            meta = ObjectMeta(name="kubernetes", namespace="default", labels=labels)
            spec = ServiceSpec(cluster_ip=ip, ports=(port,))
            self.create(Service(metadata=meta, spec=spec), stamp=stamp)

    # --- for whoever checks a whole manifest first -----------------------------------------------

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
        old = self.store.get(obj.kind_key, meta.namespace, meta.name)
        if old is None:
            raise NotFound.of(self.preparation.row(obj).qualified_plural, meta.name)
        return cast(O, old)


def _given(version: str | None) -> str | None:
    """A resourceVersion that says something: "" and "0" are none."""
    return version if version not in ("", "0") else None


def _main_part(obj: Object) -> Literal["", "replace"]:
    """A Service's status changes with its type, a definition's with its names; of other kinds a
    main update keeps it."""
    return "replace" if isinstance(obj, Service | CustomResourceDefinition) else ""


def _own_finalizers(kind: str) -> tuple[str, ...]:
    return (definitions.CLEANUP,) if kind == CustomResourceDefinition.kind else ()
