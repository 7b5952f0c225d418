"""Write `emucluster/core/objects/generated/` from the published Kubernetes JSON schemas.

The schemas come from the PyPI package `kubernetes-validate` (a development dependency), which
carries the API definitions of Kubernetes under Apache-2.0. Run after changing `ROOTS`:

    python scripts/generate_objects.py

How a schema becomes a class:

- every property is declared, so that an undeclared one is an error when an object is decoded;
- a *required* property has Go's zero value as default and is always encoded, as Go encodes a
  field without `omitempty` (`restartCount: 0`, `ready: false`); whether an empty value is
  acceptable is a question for validation, which can name it, and not for decoding;
- any other scalar, map or pointer is `X | None = None`, and absent when None;
- an array is a tuple, `()` by default;
- the names in ObjectMeta (`name`, `namespace`, `uid`, ...) are `""` when absent;
- structs that Go holds by value (`metadata`, `spec`, `status`, `template`, ...) default to an
  empty instance, so that `pod.spec.node_name` needs no question whether there is a spec.
"""

from __future__ import annotations

import json
import keyword
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata, resources
from pathlib import Path
from typing import Any

RELEASE = "v1.32.0"
TARGET = Path(__file__).parent.parent / "emucluster/core/objects/generated"

CORE, APPS, RBAC = "io.k8s.api.core.v1.", "io.k8s.api.apps.v1.", "io.k8s.api.rbac.v1."
BATCH, NETWORKING = "io.k8s.api.batch.v1.", "io.k8s.api.networking.v1."
AUTOSCALING = "io.k8s.api.autoscaling."
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
CRDS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."

# The kinds. To add one, add its definition here and its row to core/objects/registry.py.
ROOTS = (
    CORE + "Namespace",
    CORE + "Node",
    CORE + "Pod",
    APPS + "Deployment",
    APPS + "ReplicaSet",
    CORE + "Service",
    "io.k8s.api.discovery.v1.EndpointSlice",
    CORE + "ConfigMap",
    "io.k8s.api.coordination.v1.Lease",
    CORE + "Event",
    CORE + "Endpoints",
    CORE + "Secret",
    CORE + "ServiceAccount",
    APPS + "DaemonSet",
    APPS + "StatefulSet",
    APPS + "ControllerRevision",
    "io.k8s.api.policy.v1.PodDisruptionBudget",
    CRDS + "CustomResourceDefinition",
    "io.k8s.api.events.v1.Event",
    CORE + "PersistentVolume",
    CORE + "PersistentVolumeClaim",
    CORE + "ResourceQuota",
    CORE + "LimitRange",
    CORE + "ReplicationController",
    BATCH + "Job",
    BATCH + "CronJob",
    NETWORKING + "Ingress",
    NETWORKING + "IngressClass",
    NETWORKING + "NetworkPolicy",
    AUTOSCALING + "v2.HorizontalPodAutoscaler",
    AUTOSCALING + "v1.HorizontalPodAutoscaler",
    "io.k8s.api.storage.v1.StorageClass",
    "io.k8s.api.scheduling.v1.PriorityClass",
    RBAC + "Role",
    RBAC + "ClusterRole",
    RBAC + "RoleBinding",
    RBAC + "ClusterRoleBinding",
)

# Modules in order of dependence: each takes what its definitions reach and no earlier one took.
MODULES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("meta", (META + "ObjectMeta", META + "LabelSelector", META + "Condition")),
    ("references", (CORE + "ObjectReference", CORE + "LocalObjectReference")),
    ("volumes", (CORE + "Volume",)),
    ("scheduling", (CORE + "Affinity", CORE + "Toleration", CORE + "TopologySpreadConstraint")),
    ("containers", (CORE + "Container", CORE + "EphemeralContainer", CORE + "ContainerStatus")),
    ("pods", (CORE + "PodTemplateSpec", CORE + "Pod")),
    (
        "storage",
        (
            *(CORE + "PersistentVolumeClaim", CORE + "PersistentVolume"),
            "io.k8s.api.storage.v1.StorageClass",
        ),
    ),
    (
        "workloads",
        (
            *(APPS + kind for kind in ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet")),
            *(APPS + "ControllerRevision", CORE + "ReplicationController"),
        ),
    ),
    ("services", (CORE + "Service", "io.k8s.api.discovery.v1.EndpointSlice", CORE + "Endpoints")),
    ("nodes", (CORE + "Node",)),
    ("batch", (BATCH + "Job", BATCH + "CronJob")),
    ("networking", tuple(name for name in ROOTS if name.startswith(NETWORKING))),
    ("rbac", tuple(name for name in ROOTS if name.startswith(RBAC))),
    ("autoscaling", (AUTOSCALING + "v2.HorizontalPodAutoscaler",)),
    ("autoscaling_v1", (AUTOSCALING + "v1.HorizontalPodAutoscaler",)),
    ("apiextensions", (CRDS + "CustomResourceDefinition",)),
    ("cluster", tuple(name for name in ROOTS if "events" not in name)),
    ("events", ("io.k8s.api.events.v1.Event",)),
)

# Definitions that are not objects with properties.
PLAIN = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "str | int | float",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int | str",
    META + "Time": "str",
    META + "MicroTime": "str",
    META + "FieldsV1": "Any",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "Any",
    CRDS + "JSON": "Any",
    # A schema is recursive, and read as a tree by what works with it.
    CRDS + "JSONSchemaProps": "dict[str, Any]",
    CRDS + "CustomResourceSubresourceStatus": "dict[str, Any]",
}
# Where two groups, or two versions of one, use one name.
RENAMED = {
    **{
        f"{AUTOSCALING}v1.{name}": f"{name}V1"
        for name in (
            *("CrossVersionObjectReference", "HorizontalPodAutoscaler"),
            *("HorizontalPodAutoscalerSpec", "HorizontalPodAutoscalerStatus"),
        )
    },
    CORE + "EndpointPort": "EndpointsPort",
    "io.k8s.api.events.v1.Event": "EventsEvent",
    "io.k8s.api.events.v1.EventSeries": "EventsEventSeries",
}
SCALARS = {"string": "str", "boolean": "bool", "integer": "int", "number": "float"}
ZEROS = {"str": "str", "bool": "bool", "int": "int", "float": "float", "int | str": "int"}

# Structs which the Go types hold by value although the schema does not require them.
BY_VALUE = {
    ("*", "metadata"),
    ("PodTemplateSpec", "spec"),
    ("ContainerStatus", "state"),
    ("ContainerStatus", "lastState"),
    ("ServiceStatus", "loadBalancer"),
    ("NodeStatus", "nodeInfo"),
    ("NodeStatus", "daemonEndpoints"),
    ("Event", "source"),
    ("Endpoint", "conditions"),
    ("EventsEvent", "regarding"),
    ("EventsEvent", "deprecatedSource"),
    ("DaemonSetSpec", "updateStrategy"),
    ("StatefulSetSpec", "updateStrategy"),
    ("JobTemplateSpec", "spec"),
    ("PersistentVolumeClaimSpec", "resources"),
    ("IngressStatus", "loadBalancer"),
    ("CustomResourceDefinitionStatus", "acceptedNames"),
}
# Of those, what is encoded also where it is empty, as Go does: `status: {loadBalancer: {}}`.
ENCODED_EMPTY = {("ServiceStatus", "loadBalancer"), ("IngressStatus", "loadBalancer")}
# Structs which the Go types hold by pointer although the schema requires them.
BY_POINTER = {
    (f"{kind}Spec", "selector") for kind in ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet")
}
# Strings of which nearly every reader wants a string: "" when absent, as in Go.
EMPTY_STRINGS = {
    ("ObjectMeta", name)
    for name in ("name", "namespace", "generateName", "uid", "resourceVersion", "selfLink")
}
# Fields that kubelets write as an explicit null, which has to survive.
NULLABLE = {("PodCondition", "lastProbeTime")}
# Required times: Go writes null where there is none.
NULL_IF_ABSENT = {("EventsEvent", "eventTime"), ("EventsEventSeries", "lastObservedTime")}

Schema = Mapping[str, Any]


def schemas() -> dict[str, Schema]:
    """All definitions of the release, by full name."""
    folder = resources.files("kubernetes_validate") / "kubernetes-json-schema"
    text = (folder / f"{RELEASE}-local" / "_definitions.json").read_text(encoding="utf-8")
    return dict(json.loads(text)["$defs"])


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(ref := value.get("$ref"), str):
            yield ref.rsplit("/", 1)[-1]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def closure(defs: Mapping[str, Schema], roots: tuple[str, ...]) -> list[str]:
    """Object definitions reachable from `roots`, each after those that it uses."""
    done: list[str] = []
    open_: set[str] = set()

    def visit(name: str) -> None:
        if name in PLAIN or name in open_:
            return
        open_.add(name)
        for used in sorted(set(references(defs[name]))):
            visit(used)
        done.append(name)

    for root in roots:
        visit(root)
    return done


def short(name: str) -> str:
    return RENAMED.get(name, name.rsplit(".", 1)[-1])


def attribute(json_name: str) -> str:
    """`podIPs` -> `pod_ips`, `fieldsV1` -> `fields_v1`; Python's own words get a `_`: `from_`."""
    name = re.sub(r"([A-Z]{2,})s\b", lambda m: m[1].capitalize() + "s", json_name)
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name).lower()
    return f"{name}_" if keyword.iskeyword(name) else name


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def plain_type(prop: Schema) -> str:
    """The Python type of a property, without regard to its being optional."""
    if "$ref" in prop:
        target = prop["$ref"].rsplit("/", 1)[-1]
        return PLAIN.get(target, short(target))
    kinds = prop["type"] if isinstance(prop["type"], list) else [prop["type"]]
    kind = next(k for k in kinds if k != "null")
    if kind == "array":
        return f"tuple[{plain_type(prop['items'])}, ...]"
    if kind == "object":
        return f"dict[str, {plain_type(prop['additionalProperties'])}]"
    return SCALARS[kind]


def field_line(owner: str, name: str, prop: Schema, *, required: bool, root: bool) -> str:
    kind, attr = plain_type(prop), attribute(name)
    by_value = {(owner, name), ("*", name)} & BY_VALUE or (root and name in ("spec", "status"))
    if (owner, name) in NULLABLE:
        return f"    {attr}: {kind} | None | UnsetType = UNSET"
    if (owner, name) in NULL_IF_ABSENT:
        return f"    {attr}: {kind} | None = field(default_factory=no_value)"
    if (owner, name) in EMPTY_STRINGS:
        return f'    {attr}: str = ""'
    if kind.startswith("tuple"):
        return f"    {attr}: {kind} = {'field(default_factory=no_items)' if required else '()'}"
    is_struct = kind.isidentifier() and kind[0].isupper() and kind != "Any"
    if (owner, name) in ENCODED_EMPTY:
        return f"    {attr}: {kind} = field(default_factory={kind})"
    if is_struct and (required or by_value) and (owner, name) not in BY_POINTER:
        return f"    {attr}: {kind} = {kind}()"
    if required and kind in ZEROS:
        # The kubelet's port alone is spelt `Port`: its attribute is `port`, as everywhere.
        spelling = f', name="{name}"' if name[0].isupper() else ""
        return f"    {attr}: {kind} = field(default_factory={ZEROS[kind]}{spelling})"
    return f"    {attr}: Any = None" if kind == "Any" else f"    {attr}: {kind} | None = None"


def first_sentence(schema: Schema) -> str:
    text = re.split(r"(?<=[a-z\])`])\.(?:\s|$)|\n", str(schema.get("description", "")))[0]
    text = text.replace("\\", "\\\\").replace('"', "'").strip()
    return text + "." if len(text) < 84 else text[:80].rsplit(" ", 1)[0] + " ..."


def class_text(name: str, schema: Schema) -> list[str]:
    root = name in ROOTS
    own = short(name)
    served = schema["x-kubernetes-group-version-kind"][0] if root else {}
    kind = served.get("kind")
    base = f'Object, tag="{kind}", tag_field="kind"' if root else "Part"
    # Type checkers do not inherit `frozen` and `kw_only`: they are said again.
    lines = [
        f"class {own}({base}, frozen=True, kw_only=True):",
        f'    """{first_sentence(schema)}"""',
        "",
    ]
    properties = dict(schema["properties"])
    if root:
        group, version = served["group"], served["version"]
        api_version = f"{group}/{version}" if group else version
        lines.append(f'    kind: ClassVar[str] = "{kind}"')
        lines.append(
            f'    api_version: Literal["{api_version}"] = '
            f'field(default_factory=lambda: "{api_version}")'
        )
        for declared_already in ("kind", "apiVersion", "metadata"):  # the last by Object
            del properties[declared_already]
    required = set(schema.get("required", ()))
    for prop_name, prop in properties.items():
        lines.append(field_line(own, prop_name, prop, required=prop_name in required, root=root))
    return lines if len(lines) > 3 else [*lines[:2]]


def module_text(names: list[str], defs: Mapping[str, Schema], home: Mapping[str, str]) -> str:
    body = "\n\n\n".join("\n".join(class_text(name, defs[name])) for name in names)
    here = home[names[0]]
    imports: dict[str, set[str]] = {}
    for name in names:
        for used in references(defs[name]):
            if used not in PLAIN and home[used] != here:
                imports.setdefault(home[used], set()).add(short(used))
    words = set(re.findall(r"\w+", re.sub(r'"""[^\n]*"""', "", body)))
    typing = sorted(words & {"Any", "ClassVar", "Literal"})
    spec = sorted(words & {"UNSET", "UnsetType", "field"})
    base = sorted(words & {"Part", "no_items", "no_value"})
    lines = [header(), "from __future__ import annotations", ""]
    lines += [f"from typing import {', '.join(typing)}", ""] * bool(typing)
    lines += [f"from msgspec import {', '.join(spec)}", ""] * bool(spec)
    lines += [f"from emucluster.core.objects.base import {', '.join(base)}"] * bool(base)
    lines += ["from emucluster.core.objects.root import Object"] * ("Object" in words)
    lines += [f"from .{module} import {', '.join(sorted(n))}" for module, n in imports.items()]
    return "\n".join(lines) + "\n\n\n" + body + "\n"


def header() -> str:
    version = metadata.version("kubernetes-validate")
    return (
        f'"""Generated by scripts/generate_objects.py: do not edit.\n\n'
        f"Source: the API definitions of Kubernetes {RELEASE} (Apache-2.0), as carried by\n"
        f'kubernetes-validate {version} (Apache-2.0). See NOTICE.\n"""\n\n# ruff: noqa: E501\n'
    )


def irregular_text(defs: Mapping[str, Schema], names: list[str]) -> str:
    """Attributes whose JSON name is not plain camel case."""
    table: dict[str, str] = {}
    for name in names:
        for prop in defs[name]["properties"]:
            if prop[0].isupper():
                continue
            if table.setdefault(attribute(prop), prop) != prop:
                raise SystemExit(f"two JSON names for attribute {attribute(prop)}")
    odd = {attr: prop for attr, prop in sorted(table.items()) if camel(attr) != prop}
    rows = "".join(f'    "{attr}": "{prop}",\n' for attr, prop in odd.items())
    return f"{header()}\nIRREGULAR = {{\n{rows}}}\n"


def main() -> None:
    defs = schemas()
    home: dict[str, str] = {}
    placed: dict[str, list[str]] = {}
    wanted = set(closure(defs, ROOTS))
    for module, roots in MODULES:
        for name in closure(defs, roots):
            if name in wanted and name not in home:
                home[name] = module
                placed.setdefault(module, []).append(name)
    TARGET.mkdir(exist_ok=True)
    for module, names in placed.items():
        (TARGET / f"{module}.py").write_text(module_text(names, defs, home))
    (TARGET / "irregular.py").write_text(irregular_text(defs, list(home)))
    exports = "\n".join(
        f"from .{module} import {', '.join(f'{short(n)} as {short(n)}' for n in sorted(names))}"
        for module, names in placed.items()
    )
    (TARGET / "__init__.py").write_text(header())
    (TARGET / "exports.py").write_text(f"{header()}\n{exports}\n")
    for command in (["format", "-q"], ["check", "--fix", "-q"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, str(TARGET)], check=True)


if __name__ == "__main__":
    main()
