"""Containers. Source: kubernetes/kubernetes pkg/apis/core/validation, validateContainers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from emucluster.core.errors import Cause
from emucluster.core.objects import (
    Container,
    ContainerPort,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    PodSpec,
)

from .fields import duplicate, forbidden, invalid, not_found, one_of, required
from .names import config_map_key, dns1123_label, environment_name, port_name, port_number
from .probes import probes
from .resources import requirements
from .services import PROTOCOLS

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_SOURCES = (
    ("field_ref", "fieldRef"),
    ("resource_field_ref", "resourceFieldRef"),
    ("config_map_key_ref", "configMapKeyRef"),
    ("secret_key_ref", "secretKeyRef"),
)
FIELD_PATHS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_SUBSCRIPT = re.compile(r"metadata\.(?:labels|annotations)\['[^']+'\]")
MORE_THAN_ONE = "may not have more than one field specified at a time"


def containers(path: str, spec: PodSpec) -> Iterator[Cause]:
    """All containers of a pod; `path` is that of its spec."""
    if not spec.containers:
        yield required(f"{path}.containers")
    volumes = {volume.name for volume in spec.volumes}
    grace_s = spec.termination_grace_period_seconds or 0
    names: set[str] = set()
    for field, group in (("containers", spec.containers), ("initContainers", spec.init_containers)):
        for index, container in enumerate(group):
            below = f"{path}.{field}[{index}]"
            yield from _container(below, container, volumes)
            if container.name and container.name in names:
                yield duplicate(f"{below}.name", container.name)
            names.add(container.name)
            if field == "initContainers" and container.restart_policy != "Always":
                yield from _init_only(below, container)
            else:
                yield from probes(below, container, grace_s)
    yield from _host_ports(f"{path}.containers", spec)


def _container(path: str, container: Container, volumes: set[str]) -> Iterator[Cause]:
    if not container.name:
        yield required(f"{path}.name")
    else:
        for text in dns1123_label(container.name):
            yield invalid(f"{path}.name", container.name, text)
    if not container.image:
        yield required(f"{path}.image")
    policy = container.termination_message_policy
    yield from one_of(f"{path}.terminationMessagePolicy", policy, MESSAGE_POLICIES)
    yield from _ports(f"{path}.ports", container.ports)
    for index, variable in enumerate(container.env):
        yield from _variable(f"{path}.env[{index}]", variable)
    for index, source in enumerate(container.env_from):
        yield from _env_from(f"{path}.envFrom[{index}]", source)
    yield from _mounts(f"{path}.volumeMounts", container, volumes)
    yield from one_of(f"{path}.imagePullPolicy", container.image_pull_policy, PULL_POLICIES)
    if container.resources is not None:
        yield from requirements(f"{path}.resources", container.resources)


def _init_only(path: str, container: Container) -> Iterator[Cause]:
    for field, value in (
        ("lifecycle", container.lifecycle),
        ("livenessProbe", container.liveness_probe),
        ("readinessProbe", container.readiness_probe),
        ("startupProbe", container.startup_probe),
    ):
        if value is not None:
            text = "may not be set for init containers without restartPolicy=Always"
            yield forbidden(f"{path}.{field}", text)


def _ports(path: str, ports: tuple[ContainerPort, ...]) -> Iterator[Cause]:
    names: set[str] = set()
    for index, port in enumerate(ports):
        below = f"{path}[{index}]"
        if port.name:
            for text in port_name(port.name):
                yield invalid(f"{below}.name", port.name, text)
            if port.name in names:
                yield duplicate(f"{below}.name", port.name)
            names.add(port.name)
        if not port.container_port:
            yield required(f"{below}.containerPort")
        else:
            for text in port_number(port.container_port):
                yield invalid(f"{below}.containerPort", port.container_port, text)
        if port.host_port:
            for text in port_number(port.host_port):
                yield invalid(f"{below}.hostPort", port.host_port, text)
        yield from one_of(f"{below}.protocol", port.protocol, PROTOCOLS)


def _host_ports(path: str, spec: PodSpec) -> Iterator[Cause]:
    taken: set[str] = set()
    for number, container in enumerate(spec.containers):
        for index, port in enumerate(container.ports):
            below = f"{path}[{number}].ports[{index}].hostPort"
            if spec.host_network and port.host_port != port.container_port:
                yield invalid(below, port.host_port or 0, "must match `containerPort`")
            if not port.host_port:
                continue
            shown = f"{port.protocol}/{port.host_ip or ''}/{port.host_port}"
            if shown in taken:
                yield duplicate(below, shown)
            taken.add(shown)


def _variable(path: str, variable: EnvVar) -> Iterator[Cause]:
    if not variable.name:
        yield required(f"{path}.name")
    else:
        for text in environment_name(variable.name):
            yield invalid(f"{path}.name", variable.name, text)
    if variable.value_from is not None:
        yield from _value_from(f"{path}.valueFrom", variable.value_from, bool(variable.value))


def _value_from(path: str, source: EnvVarSource, has_value: bool) -> Iterator[Cause]:
    given = [field for attribute, field in _SOURCES if getattr(source, attribute) is not None]
    if source.field_ref is not None:
        yield from _field_ref(f"{path}.fieldRef", source.field_ref.field_path)
    if source.resource_field_ref is not None and not source.resource_field_ref.resource:
        yield required(f"{path}.resourceFieldRef.resource")
    for field, key in (
        ("configMapKeyRef", source.config_map_key_ref),
        ("secretKeyRef", source.secret_key_ref),
    ):
        if key is None:
            continue
        if not key.name:
            yield required(f"{path}.{field}.name")
        if not key.key:
            yield required(f"{path}.{field}.key")
        else:
            for text in config_map_key(key.key):
                yield invalid(f"{path}.{field}.key", key.key, text)
    if not given:
        text = (
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or "
            "`secretKeyRef`"
        )
        yield invalid(path, "", text)
    elif has_value:
        yield invalid(path, "", "may not be specified when `value` is not empty")
    elif len(given) > 1:
        yield invalid(path, "", MORE_THAN_ONE)


def _field_ref(path: str, field_path: str) -> Iterator[Cause]:
    if not field_path:
        yield required(f"{path}.fieldPath")
    elif field_path not in FIELD_PATHS and not _SUBSCRIPT.fullmatch(field_path):
        text = f"error converting fieldPath: field label not supported: {field_path}"
        yield invalid(f"{path}.fieldPath", field_path, text)


def _env_from(path: str, source: EnvFromSource) -> Iterator[Cause]:
    if source.prefix:
        for text in environment_name(source.prefix):
            yield invalid(f"{path}.prefix", source.prefix, text)
    given = [
        (field, reference)
        for field, reference in (
            ("configMapRef", source.config_map_ref),
            ("secretRef", source.secret_ref),
        )
        if reference is not None
    ]
    for field, reference in given:
        if not reference.name:
            yield required(f"{path}.{field}.name")
    if not given:
        yield invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
    elif len(given) > 1:
        yield invalid(path, "", MORE_THAN_ONE)


def _mounts(path: str, container: Container, volumes: set[str]) -> Iterator[Cause]:
    paths: set[str] = set()
    for index, mount in enumerate(container.volume_mounts):
        below = f"{path}[{index}]"
        if not mount.name:
            yield required(f"{below}.name")
        elif mount.name not in volumes:
            yield not_found(f"{below}.name", mount.name)
        if not mount.mount_path:
            yield required(f"{below}.mountPath")
        elif mount.mount_path in paths:
            yield invalid(f"{below}.mountPath", mount.mount_path, "must be unique")
        paths.add(mount.mount_path)
