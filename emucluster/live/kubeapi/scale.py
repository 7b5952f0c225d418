"""The `scale` subresource: how many replicas are wanted, and there are.

Type: k8s.io/api/autoscaling/v1 Scale; conversion: kubernetes pkg/registry/apps/*/storage, for
custom kinds k8s.io/apiextensions-apiserver pkg/registry/customresource/etcd.go.
"""

from __future__ import annotations

from typing import Any

from emucluster.core.admission.scale import scale_of, with_replicas
from emucluster.core.errors import INVALID, BadRequest, Cause, Invalid
from emucluster.core.objects import Object
from emucluster.core.objects.registry import Resource
from emucluster.core.patching import json_patch, merge_patch, strategic
from emucluster.core.schemas.schema import schema_of

from . import answers, bodies, patches
from .api import KubeApi
from .query import WriteOptions, write_options
from .request import Answer, Request

API_VERSION, KIND = "autoscaling/v1", "Scale"

Tree = dict[str, Any]


async def get(api: KubeApi, request: Request) -> Answer:
    """The scale of an object."""
    row = api.resource(request)
    obj = api.existing(request, row)
    await api.driver.settled()
    return answers.tree(request, shown(obj, row))


async def update(api: KubeApi, request: Request) -> Answer:
    """Set it from a whole Scale."""
    row = api.resource(request)
    options = write_options(request.query, "UpdateOptions")
    data = await request.body()
    sent = await bodies.to_tree(
        data, bodies.media_type(request), kind=KIND, api_version=API_VERSION
    )
    return await _written(api, request, row, options, lambda _: sent)


async def patch(api: KubeApi, request: Request) -> Answer:
    """Set it by a patch of the Scale."""
    row = api.resource(request)
    options = write_options(request.query, "PatchOptions")
    sent = bodies.json(await request.body())
    media = bodies.media_type(request)
    schema = schema_of(API_VERSION, KIND)
    assert schema is not None

    def change(tree: Tree) -> Any:
        if media == patches.JSON_PATCH:
            return json_patch.apply(tree, sent)
        if media == patches.MERGE_PATCH:
            return merge_patch.apply(tree, sent)
        return strategic.apply(tree, sent, schema)

    patches.require(media, (patches.JSON_PATCH, patches.MERGE_PATCH, patches.STRATEGIC))
    return await _written(api, request, row, options, change)


async def _written(
    api: KubeApi, request: Request, row: Resource, options: WriteOptions, change: Any
) -> Answer:
    account = api.accounting.account(request, row, options)

    def decide() -> Object:
        obj = api.existing(request, row)
        sent = change(shown(obj, row))
        replicas, version, uid = _read(sent, row, obj.metadata.name)
        api.store.check(obj, version=version, uid=uid)
        changed = with_replicas(obj, row, replicas)
        return api.admission.update(
            changed, stamp=account.stamp, account=account, dry_run=options.dry_run
        )

    return answers.tree(request, shown(await api.write(decide), row))


def shown(obj: Object, row: Resource) -> Tree:
    """The Scale of an object. Raises NotFound where a custom kind has none."""
    meta = obj.metadata
    metadata = {
        "name": meta.name,
        "namespace": meta.namespace,
        "uid": meta.uid,
        "resourceVersion": meta.resource_version,
        "creationTimestamp": meta.creation_timestamp,
    }
    scale = scale_of(obj, row)
    status: Tree = {"replicas": scale.current}
    if scale.selector:
        status["selector"] = scale.selector
    spec = {"replicas": scale.wanted} if scale.wanted else {}
    head = {"kind": KIND, "apiVersion": API_VERSION, "metadata": metadata}
    return {**head, "spec": spec, "status": status}


def _read(sent: Any, row: Resource, name: str) -> tuple[int, str | None, str | None]:
    """Replicas and preconditions of a Scale. Raises BadRequest, Invalid."""
    metadata = sent.get("metadata") if isinstance(sent, dict) else None
    spec = sent.get("spec") if isinstance(sent, dict) else None
    if not isinstance(metadata, dict) or not isinstance(spec, dict | None):
        raise BadRequest(f"a {KIND} has metadata and spec")
    if sent.get("kind") != KIND:
        raise BadRequest(f"expected a {KIND}, got {sent.get('kind')!r}")
    if metadata.get("name", name) not in (name, ""):
        raise BadRequest(
            f"the name of the object ({metadata['name']}) does not match the name on the URL "
            f"({name})"
        )
    replicas = (spec or {}).get("replicas") or 0
    if (
        isinstance(replicas, bool)
        or not isinstance(replicas, int)
        or not -(2**31) <= replicas < 2**31
    ):
        raise BadRequest(
            f'{KIND} in version "v1" cannot be handled as a {KIND}: json: cannot unmarshal '
            "spec.replicas into a field of type int32"
        )
    if replicas < 0:
        text = f"Invalid value: {replicas}: must be greater than or equal to 0"
        raise Invalid.of(f"{KIND}.autoscaling", name, [Cause("spec.replicas", INVALID, text)])
    return replicas, metadata.get("resourceVersion") or None, metadata.get("uid") or None
