"""`/openapi/v3`: the schemas by which kubectl checks manifests and explains fields.

Documents are made when they are first asked for, in a thread: all of them take longer than the
loop may wait.
"""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from typing import Any

from emucluster.core.errors import NotAcceptable, NotFound
from emucluster.core.schemas.openapi import Documents
from emucluster.live.clock import wall_s

from .api import NO_RESOURCE, KubeApi
from .discovery import kind_of_part, verbs_of
from .request import Answer, Request
from .virtual import VIRTUAL

KEPT_S = 365 * 24 * 3600.0

_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_NO_SCHEMAS = b"\x0a\x032.0\x12\x15\x0a\x0aKubernetes\x12\x07v1.32.0"
"""A gnostic `openapi.v2.Document` of version "2.0" without definitions.

kubectl has no other way to check a manifest of kind List than this document; of a kind that is not
in it, it checks nothing and leaves that to the server (kubectl pkg/validation/validation.go).
"""


class OpenApi:
    """The documents for the kinds that there are."""

    def __init__(self, api: KubeApi) -> None:
        self._kinds = api.store.kinds
        self._documents: Documents | None = None
        self._changes = -1

    async def answer(self, request: Request) -> Answer:
        """The index of all groups and versions, or the schemas of one. Raises NotFound.

        A document under the address that has its hash may be kept by the client for ever
        (k8s.io/kube-openapi/pkg/handler3); kubectl reads it anew otherwise.
        """
        match request.parts:
            case ("openapi", "v3"):
                document = await asyncio.to_thread(self._current().index)
                etag = f'"{document.hash}"'
                if request.headers.get("if-none-match") == etag:
                    return Answer(status=304, headers=(("etag", etag),))
                return Answer(document.body, headers=(("etag", etag),))
            case ("openapi", "v3", *path):
                found = await asyncio.to_thread(self._current().document, "/".join(path))
                if found is not None:
                    headers = [("etag", f'"{found.hash}"'), ("vary", "Accept")]
                    if request.query.text("hash") == found.hash:
                        expires = formatdate(wall_s() + KEPT_S, usegmt=True)
                        headers += [("cache-control", "public, immutable"), ("expires", expires)]
                    if request.headers.get("if-none-match") == f'"{found.hash}"':
                        return Answer(status=304, headers=(*headers,))
                    return Answer(found.body, headers=(*headers,))
            case ("openapi", "v2"):
                if "com.github.proto-openapi.spec.v2" in request.headers.get("accept", ""):
                    return Answer(_NO_SCHEMAS, media=_PROTOBUF)
                raise NotAcceptable.of(("application/json",))
        raise NotFound(NO_RESOURCE)

    def _current(self) -> Documents:
        if self._documents is None or self._changes != self._kinds.changes:
            rows: list[Any] = [*self._kinds.all(), *VIRTUAL]
            self._documents = Documents(rows, verbs_of=verbs_of, kind_of_part=kind_of_part)
            self._changes = self._kinds.changes
        return self._documents
