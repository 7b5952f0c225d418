"""Text to an `Experiment`, or one error that names the file, the field and what is allowed."""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec
import yaml

from emucluster.core.errors import BadRequest, UsageError
from emucluster.core.objects.codec import MAX_DEPTH
from emucluster.core.objects.yaml_nodes import TOO_DEEP, TreeBuilder, compose_documents, line_of
from emucluster.core.quantities import decode_quantity, encode_quantity, quantity_words, shortly
from emucluster.experiment.bounds import WHOLE_MAX
from emucluster.experiment.problem import Problem
from emucluster.experiment.rules import first_problem
from emucluster.experiment.spec import Experiment
from emucluster.experiment.vocabulary import PATTERN_WORDS

BYTES_MAX = 4 * 1024 * 1024
PROBLEM_MAX = 500
"""Characters of an error: what a user wrote is told in it."""
_AT = re.compile(r"^(?P<problem>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.S)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")


class SpecError(UsageError):
    """An experiment that cannot be run as it is written.

    Attributes:
        source: the file's name; `path`: the field, e.g. `faults[0].target`; empty: the whole.
        line: in the file; 0 where it is not known.
    """

    def __init__(self, source: str, path: str, problem: str, *, line: int = 0) -> None:
        if len(problem) > PROBLEM_MAX:
            problem = f"{problem[: PROBLEM_MAX - 3]}..."
        where = f"{source}:{line}" if line else source
        super().__init__(": ".join(part for part in (where, path, problem) if part))
        self.source = source
        self.path = path
        self.problem = problem
        self.line = line


def read(text: str, *, source: str) -> Experiment:
    """The experiment that YAML (or JSON) text describes.

    Args:
        source: how errors call it, normally the file's name.

    Raises SpecError: not YAML, more than one document, unknown fields, wrong types, values that are
    not allowed, names that are not there. Files that it refers to are not looked at.
    """
    return read_with_stated(text, source=source)[0]


def read_with_stated(text: str, *, source: str) -> tuple[Experiment, frozenset[str]]:
    """The experiment, and the fields of its `cluster` that the text states. As `read`."""
    if len(text) > BYTES_MAX:
        raise SpecError(source, "", f"larger than {BYTES_MAX // 1024 // 1024} MiB")
    try:
        nodes = compose_documents(text, source=source)
        found = [node for node in nodes if node is not None]
        if len(found) != 1:
            raise SpecError(source, "", f"must be one YAML document, got {len(found)}")
        tree = TreeBuilder(source).build(found[0])
    except BadRequest as error:
        raise SpecError("", "", error.message) from None
    return _checked(tree, source, found[0]), stated(tree)


def stated(tree: object) -> frozenset[str]:
    """The fields of `cluster` that a tree states; what it leaves to defaults is nobody's wish."""
    cluster = tree.get("cluster") if isinstance(tree, dict) else None
    return frozenset(cluster) if isinstance(cluster, dict) else frozenset()


def from_tree(tree: object, *, source: str = "experiment") -> Experiment:
    """The experiment that dicts, lists and scalars describe. Raises SpecError."""
    return _checked(tree, source, None)


def to_tree(experiment: Experiment) -> dict[str, Any]:
    """Dicts, lists and scalars that `from_tree` reads back; durations are seconds."""
    tree: dict[str, Any] = msgspec.to_builtins(experiment, enc_hook=encode_quantity)
    return tree


def in_words(tree: dict[str, Any]) -> dict[str, Any]:
    """What `to_tree` made, with durations and shares as files have them: `500ms`, `99%`.

    As it is where it is no experiment of this version.
    """
    try:
        found: dict[str, Any] = msgspec.to_builtins(from_tree(tree), enc_hook=quantity_words)
    except SpecError:
        return tree
    return found


def _checked(tree: object, source: str, node: yaml.Node | None) -> Experiment:
    problem = unfit(tree)
    if problem is not None:
        raise _error(source, problem, node)
    try:
        experiment = msgspec.convert(tree, Experiment, dec_hook=decode_quantity)
    except msgspec.ValidationError as error:
        raise _error(source, _explained(str(error), tree), node) from None
    problem = first_problem(experiment)
    if problem is not None:
        raise _error(source, problem, node)
    return experiment


def unfit(tree: object) -> Problem | None:
    """The first value that JSON, in which plans and results are kept, cannot hold anywhere."""
    waiting: list[tuple[str, object, int]] = [("", tree, 0)]
    while waiting:
        path, value, depth = waiting.pop()
        if depth > MAX_DEPTH:
            return Problem(path, TOO_DEEP)
        if isinstance(value, int) and not -WHOLE_MAX <= value <= WHOLE_MAX:
            return Problem(path, f"must be a whole number from -{WHOLE_MAX} to {WHOLE_MAX}")
        if isinstance(value, float) and not math.isfinite(value):
            return Problem(path, f"must be a finite number; got {value}")
        inner: list[tuple[str, object, int]] = []
        if isinstance(value, dict):
            steps = ((f"{path}.{key}" if path else str(key), item) for key, item in value.items())
            inner = [(step, item, depth + 1) for step, item in steps]
        elif isinstance(value, list):
            inner = [(f"{path}[{i}]", item, depth + 1) for i, item in enumerate(value)]
        waiting.extend(reversed(inner))
    return None


def _error(source: str, problem: Problem, node: yaml.Node | None) -> SpecError:
    line = line_of(node, problem.path) if node is not None and problem.path else 0
    return SpecError(source, problem.path, problem.text, line=line)


# --- msgspec's errors in the file's words --------------------------------------------------------


def _explained(text: str, tree: object) -> Problem:
    matched = _AT.match(text)
    assert matched is not None
    steps = [name or index for name, index in _STEP.findall(matched["path"] or "")]
    known, value, path = _follow(steps, tree)
    if matched["problem"].startswith("Object contains unknown field"):
        path = ".".join(part for part in (path, matched["problem"].split("`")[1]) if part)
    return Problem(path, _in_words(matched["problem"], known, value))


def _follow(steps: list[str], tree: object) -> tuple[list[msgspec.inspect.Type], Any, str]:
    """The types that may stand at a path, what does stand there, and the path in words."""
    types: list[msgspec.inspect.Type] = [msgspec.inspect.type_info(Experiment)]
    value: Any = tree
    path = ""
    for step in steps:
        types = [inner for kind in types for inner in _step(kind, step, value)]
        if step.isdigit():
            path += f"[{step}]"
            value = value[int(step)] if isinstance(value, list) else None
        elif step != "...":
            path += f".{step}" if path else step
            value = value.get(step) if isinstance(value, dict) else None
    return types, value, path


def _step(kind: msgspec.inspect.Type, step: str, value: Any) -> list[msgspec.inspect.Type]:
    match _plain(kind):
        case msgspec.inspect.UnionType(types=types):
            return [inner for one in types for inner in _step(one, step, value)]
        case msgspec.inspect.ListType(item_type=item):
            return [_plain(item)]
        case msgspec.inspect.DictType(value_type=item):
            return [_plain(item)]
        case msgspec.inspect.StructType() as struct:
            tag = value.get(struct.tag_field) if isinstance(value, dict) else None
            if struct.tag_field == step:
                return [msgspec.inspect.LiteralType((struct.tag,))]
            if struct.tag_field and tag != struct.tag:
                return []
            return [_plain(f.type) for f in struct.fields if f.encode_name == step]
    return []


def _plain(kind: msgspec.inspect.Type) -> msgspec.inspect.Type:
    return kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind


def _in_words(problem: str, types: list[msgspec.inspect.Type], value: Any) -> str:
    flat = [inner for kind in types for inner in _members(kind)]
    if problem.startswith("Object contains unknown field"):
        field = problem.split("`")[1]
        names = sorted({name for kind in flat for name in _fields(kind, value)})
        return f'unknown field "{field}"; known: {", ".join(names)}'
    if problem.startswith("Object missing required field"):
        return f'the field "{problem.split("`")[1]}" is required'
    literals = [
        str(v) for k in flat if isinstance(k, msgspec.inspect.LiteralType) for v in k.values
    ]
    if literals and problem.startswith("Invalid"):
        return f"must be one of {', '.join(sorted(set(literals)))}; got {shortly(value)}"
    if problem.startswith("Expected"):
        got = "" if isinstance(value, dict | list) else f"; got {shortly(value)}"
        for pattern, words in PATTERN_WORDS.items():
            if repr(pattern) in problem:
                return f"must be {words}{got}"
        return f"must be {_TYPES.sub(_type_words, problem[9:].split(', got')[0])}{got}"
    return problem


_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a map of fields",
    "null": "nothing",
}
_TYPES = re.compile("`([^`]+)`")


def _type_words(matched: re.Match[str]) -> str:
    return " or ".join(_WORDS.get(name, name) for name in matched[1].split(" | "))


def _members(kind: msgspec.inspect.Type) -> list[msgspec.inspect.Type]:
    kind = _plain(kind)
    if isinstance(kind, msgspec.inspect.UnionType):
        return [inner for one in kind.types for inner in _members(one)]
    return [kind]


def _fields(kind: msgspec.inspect.Type, value: Any) -> list[str]:
    if not isinstance(kind, msgspec.inspect.StructType):
        return []
    if kind.tag_field and isinstance(value, dict) and value.get(kind.tag_field) != kind.tag:
        return []
    own = [field.encode_name for field in kind.fields]
    return [kind.tag_field, *own] if kind.tag_field else own
