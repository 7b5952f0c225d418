"""What one process knows to be so or to be believed: as it is now, then each change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Literal

from emucluster.live.clock import wall_s
from emucluster.live.rpc.pb import lab_pb2

TrueState = Literal["up", "down", "degraded", "gone"]
BelievedState = Literal["in", "out"]

Key = tuple[bool, str, str, str, str]
"""Truth or not, observer, where, subject, Service: whose state it is."""

BATCH_MAX = 500
PENDING_MAX = 10_000
"""So many changes wait for a slow watcher; of more, only the last of each key."""


def key_of(observation: lab_pb2.Observation) -> Key:
    """What this observation is the state of."""
    return (
        observation.truth,
        observation.observer,
        observation.where,
        observation.subject,
        observation.service,
    )


class ObservationBoard:
    """Takes what is so now; tells any number of watchers what changed."""

    def __init__(self) -> None:
        self._present: dict[Key, lab_pb2.Observation] = {}
        self._watchers: set[_Watcher] = set()

    # --- telling

    def truth(
        self,
        subject: str,
        state: TrueState,
        word: str,
        *,
        at_s: float | None = None,
        node: str = "",
        zone: str = "",
        services: Iterable[str] = (),
    ) -> None:
        """`subject` (`node/NAME`, `pod/NAMESPACE/NAME`) really is so; `gone`: it is no more."""
        self.put(
            lab_pb2.Observation(
                at_s=wall_s() if at_s is None else at_s,
                truth=True,
                subject=subject,
                state=state,
                word=word,
                node=node,
                zone=zone,
                services=services,
            )
        )

    def belief(
        self,
        observer: str,
        subject: str,
        state: BelievedState,
        word: str,
        *,
        where: str = "",
        service: str = "",
        forget: bool = False,
    ) -> None:
        """An observer holds this of `subject`; `forget`: and nothing more from now on."""
        self.put(
            lab_pb2.Observation(
                at_s=wall_s(),
                observer=observer,
                where=where,
                subject=subject,
                state=state,
                service=service,
                word=word,
            ),
            forget=forget,
        )

    def put(self, observation: lab_pb2.Observation, *, forget: bool = False) -> None:
        """Take over an observation, unless it is as before but for its time."""
        key = key_of(observation)
        known = self._present.get(key)
        forget = forget or observation.state == "gone"
        if known is None and forget:
            return
        if known is not None and _same(known, observation) and not forget:
            return
        if forget:
            del self._present[key]
        else:
            self._present[key] = observation
        if known is None or not _same(known, observation):
            for watcher in self._watchers:
                watcher.take(observation)

    # --- reading

    def present(self, key: Key) -> lab_pb2.Observation | None:
        """What is so now."""
        return self._present.get(key)

    def truths(self) -> list[lab_pb2.Observation]:
        """Everything that is so now."""
        return [observation for key, observation in self._present.items() if key[0]]

    async def watch(self) -> AsyncGenerator[lab_pb2.Observations, None]:
        """The present state, a message with `state_done`, then the changes, until closed."""
        watcher = _Watcher()
        self._watchers.add(watcher)
        try:
            for batch in _batches(list(self._present.values())):
                yield lab_pb2.Observations(observations=batch)
            yield lab_pb2.Observations(state_done=True)
            while True:
                for batch in _batches(await watcher.changes()):
                    yield lab_pb2.Observations(observations=batch)
        finally:
            self._watchers.discard(watcher)


class _Watcher:
    """Changes on their way to one watcher."""

    def __init__(self) -> None:
        self._pending: list[lab_pb2.Observation] = []
        self._limit = PENDING_MAX
        self._any = asyncio.Event()

    def take(self, observation: lab_pb2.Observation) -> None:
        self._pending.append(observation)
        self._any.set()
        if len(self._pending) > self._limit:
            latest = {key_of(each): each for each in self._pending}
            self._pending = sorted(latest.values(), key=lambda each: each.at_s)
            self._limit = max(PENDING_MAX, 2 * len(self._pending))

    async def changes(self) -> list[lab_pb2.Observation]:
        """Wait for some, and take them all."""
        await self._any.wait()
        self._any.clear()
        pending, self._pending = self._pending, []
        self._limit = PENDING_MAX
        return pending


def _same(one: lab_pb2.Observation, other: lab_pb2.Observation) -> bool:
    return (one.state, one.word, one.node, one.zone, list(one.services)) == (
        other.state,
        other.word,
        other.node,
        other.zone,
        list(other.services),
    )


def _batches(
    observations: Sequence[lab_pb2.Observation],
) -> Iterable[Sequence[lab_pb2.Observation]]:
    for start in range(0, len(observations), BATCH_MAX):
        yield observations[start : start + BATCH_MAX]
