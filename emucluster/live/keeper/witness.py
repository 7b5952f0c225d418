"""Has somebody other than its target look whether a fault is in force."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from typing import Any

from emucluster.core.errors import EmuclusterError, NotFound, Unreachable, UsageError
from emucluster.core.faults import parse_target
from emucluster.core.faults.looks import TO_CLIENTS, Look, Unseen, look_for, look_over
from emucluster.core.faults.witness import Evidence, Over, Sample, Verdict, over, over_by
from emucluster.live.clock import now_s, wall_s
from emucluster.live.fault_messages import AskedFault, read_request
from emucluster.live.keeper.comparisons import Comparisons
from emucluster.live.keeper.faults import Faults
from emucluster.live.keeper.known_fault import API, KnownFault
from emucluster.live.keeper.places import KEEPER, Places, PodAt, Witness
from emucluster.live.keeper.samples import Samples
from emucluster.live.rpc.pb import lab_pb2

KNOWN_MAX = 2000
BASELINE_S = 5.0
"""A baseline that takes longer is gone without: the fault is not to wait for it."""
HOLD_TRIES = 4
TIMEOUT_S = 2.0
AGAIN_S = 0.1

log = logging.getLogger(__name__)


class Witnesses:
    """Remembers what was so before each fault, and compares."""

    def __init__(self, places: Places, samples: Samples, faults: Faults) -> None:
        self._places = places
        self._samples = samples
        self._faults = faults
        self._comparisons = Comparisons(places, samples)
        self._known: OrderedDict[str, KnownFault] = OrderedDict()

    async def inject(self, request: Any) -> Any:
        """Look where that is needed, then have the fault put in force.

        A repeated ask is not looked before: the fault may be in force already.
        """
        known = self._known.get(request.id) if request.id else None
        again = known is not None
        if known is None:
            known = await self._baseline(request)
        self._remember(request.id, known)
        try:
            fault = await self._faults.inject(request)
        except Unreachable:
            raise  # nobody knows what became of it
        except EmuclusterError:
            if not again:  # else the first ask may have been taken, and its end is looked for
                self._known.pop(request.id, None)
            raise
        self._remember(fault.id, known)
        return fault

    def _remember(self, fault_id: str, known: KnownFault | None) -> None:
        if fault_id and known is not None:
            known.id = fault_id
            self._known[fault_id] = known
            while len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)

    async def seen(self, request: Any) -> Any:
        """Whether somebody sees a fault now, or comes to within `timeout_s` (default 2 s)."""
        known = self._of(request.fault_id)
        if isinstance(known.look, Unseen):
            return lab_pb2.Witnessed(what=known.look.why)
        if not known.look.before:
            known.hurt = await self._hurt()
        until_s = now_s() + (request.timeout_s or TIMEOUT_S)
        while True:
            found = await self._look(known, known.look)
            if found.seen or now_s() >= until_s:
                return found
            await asyncio.sleep(AGAIN_S)

    async def over(self, request: Any) -> Any:
        """Whether a fault that should be over is gone, by one look of those who could see it.

        What comes and goes is gone when it has stayed away for longer than it used to, from look to
        look.
        """
        known = self._of(request.fault_id)
        look = known.look_over
        if isinstance(look, Unseen):
            return _ended(Over("unknown", look.why), "")
        try:
            found, by = await self._over(known, look)
        except EmuclusterError as error:
            found, by = Over("unknown", str(error)), ""
        if found.end != "gone":
            known.quiet_since_s = None if found.end == "there" else known.quiet_since_s
            return _ended(found, by)
        since_s = known.quiet_since_s = known.quiet_since_s or now_s()
        quiet_s = now_s() - since_s
        if quiet_s < look.quiet_s:
            what = f"away for {quiet_s:.3g} s, and it comes and goes"
            return _ended(Over("unknown", what), by)
        return _ended(found, by)

    def _of(self, fault_id: str) -> KnownFault:
        known = self._known.get(fault_id)
        if known is None:
            raise NotFound(f'fault "{fault_id}" was not asked for here')
        return known

    # --- before

    async def _baseline(self, request: Any) -> KnownFault | None:
        """None for what is refused anyway: whoever holds the target says why."""
        try:
            known = await self._find(read_request(request, wall_s=wall_s()))
        except (UsageError, EmuclusterError) as error:
            log.info("no witness for %s on %s: %s", request.kind, request.target, error)
            return None
        if isinstance(known.look, Look) and known.look.before:
            try:
                async with asyncio.timeout(BASELINE_S):
                    await self._take_before(known, known.look)
            except (TimeoutError, EmuclusterError) as error:
                log.info("%s on %s: not known before: %s", request.kind, request.target, error)
        known.asked_s = wall_s()
        return known

    async def _find(self, asked: AskedFault) -> KnownFault:
        target = asked.target
        pod: Any = {}
        if target.kind == "pod":
            pod = await self._faults.pod(target.namespace, target.name)
        how = asked.kind, target.kind, asked.params
        return KnownFault(
            asked,
            target,
            self._places.of(target, pod),
            look_for(*how),
            look_over(*how),
            uid=str(pod.get("metadata", {}).get("uid", "")),
            peers={peer: at async for peer, at in self._pods_of(asked.peers)},
        )

    async def _pods_of(self, peers: Sequence[str]) -> AsyncIterator[tuple[str, PodAt]]:
        """Where those peers are that are pods."""
        for peer in peers:
            if not peer.startswith("pod/"):
                continue
            target = parse_target(peer)
            with contextlib.suppress(NotFound):  # who puts the fault in force says so
                pod = await self._faults.pod(target.namespace, target.name)
                node = str(pod.get("spec", {}).get("nodeName") or "")
                yield peer, PodAt(node, str(pod.get("status", {}).get("podIP") or ""))

    async def _take_before(self, known: KnownFault, look: Look) -> None:
        if look.gather != "looks":
            await self._comparisons.take_before(known, look)
            return
        known.hurt = await self._hurt()
        if "api" in look.hows:
            known.before[API] = await self._api_words(known, look)
        for by in self._by(known, look):
            if "held" in look.hows:
                known.held[by.name] = await self._hold(known, by)
            else:
                params = known.asked.params
                known.before[by.name] = await self._samples.look(look, known.place, by, params)

    async def _hold(self, known: KnownFault, by: Witness) -> str:
        """One that cannot be held now may be held in a moment; without, nothing could be seen."""
        for _ in range(HOLD_TRIES):
            if word := await self._samples.hold(known.place, by):
                return word
        return ""

    def _by(self, known: KnownFault, look: Look) -> Sequence[Witness]:
        """At most two: one may have troubles of its own."""
        if not any(how != "api" for how in look.hows):
            return ()
        asked = known.asked
        found = self._places.witnesses(
            known.target, known.place, asked.peers, known.hurt, known.peers
        )
        return found[:2]

    async def _hurt(self) -> frozenset[str]:
        """Machines with faults in force."""
        faults = await self._faults.in_force()
        targets = [parse_target(f.target) for f in faults.faults if f.state == "in force"]
        return frozenset(target.name for target in targets if target.kind == "node")

    # --- now

    async def _look(self, known: KnownFault, look: Look) -> Any:
        if look.gather != "looks":
            return _witnessed(*await self._comparisons.compared(known, look))
        assert look.judge is not None
        last, last_by = Verdict(False, "nobody else can look"), ""
        async for by, evidence in self._evidence(known, look):
            if _has_no_calls(evidence.after):
                return lab_pb2.Witnessed(what=f"{TO_CLIENTS}: the pod does not run echo")
            last, last_by = look.judge(evidence), by
            if last.seen:
                break
        return _witnessed(last, last_by)

    async def _over(self, known: KnownFault, look: Look) -> tuple[Over, str]:
        """By all who could see it: one who does is enough to say that it is there."""
        known.hurt = await self._hurt()
        if known.target.kind == "pod" and known.asked.kind != "zombie":
            gone = await self._pod_is_gone(known)
            if gone:
                return Over("gone", gone), API
        if look.gather != "looks":
            verdict, who = await self._comparisons.compared(known, look)
            return over_by(verdict), who
        assert look.judge is not None
        told, told_by = Over("unknown", "nobody else can look"), ""
        async for by, evidence in self._evidence(known, look):
            if _has_no_calls(evidence.after):
                return Over("unknown", "the pod does not run echo"), ""
            found = over(look.judge, evidence)
            if found.end == "there":
                return found, by
            if found.end == "gone" or told.end == "unknown":
                told, told_by = found, by
        return told, told_by

    async def _pod_is_gone(self, known: KnownFault) -> str:
        """Why a pod can have no fault any more; empty: it is there."""
        try:
            pod = await self._faults.pod(known.target.namespace, known.target.name)
        except NotFound:
            return "the API knows no such pod any more"
        uid = str(pod.get("metadata", {}).get("uid", ""))
        return "" if uid == known.uid else "the API has another pod of this name"

    async def _evidence(self, known: KnownFault, look: Look) -> AsyncIterator[tuple[str, Evidence]]:
        """What each witness sees now, one after the other."""
        words = await self._api_words(known, look) if "api" in look.hows else []
        before = known.before.get(API, [])
        params, fault_id = known.asked.params, known.id
        witnesses = self._by(known, look)
        if words and not witnesses:
            name = KEEPER if known.target.kind == "control-plane" else API
            yield name, Evidence(before, words, params, fault_id)
        for by in witnesses:
            try:
                looked = await self._looked(known, look, by)
            except EmuclusterError as error:
                looked = [Sample(look.hows[-1], "error", detail=f"could not look: {error}")]
            was = known.before.get(by.name) or _anybodys(known)
            yield by.name, Evidence([*before, *was], [*words, *looked], params, fault_id)

    async def _looked(self, known: KnownFault, look: Look, by: Witness) -> list[Sample]:
        """A held connection that was found dead once is so for good: it was let go then."""
        dead = known.held_dead.get(by.name, [])
        held = "" if dead else known.held.get(by.name, "")
        looked = await self._samples.look(look, known.place, by, known.asked.params, held=held)
        if held:
            now_dead = [s for s in looked if s.how == "held" and s.outcome != "ok"]
            known.held_dead[by.name] = now_dead
        return [*dead, *looked]

    async def _api_words(self, known: KnownFault, look: Look) -> list[Sample]:
        kind, target = known.asked.kind, known.target
        if target.kind == "pod":
            return [await self._samples.pod_word(target.namespace, target.name, kind)]
        times = range(look.count)
        return [await self._samples.plane_word(kind, look.timeout_s) for _ in times]


def _has_no_calls(samples: Sequence[Sample]) -> bool:
    calls = [sample for sample in samples if sample.how == "echo"]
    return bool(calls) and all(sample.detail.startswith("UNIMPLEMENTED:") for sample in calls)


def _anybodys(known: KnownFault) -> list[Sample]:
    """Of a witness who did not look before, another's look has to do."""
    return next((samples for name, samples in known.before.items() if name != API), [])


def _ended(found: Over, by: str) -> Any:
    what = f"{by}: {found.what}" if by else found.what
    return lab_pb2.Witnessed(
        seen=found.end == "there", by=by, what=what, at_s=wall_s(), end=found.end
    )


def _witnessed(verdict: Verdict, by: str) -> Any:
    return lab_pb2.Witnessed(
        seen=verdict.seen,
        by=by,
        what=f"{by}: {verdict.what}" if by else verdict.what,
        at_s=wall_s(),
    )
