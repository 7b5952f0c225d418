"""Structs of Kubernetes' Go sources, as far as their fields and tags tell how they are encoded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.M | re.S)
FIELD = re.compile(
    r'^\t(?:(?P<name>\w+) +)?(?P<type>[\w.*\[\]]+)\s+`json:"(?P<json>[^"]*)"'
    r'(?:[^`\n]*?protobuf:"\w+,(?P<number>\d+)[^"]*")?',
    re.M,
)
PACKAGE = re.compile(r"^package ([\w.]+);", re.M)


@dataclass(frozen=True)
class GoField:
    """One field: its Go type, JSON name, options of its tag, and its number in protobuf."""

    type: str
    name: str
    options: tuple[str, ...]
    number: int

    @property
    def inline(self) -> bool:
        return "inline" in self.options or not self.name


def structs(folder: Path) -> dict[str, list[GoField]]:
    """Fields of every struct of a Go package, by the struct's name."""
    result: dict[str, list[GoField]] = {}
    for path in sorted(folder.glob("*.go")):
        if path.name.endswith("_test.go"):
            continue
        for struct, body in STRUCT.findall(path.read_text(encoding="utf-8")):
            for found in FIELD.finditer(body):
                name, *options = found["json"].split(",")
                field = GoField(found["type"], name, tuple(options), int(found["number"] or 0))
                result.setdefault(struct, []).append(field)
    return result


def packages(sources: list[str]) -> Iterator[tuple[str, Path]]:
    """The protobuf package of every folder with a `generated.proto`, and that file."""
    for source in sources:
        for proto in sorted(Path(source).rglob("generated.proto")):
            found = PACKAGE.search(proto.read_text(encoding="utf-8"))
            assert found, proto
            yield found[1], proto


def definition(name: str, package: str) -> str:
    """`k8s.io.api.core.v1` and `Pod`, or a full name, to `io.k8s.api.core.v1.Pod`."""
    full = name.lstrip(".") if "." in name else f"{package}.{name}"
    return full.replace("k8s.io.", "io.k8s.", 1).replace("_", "-")  # apiextensions-apiserver


ENUM = re.compile(r"^// \+enum\n(?://.*\n)*type (\w+) string", re.M)
CONST = re.compile(r'((?:^\t//.*\n)*)^\t\w+\s+(\w+)\s*=\s*"([^"]*)"', re.M)


def enums(folder: Path) -> dict[str, dict[str, str]]:
    """The values of every type that is marked as an enum, with what is said of each."""
    texts = [p.read_text(encoding="utf-8") for p in sorted(folder.glob("types*.go"))]
    result: dict[str, dict[str, str]] = {name: {} for t in texts for name in ENUM.findall(t)}
    for text in texts:
        for comment, kind, value in CONST.findall(text):
            if kind in result:
                lines = (line.strip().removeprefix("//").strip() for line in comment.splitlines())
                said = " ".join(line for line in lines if line and not line.startswith("+"))
                result[kind].setdefault(value, said)
    return result
