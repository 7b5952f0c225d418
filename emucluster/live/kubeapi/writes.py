"""`create`, `update`, `delete`, `deletecollection`: of objects, and of their status."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

from emucluster.core.errors import BadRequest, NotFound
from emucluster.core.objects import Namespace, Object, replace
from emucluster.core.objects.registry import Resource
from emucluster.core.objects.views import as_stored
from emucluster.live.clock import stamp

from . import answers, bodies
from .accounting import managed_fields_in
from .api import NO_RESOURCE, KubeApi
from .deletes import DeleteOptions, delete_options
from .pieces import PIECE_OBJECTS_MAX
from .query import list_options, write_options
from .reads import page, send_list
from .request import Answer, Request

RETURNED = frozenset(
    (
        *("persistentvolumeclaims", "persistentvolumes", "pods", "resourcequotas"),
        *("serviceaccounts", "services"),
    )
)
"""Resources of which a delete returns the object that is gone, and not a Status (their
ReturnDeletedObject in kubernetes pkg/registry/core)."""


ACTED_ON_IN_PART = {
    "priorityclasses": (
        "priorityclasses.scheduling.k8s.io give pods their priority, but nothing in this cluster "
        "preempts, or schedules by it"
    )
}


async def create(api: KubeApi, request: Request) -> Answer:
    """A new object."""
    row = api.resource(request)
    shape = api.shape(request, row)
    options = write_options(request.query, "CreateOptions")
    data = await request.body()
    sent = await api.decoded(request, data, row, options)
    obj = placed(request, row, sent)
    note_stored_only(request, row)
    account = api.accounting.account(request, row, options)
    created = await api.write(
        lambda: api.admission.create(
            obj,
            stamp=account.stamp,
            account=account,
            dry_run=options.dry_run,
            warnings=request.warnings,
        )
    )
    return answers.shaped(request, shape.one(created), status=201)


async def update(api: KubeApi, request: Request) -> Answer:
    """An object, or its status, as a whole."""
    assert request.target is not None
    row = api.resource(request)
    part = part_of(row, request.target.subresource)
    shape = api.shape(request, row)
    options = write_options(request.query, "UpdateOptions")
    data = await request.body()
    sent = await api.decoded(request, data, row, options)
    obj = placed(request, row, sent)
    note_stored_only(request, row)
    managed = managed_fields_in(sent, data)
    account = api.accounting.account(request, row, options, sent=managed)
    updated = await api.write(
        lambda: api.admission.update(
            obj,
            stamp=account.stamp,
            subresource=part,
            account=account,
            dry_run=options.dry_run,
            warnings=request.warnings,
        )
    )
    return answers.shaped(request, shape.one(updated))


async def finalize(api: KubeApi, request: Request) -> Answer:
    """A namespace's own finalizers, which no other request can change."""
    row = api.resource(request)
    shape = api.shape(request, row)
    options = write_options(request.query, "UpdateOptions")
    data = await request.body()
    sent = await api.decoded(request, data, row, options)
    obj = placed(request, row, sent)
    assert isinstance(obj, Namespace)
    account = api.accounting.account(request, row, options)
    updated = await api.write(
        lambda: api.admission.finalize(obj, account=account, dry_run=options.dry_run)
    )
    return answers.shaped(request, shape.one(updated))


def part_of(row: Resource, subresource: str) -> Literal["", "status"]:
    """Which part a write is for. Raises NotFound where the kind has no such part."""
    if subresource == "":
        return ""
    if subresource == "status" and row.has_status:
        return "status"
    raise NotFound(NO_RESOURCE)


def placed(request: Request, row: Resource, obj: Object) -> Object:
    """The object as it is stored, where the path puts it. Raises BadRequest if it says otherwise.

    Source: k8s.io/apiserver pkg/endpoints/handlers (checkName, EnsureObjectNamespaceMatches...).
    """
    target = request.target
    assert target is not None
    metadata = obj.metadata
    if target.name and metadata.name != target.name:
        if metadata.name:
            raise BadRequest(
                f"the name of the object ({metadata.name}) does not match the name on the URL "
                f"({target.name})"
            )
        raise BadRequest("name must be provided")
    if metadata.namespace != target.namespace:
        if metadata.namespace and row.namespaced:
            raise BadRequest(
                "the namespace of the provided object does not match the namespace sent on the "
                "request"
            )
        obj = replace(obj, metadata=replace(metadata, namespace=target.namespace))
    return as_stored(obj, row)


def note_stored_only(request: Request, row: Resource) -> None:
    """Tell whoever writes a kind on which nothing acts."""
    if not row.acted_on:
        text = f"{row.qualified_plural} are stored, but nothing in this cluster acts on them"
        request.warnings.append(ACTED_ON_IN_PART.get(row.plural, text))


async def delete(api: KubeApi, request: Request) -> Answer:
    """One object: gone, or on its way."""
    assert request.target is not None
    target = request.target
    if target.subresource:
        raise NotFound(NO_RESOURCE)
    row = api.resource(request)
    shape = api.shape(request, row)
    options = await delete_options(request.query, await request.body(), bodies.media_type(request))

    def decide() -> tuple[Object, bool]:
        obj = _delete(api, row, target.namespace, target.name, options)
        there = api.store.get(row.kind_key, target.namespace, target.name) is not None
        return obj, there and not options.dry_run

    obj, there = await api.write(decide)
    if there or row.plural in RETURNED:
        status = 202 if there and options.orphan_dependents is False else 200
        return answers.shaped(request, shape.one(obj), status=status)
    details: dict[str, Any] = {"name": obj.metadata.name}
    if row.group:
        details["group"] = row.group
    details |= {"kind": row.plural, "uid": obj.metadata.uid}
    return answers.success(request, details=details)


async def delete_collection(api: KubeApi, request: Request) -> Answer | None:
    """All objects that a list with the same selectors shows."""
    assert request.target is not None
    target = request.target
    row = api.resource(request)
    shape = api.shape(request, row)
    data = await request.body()
    options = await delete_options(request.query, data, bodies.media_type(request))
    found = page(api, row, target.namespace, list_options(request.query))

    def decide(objects: Sequence[Object]) -> None:
        for obj in objects:
            metadata = obj.metadata
            try:
                _delete(api, row, metadata.namespace, metadata.name, options)
            except NotFound:
                continue  # another of them has taken it along

    for start in range(
        0, len(found.objects), PIECE_OBJECTS_MAX
    ):  # thousands would hold up everybody else
        part = found.objects[start : start + PIECE_OBJECTS_MAX]
        await api.write(partial(decide, part))
    return await send_list(request, shape, found)


def _delete(
    api: KubeApi, row: Resource, namespace: str, name: str, options: DeleteOptions
) -> Object:
    return api.admission.delete(
        row.kind_key,
        namespace,
        name,
        stamp=stamp(),
        grace_period_s=options.grace_period_s,
        uid=options.uid,
        expect=options.resource_version,
        propagation=options.propagation,
        dry_run=options.dry_run,
    )
