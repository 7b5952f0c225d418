"""Faults of pods as a node's container runtime carries them out, in both packings."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import grpc
import pytest

from emucluster.core.errors import EmuclusterError
from emucluster.core.kubelet import commands as c
from emucluster.core.kubelet import events as e
from emucluster.live.pods.answer_faults import AnswerFault
from tests.live.pods.pod_setup import identity, until
from tests.live.pods.runtime_setup import PACKINGS, Node, running

pytestmark = [pytest.mark.live, pytest.mark.parametrize("packing", PACKINGS)]

GRAY = AnswerFault("gray-1", "gray", {"status": "INTERNAL", "share": 1.0})
SERVICER = """
from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc

class Greeter(echo_pb2_grpc.EchoServicer):
    def Call(self, request, context):
        return echo_pb2.EchoReply(message="hello")

def add(server):
    echo_pb2_grpc.add_EchoServicer_to_server(Greeter(), server)
"""


async def inject(node: Node, pod: c.PodIdentity, fault: AnswerFault = GRAY) -> None:
    node.runtime.faults.entry(pod.namespace, pod.name).answers[fault.id] = fault
    await node.runtime.renew_answers(pod.uid)


async def clear(node: Node, pod: c.PodIdentity, fault: AnswerFault = GRAY) -> None:
    node.runtime.faults.erase(pod.namespace, pod.name, fault.id)
    await node.runtime.renew_answers(pod.uid)


async def status(node: Node, pod: c.PodIdentity) -> str:
    try:
        await node.call(pod)
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


async def probe(node: Node, pod: c.PodIdentity, container_id: str, kind: c.ProbeKind) -> str:
    """The result of one probe, and its words."""
    number = len(node.events)
    node.runtime.perform(
        c.SendProbe(number, kind, pod.uid, "main", container_id, c.GrpcCheck(50051), 10.0)
    )

    def found() -> list[e.ProbeFinished]:
        told = [each for each in node.events if isinstance(each, e.ProbeFinished)]
        return [each for each in told if each.probe_id == number]

    [finished] = await until(found)
    return f"{finished.result}: {finished.message}"


@pytest.mark.parametrize("image", ["emucluster/echo", "python://greeter_of_faults:add"])
def test_a_fault_is_in_force_when_its_injection_returns_and_over_when_its_end_does(
    packing: str, image: str, tmp_path: Path
) -> None:
    (tmp_path / "greeter_of_faults.py").write_text(SERVICER)

    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            pod = identity()
            await node.started(node.start(pod, image, source_dir=str(tmp_path)))
            assert node.runtime.serves_itself(pod.uid)
            for _ in range(3):
                await inject(node, pod)
                assert await status(node, pod) == "INTERNAL"
                await clear(node, pod)
                assert await status(node, pod) == "OK"

    asyncio.run(scenario())


def test_no_other_pod_has_it(packing: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            pod, other = identity("web-1"), identity("web-2")
            for each in (pod, other):
                await node.started(node.start(each))
            await inject(node, pod)
            assert [await status(node, each) for each in (pod, other)] == ["INTERNAL", "OK"]

    asyncio.run(scenario())


def test_a_pod_that_is_started_again_has_it_from_its_first_call(
    packing: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            pod = identity()
            first = node.start(pod)
            await node.started(first)
            once = AnswerFault("error-rate-1", "error-rate", {"status": "ABORTED", "times": 1})
            await inject(node, pod, once)
            assert [await status(node, pod) for _ in range(2)] == ["ABORTED", "OK"]
            await node.runtime.crash(pod.uid)
            await node.exited(first)
            await node.started(node.start(pod))
            assert [await status(node, pod) for _ in range(2)] == ["ABORTED", "OK"]

    asyncio.run(scenario())


def test_a_frozen_pod_takes_a_fault_that_its_freeze_hides(packing: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            pod = identity()
            await node.started(node.start(pod))
            await node.runtime.freeze(pod.uid)
            await inject(node, pod)
            await node.runtime.thaw(pod.uid)
            await node.runtime.renew_answers(pod.uid)
            assert await status(node, pod) == "INTERNAL"

    asyncio.run(scenario())


def test_a_pod_stays_frozen_that_is_started_again_while_a_fault_freezes_it(
    packing: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            pod = identity()
            first = node.start(pod)
            await node.started(first)
            node.runtime.faults.entry(pod.namespace, pod.name).frozen.add("freeze-1")
            await node.runtime.freeze(pod.uid)
            node.signal(pod, first, "KILL")
            await node.exited(first)
            second = node.start(pod)
            await node.runtime.thaw_all()
            assert node.runtime.condition_of(pod.ip) == "frozen"
            node.runtime.faults.erase(pod.namespace, pod.name, "freeze-1")
            await node.runtime.thaw_all()
            await node.started(second)
            assert await status(node, pod) == "OK"

    asyncio.run(scenario())


def test_readiness_probes_fail_for_a_fault_and_liveness_probes_do_not(
    packing: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            pod = identity()
            container_id = node.start(pod)
            await node.started(container_id)
            node.runtime.faults.entry(pod.namespace, pod.name).unready.add("readiness-flap-1")
            failed = "failure: as the fault readiness-flap-1 has it"
            assert await probe(node, pod, container_id, "readiness") == failed
            assert await probe(node, pod, container_id, "liveness") == "success: "
            node.runtime.faults.erase(pod.namespace, pod.name, "readiness-flap-1")
            assert await probe(node, pod, container_id, "readiness") == "success: "

    asyncio.run(scenario())


def test_a_command_has_no_server_of_ours(packing: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            pod = identity()
            node.start(pod, "command:/bin/sleep", args=("60",))
            assert not node.runtime.serves_itself(pod.uid)
            await node.runtime.kill_all()
            with pytest.raises(EmuclusterError, match="no running container"):
                node.runtime.serves_itself(pod.uid)

    asyncio.run(scenario())


def test_a_process_that_does_not_take_a_fault_is_told_of(
    packing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if packing == "node":
        pytest.skip("its pods are no processes")
    monkeypatch.setattr("emucluster.live.pods.actor_pods.FAULTS_DEADLINE_S", 0.3)

    async def scenario() -> None:
        async with running(packing, tmp_path) as node:
            pod = identity()
            started = await node.started(node.start(pod))
            os.kill(started.pid, signal.SIGSTOP)  # by somebody outside
            try:
                with pytest.raises(EmuclusterError, match=r"did not answer within 0\.3 s"):
                    await inject(node, pod)
            finally:
                os.kill(started.pid, signal.SIGCONT)

    asyncio.run(scenario())
