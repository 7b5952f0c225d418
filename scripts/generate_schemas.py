"""Write `emucluster/core/schemas/data/definitions.json.gz` from the published Kubernetes schemas.

The schemas come from the PyPI package `kubernetes-validate`, as those of `generate_objects.py`,
which also says which kinds there are. Run after changing its `ROOTS` or `ALSO` here:

    python scripts/generate_schemas.py SOURCES...

SOURCES are directories with checkouts of k8s.io/api, k8s.io/apimachinery and
k8s.io/apiextensions-apiserver (Apache-2.0) at the release of the schemas: their structs tell the
defaults, as API servers publish them: `{}` of a struct that is held by value, zeros of fields that
Go always writes.

The file holds the components of an OpenAPI v3 document, in the form in which API servers publish
them: `$ref` with anything beside it is wrapped in `allOf`; a list's type, map keys, patch strategy
and merge key stay as extensions; descriptions stay for `kubectl explain`.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from generate_objects import CORE, META, PLAIN, ROOTS, Schema, references, schemas
from go_structs import GoField, definition, enums, packages, structs

TARGET = Path(__file__).parent.parent / "emucluster/core/schemas/data/definitions.json.gz"

# Kinds that the API takes or answers without storing them, and what requests and answers hold.
ALSO = (
    CORE + "Binding",
    "io.k8s.api.autoscaling.v1.Scale",
    "io.k8s.api.policy.v1.Eviction",
    "io.k8s.api.authorization.v1.LocalSubjectAccessReview",
    "io.k8s.api.authorization.v1.SelfSubjectAccessReview",
    "io.k8s.api.authorization.v1.SelfSubjectRulesReview",
    "io.k8s.api.authorization.v1.SubjectAccessReview",
    "io.k8s.api.authentication.v1.SelfSubjectReview",
    "io.k8s.api.authentication.v1.TokenRequest",
    META + "DeleteOptions",
    META + "Patch",
    META + "Status",
)

# The defaults that name an item of a list whose key is left out: `+default` in k8s.io/api.
KEY_DEFAULTS = {
    (CORE + "ContainerPort", "protocol"): "TCP",
    (CORE + "ServicePort", "protocol"): "TCP",
}

QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
METRICS = "io.k8s.metrics.pkg.apis.metrics.v1beta1."
KEPT = ("format", "default")


def metrics() -> dict[str, Schema]:
    """The kinds of metrics.k8s.io (k8s.io/metrics), which no published schema holds."""

    def ref(name: str) -> Schema:
        return {"$ref": f"#/$defs/{name}"}

    usage = {
        "description": "Usage by resource name; the memory usage is the memory working set.",
        "type": "object",
        "additionalProperties": ref(QUANTITY),
    }
    window = {
        "timestamp": {**ref(META + "Time"), "description": "End of the interval of collection."},
        "window": {**ref(META + "Duration"), "description": "Length of that interval."},
    }
    identity = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": ref(META + "ObjectMeta"),
    }
    containers = {"type": "array", "items": ref(METRICS + "ContainerMetrics")}
    result: dict[str, Schema] = {
        META + "Duration": {
            "description": "Duration as Go writes it: `30s`.",
            "type": "string",
        },
        METRICS + "ContainerMetrics": {
            "description": "Resource usage of a container.",
            "type": "object",
            "required": ["name", "usage"],
            "properties": {"name": {"type": "string"}, "usage": usage},
        },
    }
    for kind, own in (
        ("NodeMetrics", {"usage": usage}),
        ("PodMetrics", {"containers": containers}),
    ):
        result[METRICS + kind] = {
            "description": f"Resource usage of a {kind.removesuffix('Metrics').lower()}.",
            "type": "object",
            "required": ["timestamp", "window", *own],
            "properties": {**identity, **window, **own},
            "x-kubernetes-group-version-kind": [
                {"group": "metrics.k8s.io", "kind": kind, "version": "v1beta1"}
            ],
        }
        result[METRICS + kind + "List"] = {
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": {"type": "string"},
                "kind": {"type": "string"},
                "metadata": ref(META + "ListMeta"),
                "items": {"type": "array", "items": ref(METRICS + kind)},
            },
        }
    return result


def component(schema: Schema) -> dict[str, Any]:
    """A schema as OpenAPI v3 spells it."""
    result: dict[str, Any] = {}
    if text := schema.get("description"):
        result["description"] = text
    if "$ref" in schema:
        ref = {"$ref": "#/components/schemas/" + schema["$ref"].rsplit("/", 1)[-1]}
        beside = {k: v for k, v in schema.items() if k.startswith("x-kubernetes-")}
        return {"allOf": [ref], **result, **beside} if result or beside else ref
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next(k for k in kind if k != "null")
    if kind:
        result["type"] = kind
    result |= {k: schema[k] for k in KEPT if k in schema}
    if isinstance(items := schema.get("items"), dict):
        result["items"] = component(items)
    if isinstance(values := schema.get("additionalProperties"), dict):
        result["additionalProperties"] = component(values)
    if "required" in schema:
        result["required"] = list(schema["required"])
    if "properties" in schema:
        result["properties"] = {k: component(v) for k, v in schema["properties"].items()}
    result |= {k: v for k, v in schema.items() if k.startswith("x-kubernetes-")}
    return result


SPECIAL: dict[str, dict[str, Any]] = {
    QUANTITY: {"oneOf": [{"type": "string"}, {"type": "number"}]},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {
        "format": "int-or-string",
        "oneOf": [{"type": "integer"}, {"type": "string"}],
    },
}


ZEROS = {"string": "", "integer": 0, "number": 0, "boolean": False}


def add_defaults(sources: list[str], result: dict[str, Any]) -> None:
    """Source: k8s.io/kube-openapi/pkg/generators, mustEnforceDefault."""
    go = {
        definition(name, package): (package, fields)
        for package, proto in packages(sources)
        for name, fields in structs(proto.parent).items()
    }

    def fields_of(name: str) -> Iterator[GoField]:
        package, fields = go.get(name, ("", []))
        for field in fields:
            if field.inline:  # of the same package, but for TypeMeta
                yield from fields_of(definition(field.type.lstrip("*"), package))
            else:
                yield field

    for name, entry in result.items():
        properties = entry.get("properties", {})
        for field in fields_of(name):
            prop = properties.get(field.name)
            if prop is None or field.type.startswith(("*", "[", "map[")):
                continue
            target = prop.get("allOf", [prop])[0].get("$ref", "").rsplit("/", 1)[-1]
            if target:
                by_value = target not in PLAIN and result[target].get("type") == "object"
                if by_value and result[target].get("properties"):
                    if "$ref" in prop:
                        properties[field.name] = prop = {"allOf": [prop]}
                    prop["default"] = {}
            elif prop.get("type") in ZEROS and "omitempty" not in field.options:
                prop.setdefault("default", ZEROS[prop["type"]])


def add_enums(sources: list[str], result: dict[str, Any]) -> None:
    """Source: k8s.io/kube-openapi/pkg/generators/enum.go."""
    known = {package: enums(proto.parent) for package, proto in packages(sources)}
    core = known["k8s.io.api.core.v1"]
    for package, proto in packages(sources):
        for name, fields in structs(proto.parent).items():
            properties = result.get(definition(name, package), {}).get("properties", {})
            for field in fields:
                kind = field.type.lstrip("*[]").removeprefix("v1.").removeprefix("corev1.")
                of = core if "v1." in field.type else known[package]
                values = of.get(kind)
                if not values or field.name not in properties:
                    continue
                prop = properties[field.name]
                said = "".join(
                    f"\n - `{json.dumps(value)}`{f' {text}' if text else ''}"
                    for value, text in sorted(values.items())
                )
                before = prop.get("description", "")
                prop["description"] = f"{before}\n\nPossible enum values:{said}".lstrip()
                prop.get("items", prop)["enum"] = sorted(values)


def go_types(sources: list[str], kept: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Go's names for the types of fields, where they are not what the schema makes one expect."""
    result: dict[str, dict[str, str]] = {}
    for package, proto in packages(sources):
        own = package.rsplit(".", 1)[-1]
        for name, fields in structs(proto.parent).items():
            properties = kept.get(definition(name, package), {}).get("properties", {})
            for field in fields:
                if field.name not in properties:
                    continue
                found = re.fullmatch(r"(\*?)((?:\[\]|map\[[\w.]+\])*)(\w+\.)?(\w+)", field.type)
                assert found, field
                _, around, owner, base = found.groups()
                around = re.sub(r"\[(?=[A-Z])", f"[{own}.", around)
                if base[
                    0
                ].isupper():  # as reflect prints it: by the package's name, not the import's
                    owner = re.sub(r"^\w+v1\.", "v1.", owner) if owner else f"{own}."
                text = f"{around}{owner or ''}{base}"
                if text != expected(properties[field.name]):
                    result.setdefault(definition(name, package), {})[field.name] = text
    return result


def expected(prop: Any) -> str:
    """What `emucluster.core.schemas.go_names` makes of a schema."""
    ref = prop.get("allOf", [prop])[0].get("$ref", "").rsplit("/", 1)[-1]
    if ref:
        return ".".join(ref.rsplit(".", 2)[1:])
    if prop.get("type") == "array":
        return f"[]{expected(prop['items'])}"
    if prop.get("type") == "object":
        return f"map[string]{expected(prop.get('additionalProperties', {}))}"
    if prop.get("type") == "integer":
        return str(prop.get("format", "int64"))
    return {"boolean": "bool", "number": "float64"}.get(prop.get("type", ""), "string")


def reachable(defs: dict[str, Schema], roots: tuple[str, ...]) -> list[str]:
    done: set[str] = set()
    ahead = list(roots)
    while ahead:
        name = ahead.pop()
        if name not in done:
            done.add(name)
            ahead += references(defs[name])
    return sorted(done)


def main(sources: list[str]) -> None:
    defs = {**schemas(), **metrics()}
    kinds = (*ROOTS, *ALSO, METRICS + "NodeMetrics", METRICS + "PodMetrics")
    lists = tuple(name + "List" for name in kinds if name + "List" in defs)
    result = {}
    for name in reachable(defs, kinds + lists):
        entry = component(defs[name])
        if name in SPECIAL:
            entry = {k: v for k, v in entry.items() if k == "description"} | SPECIAL[name]
        for (owner, field), value in KEY_DEFAULTS.items():
            if owner == name:
                entry["properties"][field]["default"] = value
        if len(entry.get("x-kubernetes-group-version-kind", ())) > 1:
            # Options and Status are of every group; one entry says what they are.
            entry["x-kubernetes-group-version-kind"] = [
                row for row in entry["x-kubernetes-group-version-kind"] if not row["group"]
            ]
        result[name] = entry
    add_defaults(sources, result)
    add_enums(sources, result)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    write(TARGET, result)
    write(TARGET.with_name("go_types.json.gz"), go_types(sources, result))


def write(target: Path, value: dict[str, Any]) -> None:
    text = json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
    target.write_bytes(gzip.compress(text, 9, mtime=0))
    print(f"{target.name}: {len(value)} definitions, {len(text)} bytes, {target.stat().st_size} gz")


if __name__ == "__main__":
    main(sys.argv[1:])
