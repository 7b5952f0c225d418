"""Who looks, how often, and what of an earlier look is remembered; no cluster runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from emucluster.core.errors import NotFound
from emucluster.core.faults.looks import Look
from emucluster.core.faults.witness import Sample
from emucluster.live.keeper.places import Place, Witness
from emucluster.live.keeper.witness import Witnesses
from emucluster.live.rpc.pb import lab_pb2

OUTSIDE = "outside"


def ok(how: Any, answer_s: float = 0.001) -> Sample:
    return Sample(how, "ok", answer_s, connected=True)


class Cluster:
    """Places, samples and faults of a cluster in which `looks` come out as a test says.

    Attributes:
        looks: samples of one look after the other; the last one is repeated.
        holds: words for held connections, one after the other; empty: it could not be held.
        pods: uid of each pod that the API has.
    """

    def __init__(self) -> None:
        self.looks: list[list[Sample]] = []
        self.holds = ["word"]
        self.held: list[str] = []
        self.pods: dict[str, str] = {}
        self.witnesses_ = Witnesses(self, self, self)  # type: ignore[arg-type]

    # places
    def of(self, target: Any, pod: Any) -> Place:
        return Place(target.kind, "machine", "127.0.0.1:80")

    def witnesses(self, *_: Any) -> list[Witness]:
        async def look(_: Any) -> None: ...

        return [Witness(OUTSIDE, look)]

    # samples
    async def hold(self, place: Place, by: Witness) -> str:
        return self.holds.pop(0) if self.holds else ""

    async def look(
        self, look: Look, place: Place, by: Witness, params: Any, *, held: str = ""
    ) -> list[Sample]:
        self.held.append(held)
        samples = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return [s for s in samples if s.how != "held" or held]

    # faults
    async def inject(self, request: Any) -> Any:
        return lab_pb2.Fault(id=request.id, kind=request.kind, target=request.target)

    async def in_force(self) -> Any:
        return lab_pb2.FaultList()

    async def pod(self, namespace: str, name: str) -> Any:
        if name not in self.pods:
            raise NotFound(name)
        return {"metadata": {"name": name, "uid": self.pods[name]}}

    # what a test asks
    async def begin(self, kind: str, target: str, **fields: Any) -> None:
        await self.witnesses_.inject(
            lab_pb2.FaultRequest(id="f", kind=kind, target=target, **fields)
        )

    async def seen(self, timeout_s: float = 2.0) -> Any:
        return await self.witnesses_.seen(lab_pb2.WitnessRequest(fault_id="f", timeout_s=timeout_s))

    async def end(self) -> str:
        found = await self.witnesses_.over(lab_pb2.WitnessRequest(fault_id="f", over=True))
        return str(found.end)


def in_cluster(scenario: Callable[[Cluster], Awaitable[None]]) -> None:
    async def run() -> None:
        await scenario(Cluster())

    asyncio.run(run())


def test_a_held_connection_that_is_dead_is_dead_although_nothing_else_worked_just_then() -> None:
    """The look that finds it dead lets it go; a new connection may be slow at that moment."""

    async def scenario(cluster: Cluster) -> None:
        dead = Sample("held", "reset")
        slow = Sample("exchange", "timeout", connected=True)
        cluster.looks = [[dead, slow], [dead, ok("exchange")]]
        await cluster.begin("half-open", "lb/web", peers=["outside"])
        assert (await cluster.seen()).seen
        assert cluster.held == ["word", ""]

    in_cluster(scenario)


def test_a_connection_that_cannot_be_held_at_once_is_tried_again() -> None:
    async def scenario(cluster: Cluster) -> None:
        cluster.holds = ["", "", "word"]
        cluster.looks = [[Sample("held", "reset"), ok("exchange")]]
        await cluster.begin("half-open", "lb/web", peers=["outside"])
        assert (await cluster.seen()).seen

    in_cluster(scenario)


def test_a_fault_that_is_over_is_gone_or_there_as_others_see_it() -> None:
    async def scenario(cluster: Cluster) -> None:
        cluster.looks = [[Sample("http", "timeout", connected=True)], [ok("http")]]
        await cluster.begin("freeze", "node/node-1")
        assert [await cluster.end(), await cluster.end()] == ["there", "gone"]

    in_cluster(scenario)


def test_what_flaps_is_gone_when_it_stays_away() -> None:
    async def scenario(cluster: Cluster) -> None:
        cluster.looks = [[ok("http")]]
        await cluster.begin("flap", "node/node-1", params=b'{"up": 0.05, "down": 0.05}')
        assert await cluster.end() == "unknown", "it may be up between two downs"
        async with asyncio.timeout(10):
            while await cluster.end() != "gone":  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.05)

    in_cluster(scenario)


def test_a_pod_that_is_no_more_has_no_fault() -> None:
    async def scenario(cluster: Cluster) -> None:
        cluster.pods = {"a": "uid-1"}
        cluster.looks = [[Sample("health", "timeout")]]
        await cluster.begin("freeze", "pod/a")
        assert await cluster.end() == "there"
        cluster.pods = {"a": "uid-2"}
        assert await cluster.end() == "gone"
        cluster.pods = {}
        assert await cluster.end() == "gone"

    in_cluster(scenario)
