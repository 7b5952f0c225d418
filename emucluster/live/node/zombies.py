"""Pods that are deleted in the API and go on serving."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from emucluster.core.kubelet.commands import (
    RunHook,
    RuntimeCommand,
    SignalContainer,
    StopPod,
)

Delete = Callable[[str, str, str], Awaitable[None]]
"""Deletes a Pod in the API at once: namespace, name, uid. Raises EmuclusterError."""
Perform = Callable[[RuntimeCommand], None]


class Zombies:
    """Holds back what the kubelet does to end a pod, as a runtime does that hangs.

    What comes of `kubectl delete pod --force --grace-period=0`: the API forgets the pod at once,
    and with it endpoints and replicas, while nobody waits for its processes (kubernetes.io,
    "Force Delete StatefulSet Pods"). `perform` carries a command out.
    """

    def __init__(self, delete: Delete, perform: Perform) -> None:
        self._delete = delete
        self._perform = perform
        self._held: dict[str, list[RuntimeCommand]] = {}
        self._uids: dict[str, str] = {}

    async def begin(self, fault_id: str, namespace: str, name: str, uid: str) -> None:
        """Delete the pod, and hold its end back. Raises EmuclusterError; it lives on as it was."""
        if fault_id in self._uids:
            return  # asked again
        self._uids[fault_id] = uid
        self._held.setdefault(uid, [])
        try:
            await self._delete(namespace, name, uid)
        except BaseException:
            self.end(fault_id)
            raise

    def holds(self, command: RuntimeCommand) -> bool:
        """Whether this command is not carried out now."""
        if not isinstance(command, SignalContainer | RunHook | StopPod):
            return False
        held = self._held.get(command.pod_uid)
        if held is None:
            return False
        held.append(command)
        return True

    def end(self, fault_id: str) -> None:
        """Let the kubelet end it: all that was held back is done, in its order."""
        uid = self._uids.pop(fault_id, None)
        if uid is None or uid in self._uids.values():
            return
        for command in self._held.pop(uid, []):
            self._perform(command)
