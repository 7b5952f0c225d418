"""What watchers of a selection are told of each change, and that none is lost or told twice."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import msgspec
import pytest

from emucluster.core.errors import Gone
from emucluster.core.objects import ConfigMap, Object, ObjectMeta, Pod, PodSpec, replace
from emucluster.core.objects.registry import BY_KIND
from emucluster.core.store import Store, parse_fields, parse_labels
from emucluster.live.kubeapi import hub as hubs
from emucluster.live.kubeapi.accept import Representation
from emucluster.live.kubeapi.hub import Hub, Selection, Watcher, seen
from emucluster.live.kubeapi.shapes import Shape

STAMP = "2026-01-01T00:00:00Z"


def config_map(name: str, **labels: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="x", labels=labels or None))


def lines(data: bytes) -> list[tuple[str, str]]:
    """Type and name of each event."""
    found = [msgspec.json.decode(line) for line in data.splitlines()]
    return [(each["type"], each["object"]["metadata"]["name"]) for each in found]


def selecting(kind: str, *, labels: str = "", fields: str = "", namespace: str = "") -> Selection:
    return Selection(kind, namespace, parse_labels(labels), parse_fields(kind, fields))


@pytest.fixture
def store() -> Store:
    return Store(ids=random.Random(1))


def opened(hub: Hub, selection: Selection, after: int = 0) -> Watcher:
    shape = Shape(BY_KIND[selection.kind], Representation())
    return hub.open(("a group", selection), selection, shape, after=after)


def on_loop(test: Any) -> Any:
    async def body() -> Any:
        return test()

    return asyncio.run(body())


def test_entering_and_leaving_a_selection_are_added_and_deleted(store: Store) -> None:
    selection = selecting("ConfigMap", labels="app=web")
    made = store.create(config_map("a", app="web"), stamp=STAMP)
    out = store.update(replace(made, metadata=replace(made.metadata, labels={"app": "db"})))
    again = store.update(
        replace(out, metadata=replace(out.metadata, labels={"app": "db", "x": "y"}))
    )
    back = store.update(replace(again, metadata=replace(again.metadata, labels={"app": "web"})))
    store.update(replace(back, data={"k": "v"}))
    store.delete("ConfigMap", "x", "a", stamp=STAMP)
    told = [change for event in store.events_since(0) if (change := seen(event, selection))]
    assert [each.type for each in told] == ["ADDED", "DELETED", "ADDED", "MODIFIED", "DELETED"]
    left = told[1]
    assert left.object.metadata.labels == {"app": "web"}
    assert (
        left.object.metadata.resource_version == str(left.version) == out.metadata.resource_version
    )


def test_watchers_of_one_thing_share_their_lines(store: Store) -> None:
    def body() -> None:
        hub = Hub(store, lambda: store.version)
        one, two = (opened(hub, selecting("ConfigMap")) for _ in range(2))
        store.create(config_map("a"), stamp=STAMP)
        store.create(config_map("b"), stamp=STAMP)
        hub.committed()
        first, second = one.take(), two.take()
        assert first is second
        assert lines(first) == [("ADDED", "a"), ("ADDED", "b")]
        assert one.take() == b""

    on_loop(body)


def test_nothing_is_told_before_it_is_durable(store: Store) -> None:
    def body() -> None:
        durable = 0
        hub = Hub(store, lambda: durable)
        watcher = opened(hub, selecting("ConfigMap"))
        store.create(config_map("a"), stamp=STAMP)
        hub.committed()
        assert watcher.take() == b""
        durable = 1
        store.create(config_map("b"), stamp=STAMP)
        hub.committed()
        assert lines(watcher.take()) == [("ADDED", "a")]

    on_loop(body)


def test_a_watcher_that_saw_more_than_is_durable_is_not_told_again(store: Store) -> None:
    def body() -> None:
        durable = 0
        hub = Hub(store, lambda: durable)
        store.create(config_map("a"), stamp=STAMP)
        watcher = opened(hub, selecting("ConfigMap"), after=store.version)
        store.create(config_map("b"), stamp=STAMP)
        durable = 2
        hub.committed()
        assert lines(watcher.take()) == [("ADDED", "b")]

    on_loop(body)


def test_one_object_and_one_node_are_found_without_a_look_at_the_others(store: Store) -> None:
    def body() -> None:
        hub = Hub(store, lambda: store.version)
        named = opened(hub, selecting("ConfigMap", fields="metadata.name=b"))
        on_node = opened(hub, selecting("Pod", fields="spec.nodeName=n1"))
        store.create(config_map("a"), stamp=STAMP)
        store.create(config_map("b"), stamp=STAMP)
        pod = Pod(metadata=ObjectMeta(name="p", namespace="x"), spec=PodSpec(containers=()))
        pod = store.create(pod, stamp=STAMP)
        pod = store.update(replace(pod, spec=replace(pod.spec, node_name="n1")))
        store.delete("Pod", "x", "p", stamp=STAMP, grace_period_s=0)
        hub.committed()
        assert lines(named.take()) == [("ADDED", "b")]
        assert lines(on_node.take()) == [("ADDED", "p"), ("DELETED", "p")]

    on_loop(body)


def test_a_watcher_that_is_too_slow_is_ended_and_others_are_not(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "LOG_BYTES_MAX", 1000)

    def body() -> None:
        hub = Hub(store, lambda: store.version)
        slow, fast = (opened(hub, selecting("ConfigMap")) for _ in range(2))
        for number in range(10):
            store.create(config_map(f"c{number}"), stamp=STAMP)
            hub.committed()
            assert lines(fast.take()) == [("ADDED", f"c{number}")]
        assert slow.take() == b""
        assert slow.over
        assert not fast.over

    on_loop(body)


def test_the_logs_of_all_groups_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "ALL_LOGS_BYTES_MAX", 5000)

    def body() -> None:
        hub = Hub(store, lambda: store.version)
        slow = [
            opened(hub, selecting("ConfigMap", fields=f"metadata.name!=q{number}"))
            for number in range(10)
        ]
        for number in range(20):
            store.create(config_map(f"c{number}"), stamp=STAMP)
            hub.committed()
            held = sum(group.size_bytes for group in hub._groups.values())
            assert held == hub._logs.size_bytes <= 5000
        assert {watcher.take() for watcher in slow} == {b""}
        assert all(watcher.over for watcher in slow)
        for key in list(hub._groups):
            for watcher in list(hub._groups[key].watchers):
                hub.close(key, watcher)
        assert hub._logs.size_bytes == 0

    on_loop(body)


def test_what_is_new_is_taken_piece_by_piece(store: Store) -> None:
    def body() -> None:
        hub = Hub(store, lambda: store.version)
        one, two = (opened(hub, selecting("ConfigMap")) for _ in range(2))
        for name in "abcde":
            made = config_map(name)
            store.create(replace(made, data={"k": "x" * 60_000}), stamp=STAMP)
        hub.committed()
        found = []
        while piece := one.take():
            assert two.take() is piece
            found.append([name for _, name in lines(piece)])
        assert found == [["a", "b"], ["c", "d"], ["e"]]
        assert not one.over

    on_loop(body)


def test_more_at_once_than_is_held_ends_all_watches() -> None:
    small = Store(ids=random.Random(1), window_events=3)

    def body() -> None:
        hub = Hub(small, lambda: small.version)
        watcher = opened(hub, selecting("ConfigMap"))
        for number in range(10):
            small.create(config_map(f"c{number}"), stamp=STAMP)
        hub.committed()
        assert watcher.over
        with pytest.raises(Gone):
            hub.backlog(selecting("ConfigMap"), 1)

    on_loop(body)


def test_the_last_watcher_takes_its_group_along(store: Store) -> None:
    def body() -> None:
        hub = Hub(store, lambda: store.version)
        selection = selecting("ConfigMap", fields="metadata.name=b")
        watcher = opened(hub, selection)
        assert hub.watchers == 1
        hub.close(("a group", selection), watcher)
        assert hub.watchers == 0
        assert hub._groups == hub._places == {}

    on_loop(body)


def test_any_history_is_told_whole(store: Store) -> None:
    """Random writes; watchers that join anywhere end with what the store has."""
    rng = random.Random(7)
    labels = ("a", "b")

    def body() -> None:
        hub = Hub(store, lambda: store.version)
        selection = selecting("ConfigMap", labels="l=a", namespace="x")
        views: list[tuple[Watcher, dict[str, str]]] = []
        for _ in range(400):
            name = f"c{rng.randrange(12)}"
            old = store.get(ConfigMap, "x", name)
            label = rng.choice(labels)
            if old is None:
                store.create(config_map(name, l=label), stamp=STAMP)
            elif rng.random() < 0.3:
                store.delete("ConfigMap", "x", name, stamp=STAMP)
            else:
                data = {"n": str(rng.random())}
                metadata = replace(old.metadata, labels={"l": label})
                store.update(replace(old, metadata=metadata, data=data))
            if rng.random() < 0.1:
                views.append((opened(hub, selection, store.version), state(store, selection)))
            if rng.random() < 0.4:
                hub.committed()
                for watcher, view in views:
                    if rng.random() < 0.5:
                        apply(view, watcher.take())
        hub.committed()
        for watcher, view in views:
            apply(view, watcher.take())
            assert view == state(store, selection)

    on_loop(body)


def state(store: Store, selection: Selection) -> dict[str, str]:
    chosen: list[Object] = [obj for obj in store.list("ConfigMap") if selection.takes(obj)]
    return {obj.metadata.name: obj.metadata.resource_version for obj in chosen}


def apply(view: dict[str, str], data: bytes) -> None:
    """As a client does; what cannot be is an error."""
    for line in data.splitlines():
        event = msgspec.json.decode(line)
        metadata = event["object"]["metadata"]
        name = metadata["name"]
        if event["type"] == "DELETED":
            assert name in view
            del view[name]
        else:
            assert (name in view) is (event["type"] == "MODIFIED")
            view[name] = metadata["resourceVersion"]
