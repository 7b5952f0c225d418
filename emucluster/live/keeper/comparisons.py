"""Faults that show in what somebody takes, believes or leaves undone: compared with before."""

from __future__ import annotations

import asyncio
import contextlib

from emucluster.core.errors import EmuclusterError
from emucluster.core.faults import OUTSIDE, FaultTarget, compared
from emucluster.core.faults.looks import Look
from emucluster.core.faults.witness import Verdict
from emucluster.live.clock import wall_s
from emucluster.live.keeper.known_fault import API, KnownFault
from emucluster.live.keeper.places import KEEPER, Places
from emucluster.live.keeper.samples import Samples

CHECKS_KEPT_S = 600.0
CHECKED = "targets of the load balancer"
BEHIND_S = 0.5
"""Who does not know of a change after so long does not take any."""


class Comparisons:
    """Looks whose `gather` is another than samples."""

    def __init__(self, places: Places, samples: Samples) -> None:
        self._places = places
        self._samples = samples

    async def take_before(self, known: KnownFault, look: Look) -> None:
        """What is so before the fault."""
        machine = known.place.machine
        if look.gather in ("table", "names"):
            if not self._samples.can_tell_of_newcomers(machine):
                known.members = await self._samples.members(_observer(look), machine)
        elif look.gather == "processor":
            known.processor = await self._samples.processor(machine)

    async def compared(self, known: KnownFault, look: Look) -> tuple[Verdict, str]:
        """What is so now, and by whom that is known."""
        match look.gather:
            case "table" | "names":
                return await self._updates(known, look)
            case "processor":
                return await self._processor(known), KEEPER
            case "checks":
                return await self._checks(known), CHECKED
        return await self._targets(known), OUTSIDE

    async def _updates(self, known: KnownFault, look: Look) -> tuple[Verdict, str]:
        """By asking it for something new; where nobody can, by what it says that it holds."""
        asked = await self._samples.newcomer(_observer(look), known.place.machine)
        if asked is None:
            return await self._members(known, look), API
        return compared.unaware(*asked), KEEPER

    async def _members(self, known: KnownFault, look: Look) -> Verdict:
        """Twice: who is well may be a moment behind."""
        if known.members is None:
            return Verdict(False, "nobody here can ask it", told=False)
        verdict = Verdict(True, "")
        for wait_s in (0.0, BEHIND_S):
            if verdict.seen:
                await asyncio.sleep(wait_s)
                mine, others = await self._samples.members(_observer(look), known.place.machine)
                verdict = compared.stale((known.members[0], mine), (known.members[1], others))
        return verdict

    async def _processor(self, known: KnownFault) -> Verdict:
        after = await self._samples.processor(known.place.machine)
        if after is None or known.processor is None:
            what = "its process is on another machine than the keeper's"
            return Verdict(False, what, told=False)
        return compared.busy(known.processor, after, share=float(known.asked.params["share"]))

    async def _checks(self, known: KnownFault) -> Verdict:
        times_s = await self._samples.checks_s(known.place.machine, wall_s() - CHECKS_KEPT_S)
        early = [at_s for at_s in times_s if at_s <= known.asked_s]
        late = [at_s for at_s in times_s if at_s > known.asked_s]
        return compared.blind([*early, *late], now_s=wall_s())

    async def _targets(self, known: KnownFault) -> Verdict:
        believed = await self._samples.targets(known.place.machine)
        answers: dict[str, bool] = {}
        for node in believed:
            with contextlib.suppress(EmuclusterError):
                answers[node] = await self._answers(node)
        return compared.lying(str(known.asked.params["says"]), believed, answers)

    async def _answers(self, node: str) -> bool:
        target = FaultTarget("node", "", node)
        place = self._places.of(target, {})
        look = Look(hows=("http",), timeout_s=0.7)
        for by in self._places.witnesses(target, place, [OUTSIDE], frozenset()):
            return (await self._samples.look(look, place, by, {}))[0].outcome == "ok"
        raise EmuclusterError(f"nobody here has a way to {target}")


def _observer(look: Look) -> str:
    return "proxy" if look.gather == "table" else "dns"
