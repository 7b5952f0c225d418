"""YAML nodes to plain trees, with the lines of what is wrong."""

from __future__ import annotations

import re
from typing import Any

import yaml

from emucluster.core.errors import BadRequest

from .codec import MAX_DEPTH

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
MAX_VALUES = 1_000_000  # in one document, counting what aliases repeat
_MAP, _SEQ = "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"
_BOOLS = {"y": True, "yes": True, "true": True, "on": True}


class _Loader(_Base):
    """kubectl's scalars: no timestamps and no base-60 integers, and floats without a point."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


def _resolve(tag: str, pattern: str, first: str) -> None:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(pattern), list(first))


_resolve("bool", r"^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$", "yYnNtTfFoO")  # fmt: skip  # noqa: E501
_resolve("int", r"^[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|0|[1-9][0-9_]*)$", "-+0123456789")
_resolve("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", "-+.0123456789")
_resolve("null", r"^(?:~|null|Null|NULL|)$", "~nN")
_Loader.yaml_implicit_resolvers.setdefault("", []).append(
    ("tag:yaml.org,2002:null", re.compile(r"^$"))
)
_resolve("merge", r"^<<$", "<")


def compose_documents(
    text: str, *, source: str, values_max: int = MAX_VALUES
) -> list[yaml.Node | None]:
    """The documents' nodes; None for an empty one. Raises BadRequest with the line.

    `values_max`: how many values they may have altogether; a node takes a kilobyte.
    """
    loader = None
    try:
        check_size(text, source=source, values_max=values_max)
        loader = _Loader(text)
        nodes: list[yaml.Node | None] = []
        while loader.check_node():
            nodes.append(loader.get_node())
        return nodes
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise BadRequest(f"{source}{line}: error parsing YAML: {_problem(error)}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise BadRequest(f"{source}: error parsing YAML: {error}") from None
    finally:
        if loader is not None:
            loader.dispose()


def _problem(error: yaml.MarkedYAMLError) -> str:
    if "nesting depth" in str(error.problem):  # newer libyaml has a limit too, of its own words
        return TOO_DEEP
    return ": ".join(t for t in (error.context, error.problem) if t)


def check_size(text: str, *, source: str, values_max: int) -> None:
    """Raises BadRequest with the line of the first collection deeper than MAX_DEPTH, or of the
    first value that is too many.

    Composing recurses, in libyaml's binding in C: what is too deep would end the process. Parsing
    into events does not, so it goes first. Raises YAMLError for what is not YAML.
    """
    shallow = all(text.count(opening) <= MAX_DEPTH for opening in "[{:-?")
    if shallow and text.count(",") <= values_max // 4:
        return  # nothing can nest by more than hundreds, and most manifests are read once only
    depth = values = 0
    for event in yaml.parse(text, Loader=_Loader):
        values += isinstance(event, yaml.NodeEvent)
        if values > 2 * values_max:  # keys are nodes too
            raise BadRequest(f"{source}: error parsing YAML: more than {values_max} values")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH + 1:
                mark = event.start_mark
                line = f", line {mark.line + 1}" if mark else ""
                raise BadRequest(f"{source}{line}: error parsing YAML: {TOO_DEEP}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class TreeBuilder:
    """Turns one document's nodes into dicts, lists and scalars."""

    def __init__(self, where: str, values_max: int = MAX_VALUES) -> None:
        self._where = where
        self._values_max = values_max
        self._values = 0

    def build(self, node: yaml.Node, depth: int = 0) -> object:
        """Raises BadRequest: duplicate keys, too deep, too many values, tags we do not know."""
        self._values += 1
        if depth > MAX_DEPTH:
            raise self._error(node, TOO_DEEP)
        if self._values > self._values_max:
            raise self._error(node, "document contains excessive aliasing")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, depth)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, depth + 1) for item in node.value]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, object]:
        merged: dict[str, object] = {}
        own: dict[str, object] = {}
        for key_node, value_node in node.value:
            if key_node.tag.endswith(":merge"):
                for source in self._merge_sources(value_node, depth):
                    merged = source | merged
                continue
            key = self._key(key_node)
            if key in own:
                raise self._error(key_node, f'key "{key}" already set in map')
            own[key] = self.build(value_node, depth + 1)
        return merged | own

    def _merge_sources(self, node: yaml.Node, depth: int) -> list[dict[str, object]]:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        sources = [self.build(source, depth + 1) for source in nodes]
        maps = [source for source in sources if isinstance(source, dict)]
        if len(maps) != len(sources):
            raise self._error(node, "map merge requires map or sequence of maps as the value")
        return maps

    def _key(self, node: yaml.Node) -> str:
        """Keys are strings in JSON: a bare `on:` is "true", as with kubectl."""
        if not isinstance(node, yaml.ScalarNode):
            raise self._error(node, "a key must be a scalar")
        value = self._scalar(node)
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(node.value if value is None or isinstance(value, float) else value)

    def _scalar(self, node: yaml.Node) -> object:
        kind, text = node.tag.rsplit(":", 1)[-1], str(node.value)
        try:
            match kind:
                case "str":
                    return text
                case "int":
                    return _integer(text)
                case "float":
                    return float(text)
                case "bool":
                    return _BOOLS.get(text.lower(), False)
                case "null":
                    return None
                case "binary":
                    return "".join(text.split())
        except ValueError:
            raise self._error(node, f"cannot decode {text!r} as a {kind}") from None
        raise self._error(node, f"unknown tag {node.tag}")

    def _error(self, node: yaml.Node, problem: str) -> BadRequest:
        return BadRequest(f"{self._where}, line {_line(node)}: error parsing YAML: {problem}")


def _integer(text: str) -> int:
    digits = text.replace("_", "").lower()
    plain = digits.lstrip("+-")
    if plain.startswith("0") and plain[1:].isdigit():
        return int(digits, 8)
    return int(digits, 0)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def line_of(node: yaml.Node, path: str) -> int:
    """The line where `path` (`spec.ports[0].port`) stands, or its nearest ancestor."""
    line = _line(node)
    position = 0
    while position < len(path):
        below, position = _step(node, path, position)
        if below is None:
            break
        key, node = below
        line = _line(key)
    return line


def _step(node: yaml.Node, path: str, start: int) -> tuple[tuple[yaml.Node, yaml.Node] | None, int]:
    """One step down: (where it is written, what is there), and where the path goes on."""
    if isinstance(node, yaml.SequenceNode):
        match = re.compile(r"\[(\d+)\]").match(path, start)
        if match is None or int(match[1]) >= len(node.value):
            return None, start
        item = node.value[int(match[1])]
        return (item, item), match.end()
    rest = path[start:].removeprefix(".")
    skipped = len(path) - len(rest)
    if isinstance(node, yaml.MappingNode):
        # A key may itself contain dots (labels): the longest one that fits.
        for key, value in sorted(node.value, key=lambda kv: -len(str(kv[0].value))):
            name = str(key.value)
            if rest == name or rest.startswith((f"{name}.", f"{name}[")):
                return (key, value), skipped + len(name)
    return None, start
