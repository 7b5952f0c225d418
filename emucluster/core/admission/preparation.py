"""What a request makes of an object before it is stored; nothing is stored here.

Default namespace, generateName, the life of namespaces and definitions, defaults, validation, and
what Services are allocated.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, TypeVar, cast

from emucluster.core.errors import (
    AlreadyExists,
    BadRequest,
    Cause,
    Forbidden,
    Invalid,
    MethodNotAllowed,
    NotFound,
)
from emucluster.core.objects import (
    CustomObject,
    CustomResourceDefinition,
    Namespace,
    NamespaceSpec,
    Node,
    Object,
    Pod,
    PriorityClass,
    Secret,
    Service,
    replace,
)
from emucluster.core.objects.registry import Resource
from emucluster.core.objects.views import as_stored
from emucluster.core.store import Store

from .custom import definitions
from .custom import objects as custom
from .defaults import with_defaults
from .defaults_pods import with_pod_state
from .generated_names import generated_name
from .pod_specs import PodSpecs
from .priorities import check_default, with_priority
from .service_accounts import with_account
from .services import ServiceAllocations, carried_over
from .validation import validate_create, validate_update
from .validation.metadata import metadata as validate_metadata
from .validation.namespaces import namespace_finalize
from .validation.nodes import node_update

O = TypeVar("O", bound=Object)  # noqa: E741

NAMESPACE_FINALIZER = "kubernetes"

_NAME_ATTEMPTS = 8


class Preparation:
    """Objects as they are to be stored. Everything that is wrong with them is raised here."""

    def __init__(
        self, store: Store, allocations: ServiceAllocations, *, rng: random.Random
    ) -> None:
        """`rng` chooses names. `create` and `update` are for a transaction of `allocations`."""
        self._store, self._allocations, self._rng = store, allocations, rng
        self._schemas = custom.Schemas()
        self._pod_specs = PodSpecs()

    def removed(self, obj: Object) -> None:
        """To be called with what was removed from the store."""
        if isinstance(obj, CustomResourceDefinition):
            self._schemas.keep(self._store.kinds)

    def create(
        self,
        obj: O,
        *,
        namespace: str,
        stamp: str,
        opened: frozenset[str] = frozenset(),
        warnings: list[str] | None = None,
    ) -> O:
        """The object as it will be stored, with what it was allocated; to be used in a
        transaction of `allocations`. `opened`: what the same request creates and others need:
        names of namespaces, of service accounts as NAMESPACE/NAME, of priority classes as /NAME.
        """
        row = self.row(obj)
        obj = with_namespace(obj, namespace, row)
        if obj.metadata.resource_version:
            raise BadRequest("resourceVersion should not be set on objects to be created")
        obj = _without_system_fields(obj)
        obj = self._named(_with_initial_state(obj, row), row)
        if row.namespaced:
            self.require_open(obj, row, opened)
        self._require_lasting(row)
        key = (obj.metadata.namespace, obj.metadata.name)
        if self._store.get(obj.kind_key, *key) is not None:
            raise AlreadyExists.of(row.qualified_plural, obj.metadata.name)
        if isinstance(obj, Pod):
            pod = with_priority(with_account(obj, self._store, opened), self._store, opened)
            return cast(O, self._pod(pod, row))
        if isinstance(obj, PriorityClass):
            check_default(obj, self._store)
        obj = self._defaulted(obj, None, row, stamp, warnings)
        if causes := self._create_causes(obj, row):
            raise Invalid.of(row.qualified_kind, obj.metadata.name, causes)
        if isinstance(obj, Service):
            return cast(O, self._allocations.create(obj))
        return self._stored(obj)

    def _pod(self, pod: Pod, row: Resource) -> Pod:
        """A pod whose spec was seen before, as those of one template are, takes that over."""
        known = self._pod_specs.get(pod.spec)
        if known is None:
            made = with_defaults(pod)
            causes = validate_create(made)
        else:
            made = with_pod_state(replace(pod, spec=known))
            causes = tuple(validate_metadata(made))
        if causes:
            raise Invalid.of(row.qualified_kind, pod.metadata.name, causes)
        if known is None:
            self._pod_specs.put(pod.spec, made.spec)
        return made

    def update(self, obj: O, old: O, *, stamp: str, warnings: list[str] | None = None) -> O:
        """Like `create`, for what is to take the place of `old`."""
        row = self.row(obj)
        obj = self._defaulted(obj, old, row, stamp, warnings)
        if isinstance(obj, PriorityClass):
            check_default(obj, self._store)
        if isinstance(obj, Service) and isinstance(old, Service):
            obj = cast(O, carried_over(obj, old))
        if causes := self._update_causes(obj, old, row):
            raise Invalid.of(row.qualified_kind, obj.metadata.name, causes)
        if isinstance(obj, Service) and isinstance(old, Service):
            return cast(O, self._allocations.update(obj, old))
        return self._stored(obj)

    def pruned(self, obj: CustomObject) -> tuple[CustomObject, tuple[str, ...]]:
        """An object of a custom kind without what its schema does not know, and where that was.

        Writes do so themselves; this is for whoever has to tell the user.
        """
        unknown: list[str] = []
        shaped = custom.shaped(obj, self._schemas.of(self.row(obj)), unknown)
        return shaped, tuple(unknown)

    def finalize(self, obj: Namespace, old: Namespace) -> Namespace:
        """Like `update`, for the subresource `finalize` of a namespace."""
        made = with_defaults(obj)
        if causes := namespace_finalize(made, old):
            raise Invalid.of(Namespace.kind, obj.metadata.name, causes)
        return made

    def status(self, obj: O, old: O) -> O:
        """Like `update`, for the status alone; only some kinds' are looked at."""
        row = self.row(obj)
        if isinstance(obj, CustomObject):
            schema = self._schemas.of(row)
            shaped = custom.shaped(obj, schema)
            if causes := custom.status_causes(shaped, row, schema):
                raise Invalid.of(row.qualified_kind, obj.metadata.name, causes)
            return self._stored(cast(O, shaped))
        if isinstance(obj, Node) and isinstance(old, Node):
            # What is stored of the object is its status only (kubernetes
            # pkg/registry/core/node/strategy.go, nodeStatusStrategy).
            made = with_defaults(replace(old, status=obj.status))
            if causes := node_update(made, old):
                raise Invalid.of(row.qualified_kind, obj.metadata.name, causes)
            return cast(O, replace(obj, status=made.status))
        return with_defaults(obj) if isinstance(obj, Service) else obj

    def _defaulted(
        self, obj: O, old: O | None, row: Resource, stamp: str, warnings: list[str] | None
    ) -> O:
        if isinstance(obj, Secret) and isinstance(old, Secret) and not obj.type:
            obj = replace(obj, type=old.type)  # the type of a Secret stays
        made: Object = with_defaults(obj)
        if isinstance(made, CustomObject):
            made = custom.shaped(made, self._schemas.of(row))
        elif isinstance(made, CustomResourceDefinition):
            assert old is None or isinstance(old, CustomResourceDefinition)
            made = definitions.with_defaults(made, [] if warnings is None else warnings)
            made = definitions.with_status(made, old, self._store, stamp)
        return cast(O, made)

    def _create_causes(self, obj: Object, row: Resource) -> Sequence[Cause]:
        if isinstance(obj, CustomObject):
            return custom.object_causes(obj, row, self._schemas.of(row))
        return validate_create(obj)

    def _update_causes(self, new: Object, old: Object, row: Resource) -> Sequence[Cause]:
        if isinstance(new, CustomObject) and isinstance(old, CustomObject):
            return custom.update_causes(new, old, row, self._schemas.of(row))
        return validate_update(new, old)

    def _stored(self, obj: O) -> O:
        """In the version in which its kind is stored."""
        row = self._store.kinds.get(obj.kind_key)
        assert row is not None
        return cast(O, as_stored(obj, row))

    def row(self, obj: Object) -> Resource:
        """The resource of an object; a kind that is not served is a BadRequest."""
        row = self._store.kinds.of(obj)
        if row is None:
            raise BadRequest(f'no matches for kind "{obj.kind}" in version "{obj.api_version}"')
        return row

    def _named(self, obj: O, row: Resource) -> O:
        """With a name made from generateName, if it has none (k8s.io/apiserver/.../names)."""
        meta = obj.metadata
        if meta.name or not meta.generate_name:
            return obj
        for _ in range(_NAME_ATTEMPTS):
            name = generated_name(meta.generate_name, self._rng)
            if self._store.get(obj.kind_key, meta.namespace, name) is None:
                return replace(obj, metadata=replace(meta, name=name))
        text = "the server was not able to generate a unique name for the object"
        raise AlreadyExists(f'{row.qualified_plural} "{name}" already exists, {text}')

    def require_open(
        self, obj: Object, row: Resource, opened: frozenset[str] = frozenset()
    ) -> None:
        """Raises NotFound or Forbidden where the object's namespace is not there or ends.

        Source: the admission plugin NamespaceLifecycle.
        """
        name = obj.metadata.namespace
        namespace = self._store.get(Namespace, "", name)
        if namespace is None:
            if name in opened:
                return
            raise NotFound.of("namespaces", name)
        if namespace.metadata.deletion_timestamp is not None:
            why = f"unable to create new content in namespace {name} because it is being terminated"
            raise Forbidden.of(row.qualified_plural, obj.metadata.name, why)

    def _require_lasting(self, row: Resource) -> None:
        """No object begins while its definition ends (apiextensions customresource_handler.go)."""
        if row.definition is None:
            return
        definition = self._store.get(CustomResourceDefinition, "", row.qualified_plural)
        if definition is not None and definition.metadata.deletion_timestamp is not None:
            raise MethodNotAllowed(
                "create not allowed while custom resource definition is terminating"
            )


def with_namespace(obj: O, namespace: str, row: Resource) -> O:
    if obj.metadata.namespace or not row.namespaced:
        return obj
    return replace(obj, metadata=replace(obj.metadata, namespace=namespace or "default"))


def _without_system_fields(obj: O) -> O:
    """What nobody creates, and hence nobody manages.

    Source: k8s.io/apiserver pkg/registry/rest/meta.go, WipeObjectMetaSystemFields.
    """
    meta = obj.metadata
    if meta.deletion_timestamp is None and meta.deletion_grace_period_seconds is None:
        return obj  # uid and creationTimestamp are given by the store
    meta = replace(meta, deletion_timestamp=None, deletion_grace_period_seconds=None)
    return replace(obj, metadata=meta)


def _with_initial_state(obj: O, row: Resource) -> O:
    """Without the state that only the system may report; a Node may bring its own."""
    if isinstance(obj, CustomObject):
        if row.has_status and "status" in obj.content:
            content = {key: value for key, value in obj.content.items() if key != "status"}
            return cast(O, replace(obj, content=content))
        return obj
    status: Any = getattr(obj, "status", None)
    if status is not None and not isinstance(obj, Node):
        obj = replace(obj, status=type(status)())
    if isinstance(obj, Namespace) and NAMESPACE_FINALIZER not in obj.spec.finalizers:
        finalizers = (*obj.spec.finalizers, NAMESPACE_FINALIZER)
        return cast(O, replace(obj, spec=NamespaceSpec(finalizers=finalizers)))
    return obj
