"""What a kubelet sends of its pods, over gRPC, to an API server that answers as the test says."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
import msgspec
import pytest

from emucluster.core.durations import Speed
from emucluster.core.errors import NotFound, to_status
from emucluster.core.kubelet.commands import StartContainer
from emucluster.core.kubelet.events import ContainerStarted
from emucluster.core.kubelet.kubelet import Kubelet
from emucluster.core.kubelet.settings import KubeletSettings
from emucluster.core.objects import Container, ObjectMeta, Pod, PodSpec
from emucluster.live.node.kubelet_driver import KubeletDriver
from emucluster.live.rpc.channel import connect_aio
from emucluster.live.rpc.pb import api_pb2, api_pb2_grpc

pytestmark = pytest.mark.live

PODS = ("a", "b", "c")
Refuse = Callable[[Any], bytes]


class ApiServer(api_pb2_grpc.ApiServicer):
    """Remembers the reports; `refuse` says what becomes of a status."""

    def __init__(self, refuse: Refuse, *, down: int) -> None:
        self.reports: list[Any] = []
        self.under_way = self.most_under_way = 0
        self._refuse, self._down = refuse, down
        self.said = asyncio.Condition()

    async def Create(self, request: Any, context: Any) -> api_pb2.Object:
        return api_pb2.Object(json=request.json)

    async def Heartbeat(self, request: Any, context: Any) -> api_pb2.HeartbeatResponse:
        return api_pb2.HeartbeatResponse()

    async def Report(self, request: Any, context: Any) -> api_pb2.ReportResponse:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0.01)
        self.under_way -= 1
        if self._down:
            self._down -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        async with self.said:
            self.reports.append(request)
            self.said.notify_all()
        return api_pb2.ReportResponse(refusals=[self._refuse(each) for each in request.statuses])

    def phases(self) -> dict[str, str]:
        """The last one that was said of each pod."""
        found = {}
        for report in self.reports:
            for each in report.statuses:
                status = msgspec.json.decode(each.json)
                ready = [c["status"] for c in status["conditions"] if c["type"] == "Ready"]
                found[each.name] = f"{status['phase']} {ready}"
        return found

    def reasons(self, name: str) -> list[str]:
        return [
            note.reason for report in self.reports for note in report.notes if note.name == name
        ]


def with_kubelet(
    body: Callable[[ApiServer], Any], *, refuse: Refuse = lambda _: b"", down: int = 0
) -> None:
    """Three pods on one node, whose containers start at once."""

    async def run() -> None:
        api, server = ApiServer(refuse, down=down), grpc.aio.server()
        api_pb2_grpc.add_ApiServicer_to_server(api, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        channel = connect_aio(f"127.0.0.1:{port}")

        def act(action: Any) -> None:
            if isinstance(action, StartContainer):
                started = ContainerStarted(
                    action.pod.uid, action.spec.name, action.container_id, pid=1
                )
                asyncio.get_running_loop().call_soon(driver.handle, started)

        settings = KubeletSettings(address="127.0.0.1", pod_cidr="127.32.1.0/24", speed=Speed(10))
        kubelet = Kubelet("node-1", settings, rng=random.Random(1))
        driver = KubeletDriver(kubelet, channel, "t", node_name="node-1", run_action=act)
        driver.start()
        driver.take_pods([pod(name) for name in PODS])
        try:
            async with asyncio.timeout(20):
                await body(api)
        finally:
            await driver.stop()
            await channel.close()
            await server.stop(None)

    asyncio.run(run())


def pod(name: str) -> Pod:
    meta = ObjectMeta(name=name, namespace="default", uid=f"uid-{name}")
    containers = (Container(name="c", image="emucluster/echo"),)
    return Pod(metadata=meta, spec=PodSpec(node_name="node-1", containers=containers))


READY = "Running ['True']"


@pytest.mark.parametrize("down", [0, 1])
def test_it_reports_one_call_at_a_time_until_all_is_said(down: int) -> None:
    async def body(api: ApiServer) -> None:
        async with api.said:
            await api.said.wait_for(lambda: api.phases() == dict.fromkeys(PODS, READY))
        assert api.most_under_way == 1
        if not down:  # Events are best effort
            assert all(api.reasons(name)[-1] == "Started" for name in PODS)
            assert len(api.reports) < 2 * len(PODS), "what came together went together"

    with_kubelet(body, down=down)


def test_a_pod_that_is_gone_holds_up_none_of_the_others() -> None:
    def refuse(write: Any) -> bytes:
        return to_status(NotFound.of("pods", write.name)) if write.name == "b" else b""

    async def body(api: ApiServer) -> None:
        async with api.said:
            await api.said.wait_for(lambda: api.phases().get("a") == api.phases().get("c") == READY)

    with_kubelet(body, refuse=refuse)
