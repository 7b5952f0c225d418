"""What holds for the store after whatever was done to it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.errors import ApiError, Gone
from emucluster.core.objects import (
    ConfigMap,
    Container,
    Object,
    ObjectMeta,
    OwnerReference,
    Pod,
    PodSpec,
    PodStatus,
    replace,
)
from emucluster.core.store import Key, Row, Store, StoreEvent, key_of
from emucluster.core.store.indices import Indices

NOW = "2026-01-01T00:00:00Z"
NAMES = st.sampled_from(["a", "b", "c"])
NAMESPACES = st.sampled_from(["default", "other"])


@dataclass(frozen=True)
class Step:
    what: str
    kind: str
    namespace: str
    name: str
    number: int


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(
            ["create", "label", "bind", "status", "own", "finalizer", "free", "delete", "kill"]
        ),
        st.sampled_from(["Pod", "ConfigMap"]),
        NAMESPACES,
        NAMES,
        st.integers(0, 3),
    ),
    max_size=60,
)


def new_object(step: Step) -> Object:
    meta = ObjectMeta(namespace=step.namespace, name=step.name, labels={"n": str(step.number)})
    if step.kind == "ConfigMap":
        return ConfigMap(metadata=meta)
    node = f"node-{step.number}" if step.number else None
    return Pod(metadata=meta, spec=PodSpec(containers=(Container(name="c"),), node_name=node))


def run(store: Store, step: Step) -> None:
    """Does a step if it can be done."""
    try:
        _run(store, step)
    except ApiError:
        return


def _run(store: Store, step: Step) -> None:
    key = (step.kind, step.namespace, step.name)
    if step.what == "create":
        store.create(new_object(step), stamp=NOW)
        return
    if step.what in ("delete", "kill"):
        store.delete(*key, stamp=NOW, grace_period_s=0 if step.what == "kill" else None)
        return
    obj = store.get(*key)
    if obj is None:
        return
    meta = obj.metadata
    changes: dict[str, dict[str, Any]] = {
        "label": {"labels": {"n": str(step.number), "x": "y"} if step.number else None},
        "own": {
            "owner_references": tuple(
                OwnerReference(kind="Pod", name="o", uid=f"uid-{n}") for n in range(step.number)
            )
        },
        "finalizer": {"finalizers": ("a/b",)},
        "free": {"finalizers": ()},
    }
    if step.what in changes:
        store.update(replace(obj, metadata=replace(meta, **changes[step.what])))
    elif isinstance(obj, Pod) and step.what == "bind":
        store.update(replace(obj, spec=replace(obj.spec, node_name=f"node-{step.number}")))
    elif isinstance(obj, Pod):
        status = PodStatus(phase=["Pending", "Running", "Failed", None][step.number])
        store.update(replace(obj, status=status), subresource="status")


def objects(store: Store) -> dict[Key, Object]:
    return {key_of(o): o for kind in ("Pod", "ConfigMap") for o in store.list(kind)}


def contents(indices: Indices) -> list[object]:
    return [
        indices.namespaces.contents(),
        indices.nodes.contents(),
        indices.owners.contents(),
        indices.labels.contents(),
        indices.uids,
    ]


@given(STEPS)
def test_indices_are_as_if_built_afresh(steps: list[Step]) -> None:
    store = Store(ids=random.Random(1))
    for step in steps:
        run(store, step)
    fresh = Indices()
    for obj in objects(store).values():
        fresh.add(obj)
    assert contents(store._indices) == contents(fresh)


@given(STEPS)
def test_a_query_by_index_finds_what_a_look_at_all_finds(steps: list[Step]) -> None:
    store = Store(ids=random.Random(1))
    for step in steps:
        run(store, step)
    pods = list(store.list(Pod))
    for n in ("0", "1", "2", "3"):
        assert {key_of(p) for p in store.list(Pod, "other", label_selector=f"n={n}")} == {
            key_of(p)
            for p in pods
            if p.metadata.namespace == "other" and (p.metadata.labels or {}).get("n") == n
        }
        on_node = {key_of(p) for p in pods if p.spec.node_name == f"node-{n}"}
        by_field = store.list(Pod, field_selector=f"spec.nodeName=node-{n}")
        assert {key_of(p) for p in store.pods_on(f"node-{n}")} == on_node
        assert {key_of(p) for p in by_field} == on_node


@given(STEPS, st.lists(st.integers(0, 8), max_size=60), st.integers(1, 4))
def test_a_reader_misses_nothing_or_is_told_so(
    steps: list[Step], pauses: list[int], held: int
) -> None:
    """A reader that now and then reads its events has the store's state, or was sent to list."""
    store = Store(ids=random.Random(1), window_events=held)
    cursor, view = 0, dict[Key, Object]()
    for index, step in enumerate(steps):
        run(store, step)
        if index < len(pauses) and pauses[index]:
            continue
        try:
            events = store.events_since(cursor)
        except Gone:
            assert store.version - cursor > held
            view = objects(store)
        else:
            assert [event.version for event in events] == list(range(cursor + 1, store.version + 1))
            for event in events:
                follow(view, event)
        cursor = store.version
        assert view == objects(store)


def follow(view: dict[Key, Object], event: StoreEvent) -> None:
    key = key_of(event.object)
    assert view.get(key) == event.old
    assert str(event.version) == event.object.metadata.resource_version
    if event.type == "DELETED":
        del view[key]
    else:
        assert (event.type == "ADDED") == (key not in view)
        view[key] = event.object


@given(STEPS, st.sets(st.integers(0, 59)))
def test_batches_add_up_to_the_store(steps: list[Step], takes: set[int]) -> None:
    store = Store(ids=random.Random(1))
    disk, version = dict[Key, Row](), 0
    for index, step in enumerate(steps):
        run(store, step)
        if index in takes or index == len(steps) - 1:
            batch = store.take_pending()
            assert batch.version >= version
            version = batch.version
            for row in batch.rows:
                if row.json is None:
                    disk.pop(row.key, None)
                else:
                    disk[row.key] = row
    again = Store(ids=random.Random(2))
    again.restore(disk.values(), version)
    assert objects(again) == objects(store)
    assert again.version == store.version
