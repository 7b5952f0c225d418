"""The environment of a container: its own values, ConfigMaps, fields of its pod, and Services.

Precedence as in kubernetes/kubernetes pkg/kubelet/kubelet_pods.go makeEnvironmentVariables:
Service variables, then envFrom in order, then env in order.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from emucluster.core.kubelet.expansion import expand
from emucluster.core.objects import (
    ConfigMap,
    Container,
    EnvVar,
    EnvVarSource,
    Pod,
    Service,
)

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class ConfigError(ValueError):
    """The container cannot be created as configured: reason CreateContainerConfigError."""


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What fieldRef can ask for beyond the object itself."""

    pod: Pod
    pod_ip: str
    host_ip: str


ConfigMaps = Callable[[str, str], ConfigMap | None]
"""(namespace, name) -> ConfigMap."""


def container_environment(
    container: Container,
    facts: PodFacts,
    *,
    config_maps: ConfigMaps,
    services: Iterable[Service],
    empty_secrets: bool = False,
) -> dict[str, str]:
    """All variables of a container. Raises `ConfigError` in Kubernetes' words.

    With `empty_secrets`, what a Secret would give is empty, and left out if optional; the keys
    behind a whole Secret are not known, so envFrom gives none. By default it is an error.
    """
    pod = facts.pod
    env = {"HOSTNAME": pod.spec.hostname or pod.metadata.name}
    links = pod.spec.enable_service_links is not False
    env |= service_variables(services, namespace=pod.metadata.namespace, links=links)
    for source in container.env_from:
        if source.secret_ref is not None:
            if empty_secrets:
                continue
            raise ConfigError(f'secret "{source.secret_ref.name}": Secrets are not offered')
        if (reference := source.config_map_ref) is not None:
            found = config_maps(pod.metadata.namespace, reference.name or "")
            if found is None and not reference.optional:
                raise ConfigError(f'configmap "{reference.name}" not found')
            for key, value in (found.data or {}).items() if found else ():
                env[(source.prefix or "") + key] = value
    for variable in container.env:
        chosen = _value(variable, env, facts, config_maps, empty_secrets)
        if chosen is not None:
            env[variable.name] = chosen
    return env


def secret_sources(container: Container) -> list[str]:
    """What of a container's environment comes from Secrets: variables, and whole Secrets."""
    whole = [
        f"all of {each.secret_ref.name}"
        for each in container.env_from
        if each.secret_ref is not None
    ]
    return whole + [
        each.name
        for each in container.env
        if each.value_from is not None and each.value_from.secret_key_ref is not None
    ]


def _value(
    variable: EnvVar,
    env: Mapping[str, str],
    facts: PodFacts,
    config_maps: ConfigMaps,
    empty_secrets: bool,
) -> str | None:
    if variable.value_from is None:
        return expand(variable.value or "", env)
    if empty_secrets and (secret := variable.value_from.secret_key_ref) is not None:
        return None if secret.optional else ""
    return _value_from(variable.value_from, facts, config_maps)


def _value_from(source: EnvVarSource, facts: PodFacts, config_maps: ConfigMaps) -> str | None:
    if source.field_ref is not None:
        return field_value(source.field_ref.field_path, facts)
    if (selector := source.config_map_key_ref) is not None:
        namespace, name = facts.pod.metadata.namespace, selector.name or ""
        found = config_maps(namespace, name)
        if found is not None and selector.key in (data := found.data or {}):
            return data[selector.key]
        if selector.optional:
            return None
        if found is None:
            raise ConfigError(f'configmap "{name}" not found')
        raise ConfigError(f"couldn't find key {selector.key} in ConfigMap {namespace}/{name}")
    if source.secret_key_ref is not None:
        raise ConfigError(f'secret "{source.secret_key_ref.name}": Secrets are not offered')
    if source.resource_field_ref is not None:
        raise ConfigError(f"resourceFieldRef {source.resource_field_ref.resource}: not offered")
    raise ConfigError("env variable without a source in valueFrom")


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
