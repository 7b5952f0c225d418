"""From a container of a pod's spec to what the runtime starts."""

from __future__ import annotations

from collections.abc import Iterable

from emucluster.core.kubelet.commands import ContainerSpec, PortSpec
from emucluster.core.kubelet.environment import ConfigMaps, PodFacts, container_environment
from emucluster.core.kubelet.expansion import expand_all
from emucluster.core.kubelet.image import Image
from emucluster.core.objects import Container, Service

SOURCE_DIR_ANNOTATION = "emucluster.dev/source-dir"
"""The manifest's directory: user code is found relative to it."""
SOURCE_DIGEST_ANNOTATION = "emucluster.dev/source-digest"
"""Names a copy of that directory, on hosts to which it was shipped."""


def container_spec(
    container: Container,
    image: Image,
    facts: PodFacts,
    *,
    config_maps: ConfigMaps,
    services: Iterable[Service],
    is_init: bool,
) -> ContainerSpec:
    """Everything resolved and expanded. Raises `ConfigError` for what cannot be."""
    env = container_environment(container, facts, config_maps=config_maps, services=services)
    annotations = facts.pod.metadata.annotations or {}
    ports = dict.fromkeys(
        (each.container_port, each.name or "")
        for each in container.ports
        if (each.protocol or "TCP") == "TCP"
    )
    return ContainerSpec(
        name=container.name,
        image=image,
        env=tuple(env.items()),
        command=expand_all(container.command, env),
        args=expand_all(container.args, env),
        ports=tuple(PortSpec(port, name) for port, name in ports),
        working_dir=container.working_dir or "",
        source_dir=annotations.get(SOURCE_DIR_ANNOTATION, ""),
        source_digest=annotations.get(SOURCE_DIGEST_ANNOTATION, ""),
        runs_to_completion=is_init,
    )
