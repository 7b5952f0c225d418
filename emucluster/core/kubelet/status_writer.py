"""Pod statuses on their way to the API server: in order, the newest only, until it has them."""

from __future__ import annotations

from dataclasses import dataclass, field

from emucluster.core.kubelet.backoff import Backoff, write_backoff
from emucluster.core.kubelet.commands import Command, FinishPodDeletion, WritePodStatus
from emucluster.core.kubelet.events import WriteFailed, Wrote
from emucluster.core.kubelet.status import OWNED
from emucluster.core.objects import Pod, PodStatus, replace

RECONCILE_S = 0.2
"""How long a difference must last before it is written over; of ours and not of the cluster, so
that no `--speed` divides it."""


@dataclass(slots=True)
class _Channel:
    namespace: str
    name: str
    wanted: PodStatus | None = None
    sent: PodStatus | None = None
    in_flight: Command | None = None
    seen: PodStatus | None = None
    """The API server's copy, if it came after our last write set out."""
    reconcile_at_s: float | None = None
    deleting: bool = False
    retry_at_s: float | None = None
    backoff: Backoff = field(default_factory=write_backoff)

    def plan_reconciling(self, now_s: float) -> None:
        """Compare the API server's copy with ours, once nothing is under way."""
        if self.in_flight is not None:
            return
        if self.seen is None or self.sent is None or _is_ours(self.seen, self.sent):
            self.reconcile_at_s = None
        elif self.reconcile_at_s is None:
            self.reconcile_at_s = now_s + RECONCILE_S

    def moments(self) -> list[float]:
        """When there is something to do, unless an answer comes first."""
        if self.in_flight is not None:
            return []
        if self.retry_at_s is not None:
            return [self.retry_at_s]
        return [self.reconcile_at_s] if self.reconcile_at_s is not None else []

    def is_due(self, now_s: float) -> bool:
        return any(moment_s <= now_s for moment_s in self.moments())


class StatusWriter:
    """At most one write in flight a pod; a failed one is retried with back-off.

    What somebody else made of a status is written over, as the kubelet's status manager does
    (kubernetes/pkg/kubelet/status: needsReconcile), and not at once: the copy may be older than
    our last write, and while the Node is not Ready the node controller would undo it again.
    """

    def __init__(self) -> None:
        self._channels: dict[str, _Channel] = {}

    def want(self, pod: Pod, status: PodStatus, *, now_s: float) -> list[Command]:
        """Report this status, unless the API server has it already."""
        self._channel(pod).wanted = status
        return self._next(pod.metadata.uid, now_s)

    def finish(self, pod: Pod, *, now_s: float) -> list[Command]:
        """After the last status, let the API server remove the pod."""
        self._channel(pod).deleting = True
        return self._next(pod.metadata.uid, now_s)

    def seen(self, pod: Pod, *, now_s: float) -> None:
        """The API server's copy arrived; if it stays another than ours, ours is written again."""
        channel = self._channels.get(pod.metadata.uid)
        if channel is not None:
            # Also during a write: what was changed after it may be told before its answer is.
            channel.seen = pod.status
            channel.plan_reconciling(now_s)

    def forget(self, uid: str) -> None:
        """The pod is gone from the API server."""
        self._channels.pop(uid, None)

    def forget_all(self) -> None:
        self._channels.clear()

    def handle(self, event: Wrote | WriteFailed, *, now_s: float) -> list[Command]:
        command = event.command
        if not isinstance(command, WritePodStatus | FinishPodDeletion):
            return []
        channel = self._channels.get(command.uid)
        if channel is None or channel.in_flight is not command:
            return []
        channel.in_flight = None
        if isinstance(event, Wrote):
            channel.backoff.reset()
            if isinstance(command, FinishPodDeletion):
                self.forget(command.uid)
                return []
            channel.plan_reconciling(now_s)
        elif event.gone:
            self.forget(command.uid)
            return []
        else:
            channel.sent = None
            channel.backoff.next(now_s, now_s)
            channel.retry_at_s = now_s + channel.backoff.delay_s
        return self._next(command.uid, now_s)

    def resend(self, now_s: float) -> list[Command]:
        """Answers to what is under way will not come."""
        commands: list[Command] = []
        for uid, channel in list(self._channels.items()):
            if channel.in_flight is not None:
                channel.in_flight = channel.sent = None
                commands += self._next(uid, now_s)
        return commands

    def wake(self, now_s: float) -> list[Command]:
        commands: list[Command] = []
        for uid, channel in list(self._channels.items()):
            if channel.is_due(now_s):
                commands += self._next(uid, now_s)
        return commands

    def next_wake_s(self) -> float | None:
        moments = [s for each in self._channels.values() for s in each.moments()]
        return min(moments, default=None)

    def _channel(self, pod: Pod) -> _Channel:
        meta = pod.metadata
        return self._channels.setdefault(meta.uid, _Channel(meta.namespace, meta.name))

    def _next(self, uid: str, now_s: float) -> list[Command]:
        channel = self._channels[uid]
        if channel.in_flight is not None:
            return []
        if channel.retry_at_s is not None and now_s < channel.retry_at_s:
            return []
        channel.retry_at_s = None
        if channel.reconcile_at_s is not None and now_s >= channel.reconcile_at_s:
            channel.reconcile_at_s = channel.sent = None
        if channel.wanted is not None and channel.wanted != channel.sent:
            channel.sent = channel.wanted
            channel.seen = channel.reconcile_at_s = None
            channel.in_flight = WritePodStatus(channel.namespace, channel.name, uid, channel.wanted)
        elif channel.deleting:
            channel.in_flight = FinishPodDeletion(channel.namespace, channel.name, uid)
        return [channel.in_flight] if channel.in_flight is not None else []


def _is_ours(seen: PodStatus, sent: PodStatus) -> bool:
    """Whether the API server has what we sent; conditions of others are not ours to judge."""
    return _without_others(seen) == _without_others(sent)


def _without_others(status: PodStatus) -> PodStatus:
    own = tuple(each for each in status.conditions if each.type in OWNED)
    return replace(status, conditions=own)
