"""Faults of a node's pods, by its container runtime in both packings."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from emucluster.core import objects as k8s
from emucluster.core.errors import EmuclusterError, Unreachable
from emucluster.core.faults import FaultLease
from emucluster.core.kubelet import commands as c
from emucluster.live.node.pod_faults import PodFaults
from tests.live.pods.pod_setup import identity, until
from tests.live.pods.runtime_setup import PACKINGS, Node, running

pytestmark = pytest.mark.live


def lease(kind: str, target: str, id_: str = "", **params: Any) -> FaultLease:
    return FaultLease(id_ or f"{kind}-1", kind, target, 0.0, None, params)


class Pods:
    """The pods of a node and their faults; the API server is a list of what was deleted there."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.known: dict[tuple[str, str], k8s.Pod] = {}
        self.deleted: list[str] = []
        self.reachable = True
        self.faults = PodFaults(
            node.runtime,
            lambda *name: self.known.get(name),
            delete=self._delete,
            perform=node.runtime.perform,
        )

    async def _delete(self, namespace: str, name: str, uid: str) -> None:
        if not self.reachable:
            raise Unreachable("the control plane does not answer")
        self.deleted.append(uid)
        del self.known[namespace, name]

    async def run(
        self,
        pod: c.PodIdentity,
        image: str = "emucluster/echo",
        *,
        probed: bool = True,
        **spec: Any,
    ) -> str:
        probe = k8s.Probe(grpc=k8s.GRPCAction(port=50051)) if probed else None
        container = k8s.Container(name="main", image=image, readiness_probe=probe)
        meta = k8s.ObjectMeta(name=pod.name, namespace=pod.namespace, uid=pod.uid)
        spec_ = k8s.PodSpec(containers=(container,))
        self.known[pod.namespace, pod.name] = k8s.Pod(metadata=meta, spec=spec_)
        container_id = self.node.start(pod, image, **spec)
        if not image.startswith("command:"):
            await self.node.started(container_id)
        return container_id

    def end(self, command: c.RuntimeCommand) -> None:
        """As the machine passes on what the kubelet asks for."""
        if not self.faults.holds(command):
            self.node.runtime.perform(command)

    async def status(self, pod: c.PodIdentity) -> str:
        try:
            await self.node.call(pod)
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name}: {error.details()}"
        return "OK"


def with_pods(packing: str, directory: Path, body: Callable[[Pods], Awaitable[None]]) -> None:
    async def main() -> None:
        async with running(packing, directory) as node:
            pods = Pods(node)
            try:
                await body(pods)
            finally:
                await pods.faults.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_gray_pod_fails_calls_by_its_name_until_mended(packing: str, tmp_path: Path) -> None:
    async def body(pods: Pods) -> None:
        pod = identity()
        await pods.run(pod)
        gray = lease("gray", "pod/web-1", status="INTERNAL", share=1.0)
        assert await pods.faults.break_(gray) == "the pod's server"
        words = "INTERNAL: error injected by the fault gray-1 at pod default/web-1"
        assert await pods.status(pod) == words
        assert await pods.faults.break_(gray) == "the pod's server", "asked again"
        await pods.faults.mend(gray)
        assert await pods.status(pod) == "OK"

    with_pods(packing, tmp_path, body)


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_zombie_is_deleted_and_serves_on_until_the_kubelet_may_end_it(
    packing: str, tmp_path: Path
) -> None:
    async def body(pods: Pods) -> None:
        pod = identity()
        container_id = await pods.run(pod)
        zombie = lease("zombie", "pod/web-1")
        await pods.faults.break_(zombie)
        assert pods.deleted == [pod.uid]
        for name in ("TERM", "KILL"):
            pods.end(c.SignalContainer(pod.uid, "main", container_id, name))
        pods.end(c.StopPod(pod.uid))
        assert await pods.status(pod) == "OK"
        assert pods.node.runtime.real_port(pod.ip, 50051) is not None
        await pods.faults.mend(zombie)
        await until(lambda: pods.node.runtime.real_port(pod.ip, 50051) is None)
        assert pods.node.runtime.ip_of(pod.uid) is None

    with_pods(packing, tmp_path, body)


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_pod_that_cannot_be_deleted_is_no_zombie(packing: str, tmp_path: Path) -> None:
    async def body(pods: Pods) -> None:
        pod = identity()
        container_id = await pods.run(pod)
        pods.reachable = False
        with pytest.raises(Unreachable):
            await pods.faults.break_(lease("zombie", "pod/web-1"))
        pods.end(c.SignalContainer(pod.uid, "main", container_id, "KILL"))
        await pods.node.exited(container_id)

    with_pods(packing, tmp_path, body)


def test_readiness_fails_and_passes_in_turn_until_mended(tmp_path: Path) -> None:
    async def body(pods: Pods) -> None:
        pod = identity()
        await pods.run(pod)
        flap = lease("readiness-flap", "pod/web-1", down=0.05, up=0.05)
        await pods.faults.break_(flap)
        book = pods.node.runtime.faults
        assert book.unready_by(pod) == "readiness-flap-1", "it begins with failing"
        for _ in range(2):
            await until(lambda: book.unready_by(pod) == "")
            await until(lambda: book.unready_by(pod) == "readiness-flap-1")
        await pods.faults.mend(flap)
        assert book.unready_by(pod) == ""

    with_pods("node", tmp_path, body)


def test_what_a_pod_cannot_have_is_refused_with_the_reason(tmp_path: Path) -> None:
    async def body(pods: Pods) -> None:
        pod = identity()
        await pods.run(pod, "command:/bin/sleep", probed=False, args=("60",))
        gray = lease("gray", "pod/web-1", status="INTERNAL", share=1.0)
        with pytest.raises(EmuclusterError, match="pods of emucluster/echo and python:// images"):
            await pods.faults.break_(gray)
        flap = lease("readiness-flap", "pod/web-1", down=1.0, up=1.0)
        with pytest.raises(EmuclusterError, match="no container of pod/web-1 has a readinessProbe"):
            await pods.faults.break_(flap)
        with pytest.raises(EmuclusterError, match='pod "default/web-2" does not run here'):
            await pods.faults.break_(lease("gray", "pod/web-2", status="INTERNAL", share=1.0))
        assert pods.node.runtime.faults.answers(pod) == ()

    with_pods("node", tmp_path, body)
