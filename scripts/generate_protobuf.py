"""Write `emucluster/core/schemas/data/protobuf.json.gz`: how the API's messages are encoded.

    python scripts/generate_protobuf.py SOURCES...

SOURCES are directories with checkouts of k8s.io/api, k8s.io/apimachinery and
k8s.io/apiextensions-apiserver (Apache-2.0) at the release of the schemas; their
`generated.proto` files tell numbers and types, their `types*.go` which fields Go writes although
they are empty. Only what `definitions.json.gz` holds is kept: run `generate_schemas.py` first.

The table maps the name of a definition to its fields, by number: `[JSON name, type, flags]`.
`type` is a scalar of protobuf or the name of a definition; flags: `r` repeated, `m` map of strings
to `type`, `z` zero means something (a pointer in Go, or no `omitempty`), `i` inlined.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from pathlib import Path

from generate_objects import RELEASE
from generate_schemas import TARGET as DEFINITIONS
from go_structs import definition, packages, structs

TARGET = DEFINITIONS.with_name("protobuf.json.gz")

MESSAGE = re.compile(r"^message (\w+) \{\n(.*?)^\}", re.M | re.S)
FIELD = re.compile(
    r"^  (?:optional|repeated|required|map<string, (?P<value>[\w.]+)>)"
    r"(?: (?P<type>[\w.]+))? (?P<name>\w+) = (?P<number>\d+);",
    re.M,
)
Field = list[str]


def messages(package: str, proto: Path) -> dict[str, dict[str, Field]]:
    """The fields of every message of a package, by the definition's name."""
    text = proto.read_text(encoding="utf-8")
    go = {
        name: {field.number: field for field in fields}
        for name, fields in structs(proto.parent).items()
    }
    result: dict[str, dict[str, Field]] = {}
    for name, body in MESSAGE.findall(text):
        fields: dict[str, Field] = {}
        for row in FIELD.finditer(body):
            kind = row["value"] or row["type"]
            kind = definition(kind, package) if kind[0] == "." or kind[0].isupper() else kind
            flags = "m" if row["value"] else "r" if "repeated" in row[0].split()[0] else ""
            field = go.get(name, {}).get(int(row["number"]))
            if field is None:
                fields[row["number"]] = [row["name"], kind, flags]
                continue
            if field.inline:
                flags += "i"
            elif not flags and (field.type[0] == "*" or "omitempty" not in field.options):
                flags += "z"
            fields[row["number"]] = [field.name, kind, flags]
        result[definition(name, package)] = fields
    return result


def main(sources: list[str]) -> None:
    kept = json.loads(gzip.decompress(DEFINITIONS.read_bytes()))
    table: dict[str, dict[str, Field]] = {}
    for package, proto in packages(sources):
        table |= messages(package, proto)
    wanted = {name for name in kept if name in table}
    while more := {
        kind
        for name in wanted
        for _, kind, _ in table[name].values()
        if kind in table and kind not in wanted
    }:
        wanted |= more
    result = {name: table[name] for name in sorted(wanted)}
    for name, fields in result.items():
        known = kept.get(name, {}).get("properties")
        if known is None:
            continue
        for number, (json_name, _, flags) in list(fields.items()):
            if "i" not in flags and json_name not in known:
                print(f"{name}.{json_name}: not in {RELEASE}, left out")
                del fields[number]
    text = json.dumps(result, separators=(",", ":")).encode()
    TARGET.write_bytes(gzip.compress(text, 9, mtime=0))
    print(f"{TARGET.name}: {len(result)} messages, {len(text)} bytes, {TARGET.stat().st_size} gz")


if __name__ == "__main__":
    main(sys.argv[1:])
