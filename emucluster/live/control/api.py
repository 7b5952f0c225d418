"""The Api service: requests in, decisions by admission, answers once they are durable."""

from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any, Literal, TypeVar

import msgspec

from emucluster.core.admission.admission import Admission
from emucluster.core.admission.node_leases import renew
from emucluster.core.admission.pod_status import write_pod_status
from emucluster.core.errors import ApiError, EmuclusterError, NotFound, to_status
from emucluster.core.objects import Object, PodStatus, codec
from emucluster.core.objects.registry import resource
from emucluster.live.clock import micro_stamp, stamp, wall_s
from emucluster.live.control.driver import Driver
from emucluster.live.control.late_answers import LateAnswers
from emucluster.live.rpc.errors import abort, translated
from emucluster.live.rpc.pb import api_pb2, api_pb2_grpc

PIECE_WRITES = 8
"""Of a node's report in a row: it may tell of all its pods at once."""

T = TypeVar("T")

_decode_status = msgspec.json.Decoder(PodStatus).decode


class Api(api_pb2_grpc.ApiServicer):
    """One servicer for nodes, the command line and Python; it decides nothing.

    `late` holds up the messages of watches while a fault has it so.
    """

    def __init__(self, driver: Driver, *, late: LateAnswers | None = None) -> None:
        self._driver = driver
        self._late = late or LateAnswers()
        self._store = driver.store

    @property
    def _admission(self) -> Admission:
        return self._driver.admission

    @translated
    async def Get(self, request: Any, context: Any) -> Any:
        kind = resource(request.kind).kind
        obj = self._store.get(kind, request.namespace, request.name)
        if obj is None:
            raise NotFound.of(resource(kind).qualified_plural, request.name)
        await self._driver.settled()
        return _message(obj)

    @translated
    async def List(self, request: Any, context: Any) -> Any:
        kind = resource(request.kind).kind
        listed = self._store.list(
            kind,
            request.namespace or None,
            label_selector=request.label_selector,
            field_selector=request.field_selector,
        )
        found = [codec.encode_json(obj) for obj in listed]
        version = self._store.version
        await self._driver.settled()
        return api_pb2.ObjectList(json=found, version=version)

    @translated
    async def Create(self, request: Any, context: Any) -> Any:
        obj = codec.decode_json(request.json)
        return _message(
            await self._driver.write(lambda: self._admission.create(obj, stamp=stamp()))
        )

    @translated
    async def Update(self, request: Any, context: Any) -> Any:
        return await self._update(request, "")

    @translated
    async def UpdateStatus(self, request: Any, context: Any) -> Any:
        return await self._update(request, "status")

    async def _update(self, request: Any, subresource: Literal["", "status"]) -> Any:
        obj = codec.decode_json(request.json)
        expect = obj.metadata.resource_version or None
        return _message(
            await self._driver.write(
                lambda: self._admission.update(
                    obj, expect=expect, stamp=stamp(), subresource=subresource
                )
            )
        )

    @translated
    async def Apply(self, request: Any, context: Any) -> Any:
        objects = [codec.decode_json(data) for data in request.json]
        namespace = request.namespace or "default"
        applied = await self._driver.write(
            lambda: self._admission.apply(
                objects, namespace, stamp=stamp(), dry_run=request.dry_run
            )
        )
        return api_pb2.ApplyResponse(
            results=[
                api_pb2.ApplyResult(
                    kind=obj.kind,
                    namespace=obj.metadata.namespace,
                    name=obj.metadata.name,
                    outcome=outcome,
                    json=codec.encode_json(obj),
                )
                for outcome, obj in applied
            ]
        )

    @translated
    async def Delete(self, request: Any, context: Any) -> Any:
        kind = resource(request.kind).kind
        grace_s = request.grace_period_s if request.HasField("grace_period_s") else None
        return _message(
            await self._driver.write(
                lambda: self._admission.delete(
                    kind,
                    request.namespace,
                    request.name,
                    stamp=stamp(),
                    grace_period_s=grace_s,
                    uid=request.uid or None,
                    propagation=request.propagation or "Background",
                )
            )
        )

    @translated
    async def Scale(self, request: Any, context: Any) -> Any:
        kind = resource(request.kind).kind
        return _message(
            await self._driver.write(
                lambda: self._admission.scale(
                    kind, request.namespace, request.name, request.replicas, stamp=stamp()
                )
            )
        )

    @translated
    async def Evict(self, request: Any, context: Any) -> Any:
        await self._driver.write(
            lambda: self._admission.evict(
                request.namespace, request.name, stamp=stamp(), uid=request.uid or None
            )
        )
        return api_pb2.EvictResponse()

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        after = request.after_version if request.HasField("after_version") else None
        try:
            kinds = [resource(kind).kind for kind in request.kinds]
            async for message in self._driver.broadcaster.watch(kinds, after, request.node_name):
                if self._late.in_force:
                    await self._late.wait()
                yield message
        except EmuclusterError as error:
            await abort(context, error)

    @translated
    async def Heartbeat(self, request: Any, context: Any) -> Any:
        await self._driver.write(
            lambda: renew(
                self._admission,
                request.node_name,
                duration_s=request.lease_duration_s,
                micro_stamp=micro_stamp(),
                stamp=stamp(),
            )
        )
        return api_pb2.HeartbeatResponse(renewed_wall_s=wall_s())

    @translated
    async def Report(self, request: Any, context: Any) -> Any:
        statuses = [(each, _decode_status(each.json)) for each in request.statuses]
        pieces = [
            *(partial(self._take_notes, notes) for notes in _batched(request.notes, PIECE_WRITES)),
            *(partial(self._take_statuses, some) for some in _batched(statuses, PIECE_WRITES)),
        ]
        refusals = await self._driver.write_in_turn(pieces)
        return api_pb2.ReportResponse(refusals=chain.from_iterable(refusals))

    def _take_notes(self, notes: Sequence[Any]) -> list[bytes]:
        for note in notes:
            self._driver.record(note)
        return []

    def _take_statuses(self, statuses: Sequence[tuple[Any, PodStatus]]) -> list[bytes]:
        return [self._take_status(write, status) for write, status in statuses]

    def _take_status(self, write: Any, status: PodStatus) -> bytes:
        """Empty, or the refusal, which concerns none of the others."""
        at = (write.namespace, write.name, write.uid)
        try:
            write_pod_status(self._admission, *at, status, stamp=stamp())
        except ApiError as error:
            return to_status(error)
        return b""


def _batched(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _message(obj: Object) -> Any:
    return api_pb2.Object(json=codec.encode_json(obj))
