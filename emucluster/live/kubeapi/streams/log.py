"""The `log` subresource of pods.

Source: kubernetes pkg/registry/core/pod/rest/log.go, and ValidatePodLogOptions of
pkg/apis/core/validation.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from urllib.parse import urlencode

import grpc.aio

from emucluster.core.errors import FORBIDDEN, INVALID, BadRequest, Cause, Invalid, NotFound
from emucluster.core.objects import Pod
from emucluster.live.clock import wall_s
from emucluster.live.kubeapi.api import KubeApi
from emucluster.live.kubeapi.query import Query
from emucluster.live.kubeapi.request import Answer, Request
from emucluster.live.rpc.pb import lab_pb2

from .pods import container_of, node_of, pod_of, run_of

TEXT = "text/plain"


async def get(api: KubeApi, request: Request) -> Answer | None:
    """What a container has written, and with `follow` what it writes until it ends."""
    pod = pod_of(api, request)
    asked = _asked(pod.metadata.name, request.query)
    asked.container = container_of(pod, request.query.text("container"))
    if not pod.spec.node_name:
        return Answer(media=TEXT)  # as upstream: no host, no log, no error
    asked.previous = run_of(pod, asked.container, previous=asked.previous) == "previous"
    async with contextlib.aclosing(chunks(api, pod, asked)) as pieces:
        first = await anext(pieces, b"")
        await request.start(media=TEXT)
        await request.piece(first)
        sending = asyncio.create_task(_send(request, pieces))
        gone = asyncio.create_task(request.gone())
        try:
            await asyncio.wait([sending, gone], return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            sending.cancel()
            gone.cancel()
            await asyncio.gather(sending, gone, return_exceptions=True)
    return None


async def chunks(api: KubeApi, pod: Pod, asked: lab_pb2.LogsRequest) -> AsyncGenerator[bytes, None]:
    """A log from the node that has it; a first empty piece tells that there is one.

    Raises BadRequest where there is none, ApiError when the node does not answer.
    """
    asked.namespace, asked.pod = pod.metadata.namespace, pod.metadata.name
    asked.uid = pod.metadata.uid
    async with api.ways.agent(node_of(api, pod)) as agent:
        call = agent.stub.Logs(asked, metadata=agent.metadata)
        try:
            async for chunk in call:
                yield chunk.data
        except grpc.aio.AioRpcError as error:
            failed = agent.error(error, getting=_kubelet_path(asked))
            raise BadRequest(str(failed)) if isinstance(failed, NotFound) else failed from error
        finally:
            call.cancel()


def _kubelet_path(asked: lab_pb2.LogsRequest) -> str:
    """Where upstream's kubelet would serve this (LogLocation of pkg/registry/core/pod)."""
    asked_for: dict[str, str] = {
        name: "true" for name in ("follow", "previous", "timestamps") if getattr(asked, name)
    }
    if asked.HasField("limit_bytes"):
        asked_for["limitBytes"] = str(asked.limit_bytes)
    if asked.HasField("since_s"):
        since = datetime.fromtimestamp(asked.since_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        asked_for["sinceTime"] = since
    if asked.HasField("tail"):
        asked_for["tailLines"] = str(asked.tail)
    path = f"/containerLogs/{asked.namespace}/{asked.pod}/{asked.container}"
    query = urlencode(sorted(asked_for.items()))
    return f"{path}?{query}" if query else path


async def _send(request: Request, pieces: AsyncGenerator[bytes, None]) -> None:
    async for piece in pieces:
        if piece:
            await request.piece(piece)
    await request.piece(b"", last=True)


def _asked(pod: str, query: Query) -> lab_pb2.LogsRequest:
    """PodLogOptions. Raises BadRequest, Invalid."""
    tail, limit = query.number("tailLines"), query.number("limitBytes")
    since_s, since_time = query.number("sinceSeconds"), query.text("sinceTime")
    causes = []
    if tail is not None and tail < 0:
        causes.append(_invalid("tailLines", tail, "must be greater than or equal to 0"))
    if limit is not None and limit < 1:
        causes.append(_invalid("limitBytes", limit, "must be greater than 0"))
    if since_s is not None and since_time:
        text = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
        causes.append(Cause("", FORBIDDEN, text))
    elif since_s is not None and since_s < 1:
        causes.append(_invalid("sinceSeconds", since_s, "must be greater than 0"))
    if causes:
        raise Invalid.of("PodLogOptions", pod, causes)
    since = wall_s() - since_s if since_s is not None else _moment(since_time)
    return lab_pb2.LogsRequest(
        follow=bool(query.flag("follow")),
        previous=bool(query.flag("previous")),
        timestamps=bool(query.flag("timestamps")),
        tail=tail,
        limit_bytes=limit,
        since_s=since,
    )


def _moment(text: str) -> float | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadRequest(f'parsing time "{text}" as RFC 3339: cannot parse') from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _invalid(field: str, value: int, why: str) -> Cause:
    return Cause(field, INVALID, f"Invalid value: {value}: {why}")
