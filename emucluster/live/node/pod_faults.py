"""Faults of single pods of a node."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from emucluster.core.errors import EmuclusterError, NotFound
from emucluster.core.faults import FaultLease, parse_target
from emucluster.core.kubelet.commands import RuntimeCommand
from emucluster.core.objects import Pod
from emucluster.live.node.readiness_flaps import ReadinessFlaps
from emucluster.live.node.zombies import Delete, Perform, Zombies
from emucluster.live.pods.answer_faults import AnswerFault, AnswerKind
from emucluster.live.pods.fault_book import PodName
from emucluster.live.pods.runtime import PodRuntime

SERVERS = "emucluster/echo and python:// images"


class PodFaults:
    """Breaks and mends pods by the runtime that runs them.

    Args:
        pod_at: the pod of this namespace and name that is bound to this node, None for nobody.
        delete: deletes a Pod in the API at once.
        perform: carries out a command of the kubelet that a zombie held back.
    """

    def __init__(
        self,
        runtime: PodRuntime,
        pod_at: Callable[[str, str], Pod | None],
        *,
        delete: Delete,
        perform: Perform,
    ) -> None:
        self._runtime = runtime
        self._pod_at = pod_at
        self._zombies = Zombies(delete, perform)
        self._flaps = ReadinessFlaps(runtime.faults)

    def holds(self, command: RuntimeCommand) -> bool:
        """Whether a command of the kubelet is not carried out now: it would end a zombie."""
        return self._zombies.holds(command)

    async def break_(self, lease: FaultLease) -> str:
        """Raises NotFound when the pod is not here, EmuclusterError when its image cannot have
        it."""
        name = _name(lease)
        pod = self._pod_at(*name)
        if pod is None:
            raise NotFound(f'pod "{"/".join(name)}" does not run here')
        uid = pod.metadata.uid
        match lease.kind:
            case "crash":
                return await self._runtime.crash(uid)
            case "freeze":
                mechanism = await self._runtime.freeze(uid)
                self._runtime.faults.entry(*name).frozen.add(lease.id)
                return mechanism
            case "zombie":
                self._runtime.serves_itself(uid)  # raises where no container of it runs
                await self._zombies.begin(lease.id, *name, uid)
                return "deleted by force; its node does not end it"
            case "readiness-flap":
                self._check_probed(lease, pod)
                self._flaps.begin(lease, name)
                return "the kubelet's prober"
            case _:
                return await self._break_answers(lease, name, uid)

    async def mend(self, lease: FaultLease) -> None:
        """Does nothing to a pod that is gone."""
        name = _name(lease)
        pod = self._pod_at(*name)
        self._flaps.end(lease.id)
        self._zombies.end(lease.id)
        self._runtime.faults.erase(*name, lease.id)
        if pod is not None and lease.kind == "freeze":
            await self._runtime.thaw(pod.metadata.uid)
        elif pod is not None and lease.fault_kind.layer == "answer":
            await self._runtime.renew_answers(pod.metadata.uid)

    async def aclose(self) -> None:
        """End what runs for faults."""
        await self._flaps.aclose()

    async def _break_answers(self, lease: FaultLease, name: PodName, uid: str) -> str:
        if not self._runtime.serves_itself(uid):
            raise EmuclusterError(
                f"{lease.kind}: is done in the pod's gRPC server, and that of {lease.target} is a "
                f"command's own; pods of {SERVERS} can have it"
            )
        book = self._runtime.faults
        fault = AnswerFault(lease.id, cast(AnswerKind, lease.kind), dict(lease.params))
        book.entry(*name).answers[lease.id] = fault
        try:
            await self._runtime.renew_answers(uid)
        except BaseException:
            book.erase(*name, lease.id)
            raise
        return "the pod's server"

    @staticmethod
    def _check_probed(lease: FaultLease, pod: Pod) -> None:
        containers = (*pod.spec.init_containers, *pod.spec.containers)
        if all(container.readiness_probe is None for container in containers):
            raise EmuclusterError(
                f"{lease.kind}: no container of {lease.target} has a readinessProbe that could fail"
            )


def _name(lease: FaultLease) -> PodName:
    target = parse_target(lease.target)
    return target.namespace, target.name
