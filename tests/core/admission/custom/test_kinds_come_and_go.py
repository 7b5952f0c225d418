"""Whatever is defined, ended, written and restarted: kinds and objects fit together."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from emucluster.core.errors import ApiError
from emucluster.core.objects import CustomObject, CustomResourceDefinition, replace
from emucluster.core.objects.kinds import is_established
from emucluster.core.objects.registry import BY_KIND, RESOURCES
from emucluster.core.store import Row, Store

from .world import NOW, World, decoded, definition, version

KINDS = ("Widget", "Service")
GROUPS = ("example.com", "example.com", "other.org")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "define",
                "define",
                "create",
                "create",
                "end",
                "revise",
                "delete",
                "hold",
                "free",
                "restart",
            ]
        ),
        st.sampled_from(KINDS),
        st.sampled_from(GROUPS),
        st.sampled_from(["a", "b"]),
    ),
    min_size=5,
    max_size=30,
)


@given(STEPS)
@settings(deadline=None)
def test_kinds_and_objects_fit_together(steps: list[tuple[str, str, str, str]]) -> None:
    world, disk = World(), dict[Any, Row]()
    for what, kind, group, name in steps:
        if what == "restart":
            world = _restarted(world, disk)
            continue
        try:
            _do(world, what, kind, group, name)
        except ApiError:
            pass
        world.settle()
        _check(world)


def _do(world: World, what: str, kind: str, group: str, name: str) -> None:
    crd = f"{kind.lower()}s.{group}"
    obj = None
    if world.store.kinds.get(f"{kind}.{group}") is not None:
        obj = world.store.get(f"{kind}.{group}", "default", name)
    match what:
        case "define":
            # Two kinds of a group ask for one short name: the second is not served.
            world.define(definition(kind=kind, group=group, shortNames=["x", name]))
        case "revise":
            old = world.crd(crd)
            if old is not None:
                more = decoded_versions(world, kind, group)
                spec = replace(old.spec, versions=more.spec.versions)
                world.admission.update(replace(old, spec=spec), stamp=NOW)
        case "end":
            world.admission.delete("CustomResourceDefinition", "", crd, stamp=NOW)
        case "create":
            if world.crd(crd) is None:
                world.define(definition(kind=kind, group=group))
            tree = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": name}}
            world.create({**tree, "spec": {"size": 1}})
        case "delete" if obj is not None:
            world.admission.delete(obj.kind_key, "default", name, stamp=NOW)
        case "hold" | "free" if obj is not None:
            finalizers = ("example.com/hold",) if what == "hold" else ()
            meta = replace(obj.metadata, finalizers=finalizers)
            world.admission.update(replace(obj, metadata=meta), stamp=NOW)


def decoded_versions(world: World, kind: str, group: str) -> CustomResourceDefinition:
    tree = definition(version(), version("v2beta1", storage=False), kind=kind, group=group)
    obj = decoded(tree, world.store)
    assert isinstance(obj, CustomResourceDefinition)
    return obj


def _check(world: World) -> None:
    store, kinds = world.store, world.store.kinds
    crds = list(store.list(CustomResourceDefinition))
    served = {crd.metadata.name for crd in crds if is_established(crd)}
    custom = [row for row in kinds.stored() if row.definition is not None]
    assert {row.qualified_plural for row in custom} == served
    for crd in crds:  # what goes has something to wait for
        if crd.metadata.deletion_timestamp is not None:
            kind = f"{crd.status.accepted_names.kind}.{crd.spec.group}"
            assert any(obj.metadata.finalizers for obj in store.list(kind))
        if not is_established(crd):  # what is refused a name is told by whom that is had
            others = [c for c in crds if c is not crd and c.spec.group == crd.spec.group]
            had = {name for other in others for name in other.status.accepted_names.short_names}
            assert had & set(crd.spec.names.short_names)
    for row in RESOURCES:  # nobody hurts a built-in kind
        assert kinds.find(row.group, row.version, row.plural) is row
        assert kinds.get(row.kind) is row
    names: set[tuple[str, str]] = set()
    for row in custom:  # no two kinds share a name
        own = {(row.group, name) for name in (row.plural, row.singular, *row.short_names)}
        assert not own & names
        names |= own
    for kind in [row.kind_key for row in custom]:
        assert all(isinstance(obj, CustomObject) for obj in store.list(kind))
    assert all(not isinstance(obj, CustomObject) for kind in BY_KIND for obj in store.list(kind))
    lost = [key for key in store._objects if "." in key and kinds.get(key) is None]
    assert all(not store._objects[key] for key in lost)


def _restarted(world: World, disk: dict[Any, Row]) -> World:
    batch = world.store.take_pending()
    for row in batch.rows:
        disk.pop(row.key, None)
        if row.json is not None:
            disk[row.key] = row
    again = Store(ids=random.Random(7))
    again.restore(disk.values(), world.store.version)
    old = world.store
    assert {key: objects for key, objects in again._objects.items() if objects} == {
        key: objects for key, objects in old._objects.items() if objects
    }
    paths = {(row.api_version, row.plural) for row in old.kinds.all()}
    assert {(row.api_version, row.plural) for row in again.kinds.all()} == paths
    return World(again)
