"""Defaults of pods and of what they are made of.

Source: kubernetes/kubernetes pkg/apis/core/v1/defaults.go; the two tolerations are the
DefaultTolerationSeconds admission plugin's, the priority is that of plugin Priority.
Of those that name a PriorityClass see `priorities`.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from emucluster.core.objects import (
    Container,
    ContainerPort,
    EnvVar,
    HTTPGetAction,
    LifecycleHandler,
    Pod,
    PodSecurityContext,
    PodSpec,
    Probe,
    ResourceRequirements,
    Toleration,
    replace,
)

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
TOLERATION_S = 300
GRACE_PERIOD_S = 30
_NO_SECURITY_CONTEXT, _NO_RESOURCES = PodSecurityContext(), ResourceRequirements()

S = TypeVar("S", bound=msgspec.Struct)


def filled(part: S, **defaults: object) -> S:
    """`part` with those fields set that are absent; itself where none is."""
    absent = {name: value for name, value in defaults.items() if getattr(part, name) is None}
    return replace(part, **absent) if absent else part


def pod_with_defaults(pod: Pod) -> Pod:
    """Pods have more than templates: tolerations, a priority, service links, requests, a phase."""
    spec = filled(pod_spec(pod.spec), enable_service_links=True)
    if not spec.priority_class_name:
        spec = filled(spec, priority=0, preemption_policy="PreemptLowerPriority")
    spec = replace(
        spec,
        tolerations=_tolerations(spec.tolerations),
        containers=tuple(map(_requests, spec.containers)),
        init_containers=tuple(map(_requests, spec.init_containers)),
    )
    return with_pod_state(replace(pod, spec=spec))


def with_pod_state(pod: Pod) -> Pod:
    """What a pod has that its spec does not decide."""
    return replace(pod, status=filled(pod.status, phase="Pending"))


def pod_spec(spec: PodSpec) -> PodSpec:
    """What pods and pod templates share."""
    spec = filled(
        spec,
        restart_policy="Always",
        termination_grace_period_seconds=GRACE_PERIOD_S,
        dns_policy="ClusterFirst",
        scheduler_name="default-scheduler",
        security_context=_NO_SECURITY_CONTEXT,
    )
    host_network = bool(spec.host_network)
    return replace(
        spec,
        containers=tuple(_container(c, host_network) for c in spec.containers),
        init_containers=tuple(_container(c, host_network) for c in spec.init_containers),
    )


def _requests(container: Container) -> Container:
    """Of what has a limit and no request, the limit is requested (SetDefaults_Pod)."""
    resources = container.resources
    if resources is None or resources.limits is None:
        return container
    requests = {**resources.limits, **(resources.requests or {})}
    return replace(container, resources=replace(resources, requests=requests))


def _container(container: Container, host_network: bool) -> Container:
    # To Go, whose clients send `resources: {}`, no requirements and empty ones are the same.
    container = filled(
        container,
        resources=_NO_RESOURCES,
        image_pull_policy=pull_policy(container.image or ""),
        termination_message_path="/dev/termination-log",
        termination_message_policy="File",
    )
    lifecycle = container.lifecycle
    if lifecycle is not None:
        lifecycle = replace(
            lifecycle,
            pre_stop=_handler(lifecycle.pre_stop),
            post_start=_handler(lifecycle.post_start),
        )
    return replace(
        container,
        ports=tuple(_port(port, host_network) for port in container.ports),
        env=tuple(_variable(variable) for variable in container.env),
        liveness_probe=_probe(container.liveness_probe),
        readiness_probe=_probe(container.readiness_probe),
        startup_probe=_probe(container.startup_probe),
        lifecycle=lifecycle,
    )


def pull_policy(image: str) -> str:
    """`Always` for `:latest` and for no tag, else `IfNotPresent`."""
    if "@" in image:
        return "IfNotPresent"
    _, colon, tag = image.rpartition("/")[2].partition(":")
    return "IfNotPresent" if colon and tag != "latest" else "Always"


def _port(port: ContainerPort, host_network: bool) -> ContainerPort:
    port = filled(port, protocol="TCP")
    if host_network and not port.host_port:
        return replace(port, host_port=port.container_port)
    return port


def _variable(variable: EnvVar) -> EnvVar:
    source = variable.value_from
    if source is None or source.field_ref is None or source.field_ref.api_version:
        return variable
    field_ref = replace(source.field_ref, api_version="v1")
    return replace(variable, value_from=replace(source, field_ref=field_ref))


def _probe(probe: Probe | None) -> Probe | None:
    if probe is None:
        return None
    # Zero means "not given" to Go, where these are plain integers.
    times = {
        name: value
        for name, value in {
            "timeout_seconds": 1,
            "period_seconds": 10,
            "success_threshold": 1,
            "failure_threshold": 3,
        }.items()
        if not getattr(probe, name)
    }
    grpc = filled(probe.grpc, service="") if probe.grpc is not None else None
    return replace(probe, http_get=_http(probe.http_get), grpc=grpc, **times)


def _handler(handler: LifecycleHandler | None) -> LifecycleHandler | None:
    return handler and replace(handler, http_get=_http(handler.http_get))


def _http(action: HTTPGetAction | None) -> HTTPGetAction | None:
    if action is None:
        return None
    return replace(action, path=action.path or "/", scheme=action.scheme or "HTTP")


def _tolerations(given: tuple[Toleration, ...]) -> tuple[Toleration, ...]:
    added = tuple(
        Toleration(key=key, operator="Exists", effect="NoExecute", toleration_seconds=TOLERATION_S)
        for key in (NOT_READY, UNREACHABLE)
        if not any(t.key in (key, None, "") and t.effect in ("NoExecute", None, "") for t in given)
    )
    return given + added
