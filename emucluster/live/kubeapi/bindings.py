"""The `binding` subresource of pods: where a scheduler of one's own says on which node one runs.

Source: kubernetes pkg/registry/core/pod/storage/storage.go (BindingREST).
"""

from __future__ import annotations

from emucluster.core.errors import REQUIRED, Cause, Conflict, Invalid
from emucluster.core.objects import Object, Pod, PodCondition, replace
from emucluster.live.clock import stamp

from . import answers, bodies
from .api import KubeApi
from .query import write_options
from .request import Answer, Request


async def create(api: KubeApi, request: Request) -> Answer:
    """Bind a pod to the node that a Binding names."""
    row = api.resource(request)
    options = write_options(request.query, "CreateOptions")
    media = bodies.media_type(request)
    tree = await bodies.to_tree(await request.body(), media, kind="Binding")
    target = tree.get("target")
    name = target.get("name") if isinstance(target, dict) else None
    if not isinstance(name, str) or not name:
        causes = [Cause("target.name", REQUIRED, "Required value")]
        raise Invalid.of("Binding", "", causes)

    def decide() -> Object:
        pod = api.existing(request, row)
        assert isinstance(pod, Pod)
        if pod.metadata.deletion_timestamp is not None:
            raise Conflict.of(
                "pods/binding",
                pod.metadata.name,
                f"pod {pod.metadata.name} is being deleted, cannot be assigned to a host",
            )
        if pod.spec.node_name:
            why = f'pod {pod.metadata.name} is already assigned to node "{pod.spec.node_name}"'
            raise Conflict.of("pods/binding", pod.metadata.name, why)
        spec = replace(pod.spec, node_name=name)
        scheduled = PodCondition(type="PodScheduled", status="True", last_transition_time=stamp())
        others = tuple(c for c in pod.status.conditions if c.type != "PodScheduled")
        status = replace(pod.status, conditions=(*others, scheduled))
        bound = replace(pod, spec=spec, status=status)
        return api.store.update(bound, subresource="replace", dry_run=options.dry_run)

    await api.write(decide)
    return answers.success(request, status=201)
