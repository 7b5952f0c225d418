"""One request from its first byte to its last: who asks, what he may, how long it may take.

As the chain of handlers in k8s.io/apiserver pkg/server/config.go (DefaultBuildHandlerChain).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, TypeAlias

from emucluster.core.errors import (
    ApiError,
    BadRequest,
    EmuclusterError,
    InternalError,
    MethodNotAllowed,
    NotFound,
    Timeout,
    TooManyRequests,
)
from emucluster.live.clock import now_s

from . import answers, durations, health, paths, router, users
from .accept import negotiate
from .api import NO_RESOURCE, KubeApi
from .limits import Limits
from .openapi import OpenApi
from .query import Query
from .request import Answer, Receive, Request, Send
from .requests_seen import RequestsSeen
from .users import User

REQUEST_TIMEOUT_S = 60.0
"""--request-timeout of kube-apiserver: for whatever does not stream."""

_WRITES = frozenset(["create", "update", "patch", "delete", "deletecollection"])

Introduce: TypeAlias = Callable[[User], bool]
"""Tells the connection whose it is; False: he has too many of them."""

log = logging.getLogger("emucluster.kubeapi")


class _Unfinished(Exception):
    """Something failed in the middle of an answer."""


class App:
    """The ASGI application. `tokens` are the bearers' users."""

    def __init__(self, api: KubeApi, tokens: Mapping[str, User], seen: RequestsSeen) -> None:
        self._api = api
        self._tokens = tokens
        self._seen = seen
        self._limits = Limits()
        self._openapi = OpenApi(api)
        self._checks: Mapping[str, health.Check] = {
            "ping": lambda: True,
            "log": lambda: True,
            "storage": lambda: api.driver.failure is None,
        }

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return
        request = _request(scope, receive, send)
        state = scope["state"]
        started_s = now_s()
        code = 500
        try:
            code = await self._answered(request, state.get("user"), state.get("introduce"))
        except asyncio.CancelledError:
            code = 0  # only ever by the server that stops, which has closed the connection
        except _Unfinished as unfinished:
            code = 0  # the connection is closed, since the end of the answer is missing
            log.info("%s %s broken off: %s", request.method, request.path, unfinished)
        finally:
            self._seen.ended(request, code, now_s() - started_s)

    async def _answered(
        self, request: Request, certificate: User | None, introduce: Introduce | None
    ) -> int:
        """Answer, whatever happens, and return the code."""
        try:
            answer = await self._handled(request, certificate, introduce)
        except EmuclusterError as error:
            answer = self._failed(request, error)
        except Exception as error:
            log.exception("%s %s", request.method, request.path)
            answer = self._failed(request, InternalError.of(f"{type(error).__name__}: {error}"))
        if answer is None:
            return request.status
        try:
            sending = self._limits.answer(request.user, len(answer.body))
        except TooManyRequests as error:
            answer = self._failed(request, error)
            sending = nullcontext()
        with sending:
            await request.answer(answer)
        return answer.status

    def _failed(self, request: Request, error: EmuclusterError) -> Answer:
        """The Status. Raises _Unfinished where an answer is under way already."""
        if request.started:
            raise _Unfinished(error) from error
        known = error if isinstance(error, ApiError) else InternalError.of(str(error))
        return answers.failure(request, known)

    async def _handled(
        self, request: Request, certificate: User | None, introduce: Introduce | None
    ) -> Answer | None:
        if self._api.late.in_force:
            await self._api.late.wait()
        known = users.authenticate(request.headers, self._tokens, certificate)
        if introduce is not None and not introduce(known):
            raise TooManyRequests
        request.user = users.acting(known, request.headers)
        request.target = target = paths.target(request.parts)
        watch = request.query.flag("watch") or (target is not None and target.watch)
        request.verb = users.verb_of(request.method, target, watch=bool(watch))
        users.require(users.Attributes(request.user, request.verb, request.path, target))
        if router.is_long_running(request):
            with self._seen.lasting():
                return await self._dispatched(request)
        writes = request.verb in _WRITES
        with self._limits.slot(request.user, writes=writes) as slot, self._seen.counted(writes):
            request.waiting = slot.waiting_for_body
            return await self._in_time(request)

    async def _in_time(self, request: Request) -> Answer | None:
        try:
            async with asyncio.timeout(_timeout_s(request.query)):
                return await self._dispatched(request)
        except TimeoutError:
            raise Timeout("Timeout: request did not complete within the allotted timeout") from None

    async def _dispatched(self, request: Request) -> Answer | None:
        if request.target is not None:
            request.wanted = negotiate(request.headers.get("accept", ""))
            return await router.handler(request, self._api)(self._api, request)
        if request.method not in ("GET", "HEAD"):
            raise MethodNotAllowed
        return await self._document(request)

    async def _document(self, request: Request) -> Answer:
        """What is no resource."""
        first = request.parts[0] if request.parts else ""
        accept = request.headers.get("accept", "")
        if first in health.KINDS:
            return health.health(request, self._checks)
        if request.parts == ("version",):
            return health.version(request)
        if request.parts == ("metrics",):
            return self._seen.page(self._api)
        if first == "openapi":
            return await self._openapi.answer(request)
        if first in ("api", "apis"):
            request.wanted = negotiate(accept, discovery=len(request.parts) == 1)
            if (found := router.discovery(self._api, request)) is not None:
                return found
        if not first:
            return answers.tree(request, {"paths": self._paths()})
        raise NotFound(NO_RESOURCE)

    def _paths(self) -> list[str]:
        versions = self._api.documents.group_versions()
        found = {
            f"/apis/{group}/{version}" if group else f"/api/{version}"
            for group, version in versions
        }
        found |= {f"/apis/{group}" for group, _ in versions if group}
        found |= {f"/{kind}" for kind in health.KINDS}
        return sorted({*found, "/api", "/apis", "/metrics", "/openapi/v3", "/version"})


def _request(scope: Any, receive: Receive, send: Send) -> Request:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    path = scope["raw_path"].decode("latin-1")
    return Request(
        method=scope.get("method", "GET"),
        path=path,
        parts=paths.segments(path),
        query=Query(scope["query_string"]),
        headers=headers,
        receive=receive,
        send=send,
        websocket=scope["type"] == "websocket",
        subprotocols=tuple(scope.get("subprotocols", ())),
    )


def _timeout_s(query: Query) -> float:
    """What the client grants, at most what the server does. Raises BadRequest."""
    text = query.text("timeout")
    if not text:
        return REQUEST_TIMEOUT_S
    asked_s = durations.parse(text)
    if asked_s is None:
        raise BadRequest("invalid timeout specified in the request URL")
    return min(asked_s or REQUEST_TIMEOUT_S, REQUEST_TIMEOUT_S)
