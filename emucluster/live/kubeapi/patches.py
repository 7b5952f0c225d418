"""`patch`: the four kinds of patches, of objects and of their status.

Order of things as in k8s.io/apiserver pkg/endpoints/handlers/patch.go: the object as the client
sees it, the patch, strict decoding, admission.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from emucluster.core.errors import BadRequest, Conflict, NotFound, UnsupportedMediaType
from emucluster.core.objects import Object, codec
from emucluster.core.objects.registry import Resource
from emucluster.core.objects.views import as_served
from emucluster.core.patching import json_patch, managed, merge_patch, strategic
from emucluster.core.patching.accounts import settled
from emucluster.core.schemas.schema import Schema
from emucluster.live.clock import stamp

from . import answers, bodies
from .api import KubeApi
from .query import WriteOptions, write_options
from .request import Answer, Request
from .sizes import OPERATIONS_VALUES_MAX, VALUES_MAX
from .writes import note_stored_only, part_of, placed

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
PATCHES = (JSON_PATCH, MERGE_PATCH, STRATEGIC, APPLY)

Tree = dict[str, Any]


async def patch(api: KubeApi, request: Request) -> Answer:
    """An object, or its status, with a part changed."""
    assert request.target is not None
    row = api.resource(request)
    part = part_of(row, request.target.subresource)
    shape = api.shape(request, row)
    media = bodies.media_type(request)
    options = write_options(request.query, "PatchOptions", apply=media == APPLY)
    data = await request.body()
    note_stored_only(request, row)
    if media == APPLY:
        written, status = await applied(api, request, row, options, part, data)
        return answers.shaped(request, shape.one(written), status=status)
    schema = api.accounting.schema(row)
    change = changer(media, data, row, schema)
    strategic_patch = data if media == STRATEGIC else None
    account = api.accounting.account(request, row, options)

    def decide() -> Object:
        current = as_served(api.existing(request, row), row)
        tree = named_as(change(codec.to_tree(current)), row)
        sent = bodies.patched(
            *(request, tree, row, options, schema, tree, api.admission.preparation),
            strategic=strategic_patch,
        )
        account.sent = (tree.get("metadata") or {}).get("managedFields")
        obj = placed(request, row, sent)
        return api.admission.update(
            obj,
            stamp=account.stamp,
            subresource=part,
            account=account,
            dry_run=options.dry_run,
            warnings=request.warnings,
        )

    return answers.shaped(request, shape.one(await api.write(decide)))


async def applied(
    api: KubeApi,
    request: Request,
    row: Resource,
    options: WriteOptions,
    part: Literal["", "status"],
    data: bytes,
) -> tuple[Object, int]:
    """Server-side apply: the object and 200, or 201 if it did not exist."""
    config = await bodies.yaml_or_json(data)
    schema, now = api.accounting.schema(row), stamp()

    def decide() -> tuple[Object, int]:
        assert request.target is not None
        target = request.target
        stored = api.store.get(row.kind_key, target.namespace, target.name)
        if stored is None and part:
            raise NotFound.of(row.qualified_plural, target.name)
        tree = managed.applied(
            None if stored is None else codec.to_tree(as_served(stored, row)),
            config,
            manager=options.field_manager,
            force=options.force,
            subresource=part,
            stamp=now,
            schema=schema,
            has_status=row.has_status,
        )
        sent = bodies.patched(
            request, tree, row, options, schema, config, api.admission.preparation
        )
        obj = placed(request, row, sent)
        if stored is None and obj.metadata.uid:
            why = (
                f"uid mismatch: the provided object specified uid {obj.metadata.uid}, and no "
                "existing object was found"
            )
            raise Conflict.of(row.qualified_plural, target.name, why)
        if stored is None:
            return api.admission.create(
                obj, stamp=now, dry_run=options.dry_run, warnings=request.warnings
            ), 201
        changed = api.admission.update(
            obj,
            stamp=now,
            subresource=part,
            account=settled,
            dry_run=options.dry_run,
            warnings=request.warnings,
        )
        return changed, 200

    return await api.write(decide)


def changer(media: str, data: bytes, row: Resource, schema: Schema) -> Callable[[Tree], Any]:
    """What a patch does to an object's tree. Raises UnsupportedMediaType, BadRequest."""
    require(media, tuple(m for m in PATCHES if m != STRATEGIC or row.definition is None))
    most = OPERATIONS_VALUES_MAX if media == JSON_PATCH else VALUES_MAX
    sent = bodies.json(data, values_max=most)
    if media == JSON_PATCH:
        return lambda tree: json_patch.apply(tree, sent)
    if media == MERGE_PATCH:
        return lambda tree: merge_patch.apply(tree, sent)
    return lambda tree: strategic.apply(tree, sent, schema)


def require(media: str, accepted: Sequence[str]) -> None:
    """Raises UnsupportedMediaType for a kind of patch that is not taken."""
    if media not in accepted:
        raise UnsupportedMediaType.of(accepted)


def named_as(tree: Any, row: Resource) -> Tree:
    """What a patch has made, if it is still such an object. Raises BadRequest."""
    if not isinstance(tree, dict):
        raise BadRequest(f"a patched {row.kind} must be an object")
    return {"apiVersion": row.api_version, "kind": row.kind, **tree}
