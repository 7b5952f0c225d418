"""Which handler answers a request.

`SUBRESOURCES` and `VIRTUAL_HANDLERS` are where streams (`log`, `exec`, ...) and resources without a
store come in: a handler takes the `KubeApi` and the `Request`, and returns an `Answer`, or None
after it has answered by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from emucluster.core.errors import MethodNotAllowed, NotFound

from . import (
    answers,
    bindings,
    evictions,
    patches,
    reads,
    refusals,
    reviews,
    scale,
    usage,
    watches,
    writes,
)
from .api import NO_RESOURCE, KubeApi
from .discovery import Document, verbs_of
from .request import Answer, Request
from .streams import commands, log, port_forward

Handler: TypeAlias = Callable[[KubeApi, Request], Awaitable[Answer | None]]

VERBS: Mapping[str, Handler] = {
    "get": reads.get,
    "list": reads.list_,
    "watch": watches.watch,
    "create": writes.create,
    "update": writes.update,
    "patch": patches.patch,
    "delete": writes.delete,
    "deletecollection": writes.delete_collection,
}

_NO_PROXY: Mapping[str, Handler] = dict.fromkeys(
    ("get", "create", "update", "patch", "delete"), refusals.proxy
)

SUBRESOURCES: Mapping[tuple[str, str, str], Mapping[str, Handler]] = {
    ("", "pods", "binding"): {"create": bindings.create},
    ("", "pods", "eviction"): {"create": evictions.create},
    ("", "serviceaccounts", "token"): {"create": refusals.token},
    ("", "namespaces", "finalize"): {"update": writes.finalize},
    **{("", plural, "proxy"): _NO_PROXY for plural in ("nodes", "pods", "services")},
    ("", "pods", "log"): {"get": log.get},
    ("", "pods", "exec"): {"get": commands.exec_, "create": commands.exec_},
    ("", "pods", "attach"): {"get": commands.attach, "create": commands.attach},
    ("", "pods", "portforward"): {
        "get": port_forward.port_forward,
        "create": port_forward.port_forward,
    },
}
"""By (group, plural, subresource): handlers by verb. `get` is also that of a WebSocket."""

PARTS: Mapping[str, Mapping[str, Handler]] = {
    "status": {"get": reads.get, "update": writes.update, "patch": patches.patch},
    "scale": {"get": scale.get, "update": scale.update, "patch": scale.patch},
}
"""Of subresources that several kinds have, where the kind's `subresources` say so."""

VIRTUAL_HANDLERS: Mapping[tuple[str, str], Mapping[str, Handler]] = {
    ("authentication.k8s.io", "selfsubjectreviews"): {"create": reviews.self_subject},
    ("authorization.k8s.io", "selfsubjectaccessreviews"): {"create": reviews.self_access},
    ("authorization.k8s.io", "selfsubjectrulesreviews"): {"create": reviews.self_rules},
    ("authorization.k8s.io", "subjectaccessreviews"): {"create": reviews.access},
    (usage.GROUP, "nodes"): {"get": usage.get, "list": usage.list_},
    (usage.GROUP, "pods"): {"get": usage.get, "list": usage.list_},
}

_ONE_OR_MANY = frozenset(["create", "patch", "update"])
"""Verbs whose HTTP methods mean a collection (create) or an object (the others) alone."""

LONG_RUNNING_SUBRESOURCES = frozenset(["attach", "exec", "portforward", "proxy"])


def is_long_running(request: Request) -> bool:
    """Whether a request may last (kubernetes pkg/controlplane/apiserver, longRunningFunc)."""
    if request.verb == "watch":
        return True
    target = request.target
    if target is None:
        return False
    if target.subresource == "log":
        return bool(request.query.flag("follow"))
    return target.subresource in LONG_RUNNING_SUBRESOURCES


def handler(request: Request, api: KubeApi) -> Handler:
    """Of a request for a resource. Raises NotFound, MethodNotAllowed."""
    target = request.target
    assert target is not None
    virtual = VIRTUAL_HANDLERS.get((target.group, target.plural))
    if virtual is not None:
        return _of_verb(virtual, request)
    row = api.resource(request)
    if row.namespaced and not target.namespace and (target.name or request.verb == "create"):
        raise NotFound(NO_RESOURCE)
    if not row.namespaced and target.namespace:
        raise NotFound(NO_RESOURCE)
    if not target.subresource:
        if request.verb not in verbs_of(row):
            raise MethodNotAllowed
        if bool(target.name) is (request.verb == "create") and request.verb in _ONE_OR_MANY:
            raise MethodNotAllowed
        return _of_verb(VERBS, request)
    own = SUBRESOURCES.get((target.group, target.plural, target.subresource))
    if own is not None:
        return _of_verb(own, request)
    if target.subresource in row.subresources and target.subresource in PARTS:
        return _of_verb(PARTS[target.subresource], request)
    raise NotFound(NO_RESOURCE)


def _of_verb(handlers: Mapping[str, Handler], request: Request) -> Handler:
    found = handlers.get(request.verb)
    if found is None:
        raise MethodNotAllowed
    return found


def discovery(api: KubeApi, request: Request) -> Answer | None:
    """`/`, `/api`, `/apis` and what is below them; None where there is nothing."""
    documents, parts = api.documents, request.parts
    document: Document | None = None
    match parts:
        case ("api",) | ("apis",):
            if request.wanted.shape == "discovery":
                version = request.wanted.version
                document = documents.aggregated(core=parts == ("api",), version=version)
                kind = f"{version};as=APIGroupDiscoveryList"
                media = f"application/json;g=apidiscovery.k8s.io;v={kind}"
                return _document(request, document, media)
            document = documents.api_versions() if parts == ("api",) else documents.groups()
        case ("api", version):
            document = documents.resources("", version)
        case ("apis", group):
            document = documents.group(group)
        case ("apis", group, version):
            document = documents.resources(group, version)
    return None if document is None else _document(request, document, request.wanted.media)


def _document(request: Request, document: Document, media: str) -> Answer:
    headers = (("etag", document.etag), ("vary", "Accept"))
    if request.headers.get("if-none-match") == document.etag:
        return Answer(status=304, media=media, headers=headers)
    body = answers.dressed(request, request.wanted, document.body)
    return Answer(body, media=media, headers=headers)
