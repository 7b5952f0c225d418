"""From a container of a pod's spec to what the runtime starts."""

from __future__ import annotations

from collections.abc import Iterable

from emucluster.core.kubelet import wording
from emucluster.core.kubelet.commands import ContainerSpec, PortSpec
from emucluster.core.kubelet.environment import PodFacts, Sources, container_environment
from emucluster.core.kubelet.expansion import expand_all
from emucluster.core.kubelet.image import Image, completing, is_stand_in
from emucluster.core.objects import (
    Container,
    Lifecycle,
    LifecycleHandler,
    Probe,
    Service,
    replace,
)

SOURCE_DIR_ANNOTATION = "emucluster.dev/source-dir"
"""The manifest's directory: user code is found relative to it."""
SOURCE_DIGEST_ANNOTATION = "emucluster.dev/source-digest"
"""Names a copy of that directory, on hosts to which it was shipped."""
STAND_IN_PORT = 50051
"""Where a stand-in serves whose container declares no TCP port."""


def container_spec(
    container: Container,
    image: Image,
    facts: PodFacts,
    *,
    sources: Sources,
    services: Iterable[Service],
    is_init: bool,
) -> ContainerSpec:
    """Everything resolved and expanded. Raises `ConfigError` for what cannot be.

    A stand-in gets the environment and the ports, and nothing that only the image understands.
    """
    stand_in = is_stand_in(image)
    env = container_environment(container, facts, sources=sources, services=services)
    if stand_in:
        ports = () if is_init else stand_in_ports(container)
        image = completing(image) if is_init else image
        return ContainerSpec(
            container.name, image, tuple(env.items()), ports=ports, runs_to_completion=is_init
        )
    annotations = facts.pod.metadata.annotations or {}
    return ContainerSpec(
        name=container.name,
        image=image,
        env=tuple(env.items()),
        command=expand_all(container.command, env),
        args=expand_all(container.args, env),
        ports=_tcp_ports(container),
        working_dir=container.working_dir or "",
        source_dir=annotations.get(SOURCE_DIR_ANNOTATION, ""),
        source_digest=annotations.get(SOURCE_DIGEST_ANNOTATION, ""),
        runs_to_completion=is_init,
        # A terminal it cannot have; keys as a terminal sends them would be of no use without one.
        stdin=bool(container.stdin) and not container.tty,
        stdin_once=bool(container.stdin_once),
    )


def stand_in_ports(container: Container) -> tuple[PortSpec, ...]:
    """Where echo serves in place of a container's image; there is always at least one port."""
    return _tcp_ports(container) or (PortSpec(STAND_IN_PORT),)


def without_foreign_hooks(container: Container, image: Image | None) -> Container:
    """A stand-in has neither the files nor the HTTP server that exec and httpGet hooks want."""
    if image is None or not is_stand_in(image) or container.lifecycle is None:
        return container
    hooks = container.lifecycle
    kept = Lifecycle(
        post_start=None if _is_foreign(hooks.post_start) else hooks.post_start,
        pre_stop=None if _is_foreign(hooks.pre_stop) else hooks.pre_stop,
    )
    return replace(container, lifecycle=kept)


def stand_in_notes(container: Container, image: Image, *, is_init: bool) -> list[str]:
    """What differs from the manifest where a stand-in runs, a line for each kind of change."""
    name = container.name
    if is_init:
        return [wording.stand_in_init(name, image.name)]
    ports = [each.port for each in stand_in_ports(container)]
    notes = [wording.stand_in(image.name, ports)]
    if probes := _configured_probes(container):
        notes.append(wording.stand_in_probes(name, probes, ports[0]))
    hooks = container.lifecycle or Lifecycle()
    named = (("postStart", hooks.post_start), ("preStop", hooks.pre_stop))
    if skipped := [kind for kind, handler in named if _is_foreign(handler)]:
        notes.append(wording.stand_in_hooks(name, skipped))
    return notes


def _configured_probes(container: Container) -> list[str]:
    configured = {
        "startup": container.startup_probe,
        "readiness": container.readiness_probe,
        "liveness": container.liveness_probe,
    }
    return [f"{kind} ({_handler(probe)})" for kind, probe in configured.items() if probe]


def _handler(probe: Probe) -> str:
    handlers = {"exec": probe.exec, "httpGet": probe.http_get, "tcpSocket": probe.tcp_socket}
    return next((name for name, handler in handlers.items() if handler is not None), "grpc")


def _is_foreign(handler: LifecycleHandler | None) -> bool:
    return handler is not None and handler.sleep is None


def _tcp_ports(container: Container) -> tuple[PortSpec, ...]:
    ports = dict.fromkeys(
        (each.container_port, each.name or "")
        for each in container.ports
        if (each.protocol or "TCP") == "TCP"
    )
    return tuple(PortSpec(port, name) for port, name in ports)
