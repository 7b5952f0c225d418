"""The environment of a container: its own values, ConfigMaps, Secrets, fields of its pod, Services.

Precedence as in kubernetes/kubernetes pkg/kubelet/kubelet_pods.go makeEnvironmentVariables:
Service variables, then envFrom in order, then env in order.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from emucluster.core.kubelet.expansion import expand
from emucluster.core.objects import (
    ConfigMap,
    Container,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    Pod,
    ResourceFieldSelector,
    Secret,
    Service,
)
from emucluster.core.objects.quantity import Quantity, milli

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class ConfigError(ValueError):
    """The container cannot be created as configured: reason CreateContainerConfigError."""


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What fieldRef and resourceFieldRef can ask for beyond the object itself.

    `allocatable` is the node's: the limit of a container that names none.
    """

    pod: Pod
    pod_ip: str
    host_ip: str
    allocatable: Mapping[str, Quantity] = field(default_factory=dict)


SourceKind = Literal["ConfigMap", "Secret"]
Sources = Callable[[SourceKind, str, str], Mapping[str, str] | None]
"""(kind, namespace, name) -> what it holds, as text; None: there is no such object."""


def data_of(source: ConfigMap | Secret) -> dict[str, str]:
    """What a ConfigMap or a Secret holds, as a process sees it in its environment."""
    if isinstance(source, ConfigMap):
        return dict(source.data or {})
    # Bytes that are no text are passed on as they are, as os.environ does.
    return {
        key: b64decode(value).decode("utf-8", "surrogateescape")
        for key, value in (source.data or {}).items()
    }


def container_environment(
    container: Container,
    facts: PodFacts,
    *,
    sources: Sources,
    services: Iterable[Service],
) -> dict[str, str]:
    """All variables of a container. Raises `ConfigError` in Kubernetes' words."""
    pod = facts.pod
    env = {"HOSTNAME": pod.spec.hostname or pod.metadata.name}
    links = pod.spec.enable_service_links is not False
    env |= service_variables(services, namespace=pod.metadata.namespace, links=links)
    for source in container.env_from:
        env |= _whole(source, pod.metadata.namespace, sources)
    for variable in container.env:
        chosen = _value(variable, env, container, facts, sources)
        if chosen is not None:
            env[variable.name] = chosen
    return env


def _whole(source: EnvFromSource, namespace: str, sources: Sources) -> dict[str, str]:
    kind: SourceKind = "Secret" if source.secret_ref is not None else "ConfigMap"
    reference = source.secret_ref or source.config_map_ref
    if reference is None:
        return {}
    found = sources(kind, namespace, reference.name or "")
    if found is None and not reference.optional:
        raise ConfigError(f'{kind.lower()} "{reference.name}" not found')
    return {(source.prefix or "") + key: value for key, value in (found or {}).items()}


def _value(
    variable: EnvVar,
    env: Mapping[str, str],
    container: Container,
    facts: PodFacts,
    sources: Sources,
) -> str | None:
    if variable.value_from is None:
        return expand(variable.value or "", env)
    return _value_from(variable.value_from, container, facts, sources)


def _value_from(
    source: EnvVarSource, container: Container, facts: PodFacts, sources: Sources
) -> str | None:
    if source.field_ref is not None:
        return field_value(source.field_ref.field_path, facts)
    if source.resource_field_ref is not None:
        return resource_value(source.resource_field_ref, container, facts)
    selector = source.config_map_key_ref or source.secret_key_ref
    if selector is None:
        raise ConfigError("env variable without a source in valueFrom")
    kind: SourceKind = "Secret" if source.config_map_key_ref is None else "ConfigMap"
    namespace, name = facts.pod.metadata.namespace, selector.name or ""
    found = sources(kind, namespace, name)
    if found is not None and selector.key in found:
        return found[selector.key]
    if selector.optional:
        return None
    if found is None:
        raise ConfigError(f'{kind.lower()} "{name}" not found')
    raise ConfigError(f"couldn't find key {selector.key} in {kind} {namespace}/{name}")


def resource_value(selector: ResourceFieldSelector, container: Container, facts: PodFacts) -> str:
    """A request or limit in units of the divisor, rounded up (pkg/api/v1/resource/helpers.go).

    A limit that is not set is what the node has; a request that is not set is the limit, or 0.
    Raises `ConfigError` for resources that there are none of.
    """
    if name := selector.container_name:
        named = (*facts.pod.spec.init_containers, *facts.pod.spec.containers)
        found = next((each for each in named if each.name == name), None)
        if found is None:
            raise ConfigError(f"container {name} not found")
        container = found
    part, _, resource = selector.resource.partition(".")
    if part not in ("limits", "requests") or resource not in ("cpu", "memory", "ephemeral-storage"):
        raise ConfigError(f"Unsupported container resource : {selector.resource}")
    limits = (container.resources.limits or {}) if container.resources else {}
    requests = (container.resources.requests or {}) if container.resources else {}
    if part == "limits":
        amount = limits.get(resource, facts.allocatable.get(resource, 0))
    else:
        amount = requests.get(resource, limits.get(resource, 0))
    divisor = milli(selector.divisor or 1) or 1000
    return str(-(-milli(amount) // divisor))


def field_value(path: str, facts: PodFacts) -> str:
    """A field of the downward API. Raises `ConfigError` for fields that it does not have."""
    meta, spec = facts.pod.metadata, facts.pod.spec
    if (subscript := _SUBSCRIPT.fullmatch(path)) is not None:
        source = meta.labels if subscript[1] == "labels" else meta.annotations
        return (source or {}).get(subscript[2], "")
    fields = {
        "metadata.name": meta.name,
        "metadata.namespace": meta.namespace,
        "metadata.uid": meta.uid,
        "metadata.labels": _format_map(meta.labels),
        "metadata.annotations": _format_map(meta.annotations),
        "spec.nodeName": spec.node_name or "",
        "spec.serviceAccountName": spec.service_account_name or "default",
        "status.hostIP": facts.host_ip,
        "status.hostIPs": facts.host_ip,
        "status.podIP": facts.pod_ip,
        "status.podIPs": facts.pod_ip,
    }
    if path not in fields:
        raise ConfigError(f"unsupported fieldPath: {path}")
    return fields[path]


def _format_map(values: Mapping[str, str] | None) -> str:
    return "\n".join(f'{key}="{value}"' for key, value in sorted((values or {}).items()))


def service_variables(
    services: Iterable[Service], *, namespace: str, links: bool
) -> dict[str, str]:
    """{SVC}_SERVICE_HOST and so on of the Services that exist now (pkg/kubelet/envvars).

    Those of the pod's namespace, if `links`; default/kubernetes always.
    """
    env: dict[str, str] = {}
    for service in sorted(services, key=lambda each: each.metadata.name):
        meta, ip = service.metadata, service.spec.cluster_ip
        is_kubernetes = (meta.namespace, meta.name) == ("default", "kubernetes")
        if not ip or ip == "None" or not service.spec.ports:
            continue
        if is_kubernetes or (links and meta.namespace == namespace):
            env |= _variables_of(service, ip)
    return env


def _variables_of(service: Service, ip: str) -> dict[str, str]:
    prefix = re.sub(r"[-.]", "_", service.metadata.name).upper()
    ports = service.spec.ports
    env = {f"{prefix}_SERVICE_HOST": ip, f"{prefix}_SERVICE_PORT": str(ports[0].port)}
    for port in ports:
        if port.name:
            name = port.name.replace("-", "_").upper()
            env[f"{prefix}_SERVICE_PORT_{name}"] = str(port.port)
    for index, port in enumerate(ports):
        protocol = port.protocol or "TCP"
        url = f"{protocol.lower()}://{ip}:{port.port}"
        link = f"{prefix}_PORT_{port.port}_{protocol}"
        if index == 0:
            env[f"{prefix}_PORT"] = url
        env |= {
            link: url,
            f"{link}_PROTO": protocol.lower(),
            f"{link}_PORT": str(port.port),
            f"{link}_ADDR": ip,
        }
    return env
