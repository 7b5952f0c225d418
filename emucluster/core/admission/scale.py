"""How many replicas an object asks for and has: the subresource `scale`.

Source: kubernetes pkg/registry/apps/*/storage (scaleFrom...) and, for custom kinds, k8s.io/
apiextensions-apiserver pkg/registry/customresource/etcd.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from emucluster.core.errors import NotFound
from emucluster.core.objects import (
    CustomObject,
    CustomResourceSubresourceScale,
    LabelSelector,
    Object,
    replace,
)
from emucluster.core.objects.registry import Resource
from emucluster.core.store.selectors import selector_text

from .custom.objects import at
from .custom.schema import Tree


@dataclass(frozen=True, slots=True)
class Scale:
    """`selector`: of the pods that are counted, as kubectl writes it; "" for none."""

    wanted: int
    current: int
    selector: str = ""


def scale_of(obj: Object, row: Resource) -> Scale:
    """What an object of a kind with `scale` says of its replicas.

    Raises NotFound: an object of a custom kind says nothing.
    """
    if isinstance(obj, CustomObject):
        return _custom(obj, _paths(row))
    spec, status = cast(Any, obj).spec, cast(Any, obj).status
    selector = spec.selector
    if isinstance(selector, dict):  # a ReplicationController's
        selector = LabelSelector(match_labels=selector)
    return Scale(
        wanted=1 if spec.replicas is None else spec.replicas,
        current=status.replicas or 0,
        selector=selector_text(selector),
    )


def _custom(obj: CustomObject, paths: CustomResourceSubresourceScale) -> Scale:
    wanted = at(obj.content, paths.spec_replicas_path)
    current = at(obj.content, paths.status_replicas_path)
    selector = at(obj.content, paths.label_selector_path) if paths.label_selector_path else None
    if not isinstance(wanted, int):
        raise NotFound(f'the spec replicas field "{paths.spec_replicas_path}" does not exist')
    return Scale(
        wanted=wanted,
        current=current if isinstance(current, int) else 0,
        selector=selector if isinstance(selector, str) else "",
    )


def with_replicas(obj: Object, row: Resource, replicas: int) -> Object:
    """The object asking for another number of replicas."""
    if isinstance(obj, CustomObject):
        names = _paths(row).spec_replicas_path.removeprefix(".").split(".")
        return replace(obj, content=_set(obj.content, names, replicas))
    spec = cast(Any, obj).spec
    return replace(obj, spec=replace(spec, replicas=replicas))


def _paths(row: Resource) -> CustomResourceSubresourceScale:
    assert row.definition is not None
    assert row.definition.subresources is not None
    assert row.definition.subresources.scale is not None
    return row.definition.subresources.scale


def _set(tree: Tree, names: list[str], value: int) -> Tree:
    first, *rest = names
    below = tree.get(first)
    inner = _set(below if isinstance(below, dict) else {}, rest, value) if rest else value
    return {**tree, first: inner}
