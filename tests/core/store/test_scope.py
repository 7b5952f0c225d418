"""What a node is told: its own pods, and the ConfigMaps and Secrets that they name."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.errors import ApiError
from emucluster.core.objects import (
    ConfigMap,
    ConfigMapKeySelector,
    Container,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    Node,
    Object,
    ObjectMeta,
    Pod,
    PodSpec,
    Secret,
    SecretEnvSource,
    replace,
)
from emucluster.core.store import Dispatch, Key, NodeScope, Store, StoreEvent, key_of, references

NOW = "2026-01-01T00:00:00Z"
KINDS = frozenset({"ConfigMap", "Node", "Pod", "Secret"})


def spec(*names: str, node: str | None = None) -> PodSpec:
    """A pod's spec that takes one key of its first ConfigMap and all of the Secrets of the rest."""
    one, *whole = (*names, "")
    selector = ConfigMapKeySelector(key="k", name=one)
    env = (EnvVar(name="K", value_from=EnvVarSource(config_map_key_ref=selector)),) if one else ()
    env_from = tuple(EnvFromSource(secret_ref=SecretEnvSource(name=name)) for name in whole if name)
    container = Container(name="c", env=env, env_from=env_from)
    return PodSpec(containers=(container,), node_name=node)


@dataclass
class Follower:
    """A node that keeps what it is told, over a connection that may be cut."""

    store: Store
    dispatch: Dispatch
    name: str
    objects: dict[Key, Object] = field(default_factory=dict)
    version: int = 0
    scope: NodeScope | None = None

    def connect(self, *, afresh: bool) -> None:
        self.scope = NodeScope(self.store, self.name)
        if afresh:
            self.objects = {key_of(obj): obj for obj in self.scope.listed(KINDS)}
            self.version = self.store.version
        else:
            self._apply(self.scope.resumed(self.store.version))

    def catch_up(self) -> None:
        assert self.scope is not None
        until = self.store.version
        events = self.dispatch.events(self.name, self.version, until)
        self._apply(self.scope.select(events, until))
        self.version = until

    def _apply(self, events: list[StoreEvent]) -> None:
        for event in events:
            if event.type == "DELETED":
                self.objects.pop(key_of(event.object), None)
            else:
                self.objects[key_of(event.object)] = event.object

    def wanted(self) -> dict[Key, Object]:
        """What it should know, worked out from the whole store."""
        pods = list(self.store.pods_on(self.name))
        named = {key for pod in pods for key in references(pod.spec, pod.metadata.namespace)}
        sources = (*self.store.list(ConfigMap), *self.store.list(Secret))
        maps = [obj for obj in sources if key_of(obj) in named]
        return {key_of(obj): obj for obj in (*pods, *maps, *self.store.list(Node))}


NAMES = st.sampled_from(["a", "b", "c"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pod"), NAMES, st.lists(NAMES, max_size=2), st.sampled_from([1, 2])),
        st.tuples(st.just("kill"), NAMES, st.just([]), st.just(0)),
        st.tuples(st.just("write"), NAMES, st.just([]), st.integers(0, 99)),
        st.tuples(st.just("remove"), NAMES, st.just([]), st.just(0)),
        st.tuples(st.just("node"), NAMES, st.just([]), st.just(0)),
        st.tuples(st.just("connect"), NAMES, st.just([]), st.sampled_from([0, 1])),
        st.tuples(st.just("catch up"), NAMES, st.just([]), st.just(0)),
    ),
    max_size=50,
)


def write(store: Store, what: str, name: str, maps: list[str], number: int) -> None:
    meta = ObjectMeta(name=name, namespace="default")
    match what:
        case "pod":
            store.create(Pod(metadata=meta, spec=spec(*maps, node=f"node-{number}")), stamp=NOW)
        case "kill":
            store.delete("Pod", "default", name, stamp=NOW, grace_period_s=0)
        case "write":
            kind = ConfigMap if number % 2 else Secret
            source = kind(metadata=meta, data={"k": str(number)})
            if store.get(kind, "default", name) is None:
                store.create(source, stamp=NOW)
            else:
                store.update(source)
        case "remove":
            store.delete("ConfigMap", "default", name, stamp=NOW)
            store.delete("Secret", "default", name, stamp=NOW)
        case "node":
            store.create(Node(metadata=ObjectMeta(name=name)), stamp=NOW)


@given(STEPS)
def test_a_node_knows_its_pods_and_what_they_name_whatever_happens(steps: list[Any]) -> None:
    store = Store(ids=random.Random(1))
    dispatch = Dispatch(store, KINDS)
    nodes = [Follower(store, dispatch, f"node-{i}") for i in (1, 2)]
    for node in nodes:
        node.connect(afresh=True)
    for what, name, maps, number in steps:
        if what == "connect":
            nodes[0].connect(afresh=bool(number))
        elif what == "catch up":
            nodes[0].catch_up()
        else:
            try:
                write(store, what, name, maps, number)
            except ApiError:
                continue
    for node in nodes:
        node.catch_up()
        assert node.objects == node.wanted()


def test_what_is_named_comes_before_the_first_pod_that_names_it() -> None:
    store = Store(ids=random.Random(1))
    scope = NodeScope(store, "node-1")
    for name in ("a", "b"):
        store.create(ConfigMap(metadata=ObjectMeta(name=name, namespace="default")), stamp=NOW)
    start = store.version
    for name in ("first", "second"):
        meta = ObjectMeta(name=name, namespace="default")
        store.create(Pod(metadata=meta, spec=spec("a")), stamp=NOW)
        made = store.get(Pod, "default", name)
        assert made is not None
        store.update(replace(made, spec=replace(made.spec, node_name="node-1")))
    told = scope.select(store.events_since(start), store.version)
    assert [(each.type, each.object.metadata.name) for each in told] == [
        ("ADDED", "a"),
        ("MODIFIED", "first"),
        ("MODIFIED", "second"),
    ]


def test_a_change_that_is_not_durable_yet_is_told_later() -> None:
    store = Store(ids=random.Random(1))
    scope = NodeScope(store, "node-1")
    meta = ObjectMeta(name="web", namespace="default")
    store.create(Pod(metadata=meta, spec=spec("a", node="node-1")), stamp=NOW)
    durable = store.version
    meta = ObjectMeta(name="a", namespace="default")
    store.create(ConfigMap(metadata=meta), stamp=NOW)
    first = scope.select(store.events_since(0, until=durable), durable)
    assert [each.kind for each in first] == ["Pod"]
    later = scope.select(store.events_since(durable), store.version)
    assert [each.kind for each in later] == ["ConfigMap"]
