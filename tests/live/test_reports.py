"""What kubelets report, and who is told of it: the control plane's Api without its sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from emucluster.core.durations import Speed
from emucluster.core.errors import from_status
from emucluster.core.objects import (
    ConfigMap,
    Container,
    Event,
    Node,
    ObjectMeta,
    Pod,
    PodSpec,
    PodStatus,
    replace,
)
from emucluster.live.control.api import Api
from emucluster.live.control.driver import Driver
from emucluster.live.rpc.pb import api_pb2

STAMP = "2026-01-01T00:00:00Z"


async def no_cloud(_command: Any) -> tuple[str, ...]:
    return ()


class Plane:
    """A control plane, and what each of its watchers was told."""

    def __init__(self, directory: Path) -> None:
        self.driver = Driver(
            directory / "db",
            speed=Speed(1.0),
            cloud=None,
            perform=no_cloud,
            on_failure=lambda error: None,
        )
        self.driver.start()
        self.api = Api(self.driver)

    async def bound(self, name: str, node: str) -> Pod:
        spec = PodSpec(node_name=node, containers=(Container(name="c", image="emucluster/echo"),))
        pod = Pod(metadata=ObjectMeta(name=name, namespace="default"), spec=spec)
        return await self.driver.write(lambda: self.driver.admission.create(pod, stamp=STAMP))

    async def config_map(self, name: str) -> None:
        made = ConfigMap(metadata=ObjectMeta(name=name, namespace="default"))
        await self.driver.write(lambda: self.driver.admission.create(made, stamp=STAMP))

    def watch(self, node: str, *kinds: str) -> AsyncIterator[Any]:
        after = self.driver.durable_version
        return self.driver.broadcaster.watch(kinds, after, node)


def with_plane(directory: Path, body: Callable[[Plane], Awaitable[None]]) -> None:
    async def run() -> None:
        plane = Plane(directory)
        try:
            await plane.driver.settled()
            for name in ("node-1", "node-2"):
                node = Node(metadata=ObjectMeta(name=name))
                await plane.driver.write(
                    lambda node=node: plane.driver.admission.create(node, stamp=STAMP)
                )
            async with asyncio.timeout(30):
                await body(plane)
        finally:
            plane.driver.close()

    asyncio.run(run())


def status(pod: Pod, *, uid: str = "", phase: str = "Running") -> Any:
    return api_pb2.PodStatusWrite(
        namespace="default",
        name=pod.metadata.name,
        uid=uid or pod.metadata.uid,
        json=msgspec.json.encode(PodStatus(phase=phase)),
    )


def names(message: Any) -> list[str]:
    return [msgspec.json.decode(each.json)["metadata"]["name"] for each in message.events]


def test_a_report_brings_notes_and_statuses_and_one_refusal_concerns_no_other(
    tmp_path: Path,
) -> None:
    async def body(plane: Plane) -> None:
        one, two = await plane.bound("one", "node-1"), await plane.bound("two", "node-1")
        note = api_pb2.EventNote(
            kind="Pod",
            namespace="default",
            name="two",
            type="Normal",
            reason="Started",
            message="Started container c",
            component="kubelet",
            host="node-1",
        )
        request = api_pb2.ReportRequest(
            notes=[note], statuses=[status(one, uid="another"), status(two)]
        )
        refusals = (await plane.api.Report(request, None)).refusals
        assert [bool(each) for each in refusals] == [True, False]
        refusal = from_status(refusals[0])
        assert (refusal.code, str(refusal)) == (404, 'pods "one" not found')
        store = plane.driver.store
        assert plane.driver.durable_version >= int(
            store.get(Pod, "default", "two").metadata.resource_version  # type: ignore[union-attr]
        )
        assert [p.status.phase for p in store.list(Pod)] == ["Pending", "Running"]
        assert [(e.reason, e.involved_object.name) for e in store.list(Event)] == [
            ("Started", "two")
        ]

    with_plane(tmp_path, body)


def test_a_node_hears_of_its_own_pods_and_of_what_all_nodes_hear_and_of_nothing_else(
    tmp_path: Path,
) -> None:
    async def body(plane: Plane) -> None:
        watch = plane.watch("node-1", "Pod", "Node")
        assert (await anext(watch)).state_done
        told = asyncio.ensure_future(anext(watch))
        for number in range(5):
            await plane.bound(f"elsewhere-{number}", "node-2")
            await plane.config_map(f"no-kind-of-its-{number}")
        assert not told.done()
        await plane.bound("here", "node-1")
        message = await told
        assert names(message) == ["here"]
        assert message.version == plane.driver.durable_version
        node = plane.driver.store.get(Node, "", "node-2")
        assert node is not None
        labelled = replace(node, metadata=replace(node.metadata, labels={"a": "b"}))
        told = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0)
        await plane.driver.write(lambda: plane.driver.admission.update(labelled, stamp=STAMP))
        assert names(await told) == ["node-2"]
        await watch.aclose()  # type: ignore[attr-defined]
        assert plane.driver.broadcaster.watchers == 0

    with_plane(tmp_path, body)


def test_nothing_is_lost_between_two_messages(tmp_path: Path) -> None:
    async def body(plane: Plane) -> None:
        watch = plane.watch("node-1", "Pod")
        await anext(watch)
        told: list[str] = []
        for number in range(20):
            await plane.bound(f"pod-{number}", "node-1")
            await plane.bound(f"other-{number}", "node-2")
            if number % 3 == 0:
                told += names(await anext(watch))
        while len(told) < 20:
            told += names(await anext(watch))
        assert told == [f"pod-{number}" for number in range(20)]

    with_plane(tmp_path, body)


def test_a_quiet_watch_is_not_too_old_when_its_turn_comes(tmp_path: Path) -> None:
    """Others' changes push out of the window what it has never had to read."""

    async def body(plane: Plane) -> None:
        store = plane.driver.store
        watch = plane.watch("node-1", "Pod")
        await anext(watch)
        told = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0)
        begun = store.version
        for number in range(5):

            def thousands(number: int = number) -> None:
                for each in range(2_500):
                    meta = ObjectMeta(name=f"c-{number}-{each}", namespace="default")
                    store.create(ConfigMap(metadata=meta), stamp=STAMP)

            await plane.driver.write(thousands)
        assert store.version - begun > 10_000
        await plane.bound("here", "node-1")
        assert names(await told) == ["here"]

    with_plane(tmp_path, body)
