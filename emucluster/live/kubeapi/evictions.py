"""The `eviction` subresource of pods, by which `kubectl drain` empties a node.

Source: kubernetes pkg/registry/core/pod/storage/eviction.go; the decision is admission's.
"""

from __future__ import annotations

from emucluster.core.errors import BadRequest
from emucluster.live.clock import stamp

from . import answers, bodies
from .api import KubeApi
from .deletes import options_in
from .query import write_options
from .request import Answer, Request

API_VERSIONS = ("policy/v1", "policy/v1beta1")


async def create(api: KubeApi, request: Request) -> Answer:
    """Delete a pod, unless a PodDisruptionBudget is against it."""
    assert request.target is not None
    target = request.target
    asked = write_options(request.query, "CreateOptions")
    media = bodies.media_type(request)
    tree = await bodies.to_tree(
        await request.body(), media, kind="Eviction", api_version=API_VERSIONS[0]
    )
    if tree["kind"] != "Eviction" or tree["apiVersion"] not in API_VERSIONS:
        raise BadRequest(
            f"{tree['kind']} in {tree['apiVersion']} is no Eviction of {API_VERSIONS[0]}"
        )
    metadata = tree.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if name and name != target.name:
        raise BadRequest("name in URL does not match name in Eviction object")
    options = options_in(tree.get("deleteOptions") or {})
    await api.write(
        lambda: api.admission.evict(
            target.namespace,
            target.name,
            stamp=stamp(),
            grace_period_s=options.grace_period_s,
            uid=options.uid,
            expect=options.resource_version,
            dry_run=options.dry_run or asked.dry_run,
        )
    )
    return answers.success(request, status=201)
