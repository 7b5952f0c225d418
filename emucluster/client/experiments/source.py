"""Experiments as files: the text, the value, and the manifests that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec
import yaml

from emucluster.client import manifests
from emucluster.core.errors import BadRequest, UsageError
from emucluster.core.objects import Object
from emucluster.experiment.reading import (
    BYTES_MAX,
    SpecError,
    from_tree,
    read_with_stated,
    stated,
    to_tree,
)
from emucluster.experiment.spec import Cluster, Experiment

SHIPPED = Path(__file__).parent / "shipped"
"""The experiments of `examples/experiments`, which an installed package has here."""

_SUFFIX = ".yaml"


@dataclass(frozen=True, slots=True)
class Source:
    """An experiment and what it came from.

    Attributes:
        text: the file's, or the value as YAML.
        label: how people call it: the path or name that was given.
        directory: where relative paths of manifests begin.
        objects: of all its manifests.
        stated: the fields of its `cluster` that somebody has given; a running cluster must have
            these, and only these.
    """

    experiment: Experiment
    text: str
    label: str
    directory: Path
    objects: tuple[Object, ...] = field(repr=False)
    stated: frozenset[str] = frozenset()


def open_source(name: str | Path) -> Source:
    """The experiment in a file, or the shipped one of this name.

    Raises UsageError (SpecError names the field) for a file that is not there or is no experiment,
    and for manifests that cannot be read.
    """
    path = find(name)
    return parse(_read(path, str(name)), label=str(name), directory=path.resolve().parent)


def parse(text: str, *, label: str, directory: Path) -> Source:
    """The experiment that YAML text describes. Raises UsageError."""
    experiment, given = read_with_stated(text, source=label)
    objects = _objects(experiment, label, directory)
    return Source(experiment, text, label, directory, objects, given)


def from_fields(fields: Mapping[str, Any], *, directory: Path | None = None) -> Source:
    """The experiment that a program describes, with the file's words. Raises UsageError."""
    tree = _plain(dict(fields))
    experiment = from_tree(tree, source="experiment")
    where = directory or Path.cwd()
    text = yaml.safe_dump(to_tree(experiment), sort_keys=False, allow_unicode=True)
    objects = _objects(experiment, "", where)
    return Source(experiment, text, experiment.name, where, objects, stated(tree))


def find(name: str | Path) -> Path:
    """The file of this path, or the shipped experiment of this name. Raises UsageError."""
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        raise UsageError(f"{name}: is a directory; an experiment is a file")
    if path.exists():
        raise UsageError(f"{name}: not a regular file")
    inside = SHIPPED / f"{str(name).removesuffix(_SUFFIX)}{_SUFFIX}"
    if path.parent == Path() and inside.is_file():
        return inside
    like = get_close_matches(path.name, [path.stem for path in SHIPPED.glob(f"*{_SUFFIX}")], 1)
    raise UsageError(
        f"{name}: no such file, and no experiment of this name ships with emucluster "
        f"({f'did you mean {like[0]}? ' if like else ''}`emucluster experiments` lists those)"
    )


def shipped() -> list[Source]:
    """What ships, by name; a trouble stands before its cure."""
    return [open_source(path) for path in sorted(SHIPPED.glob(f"*{_SUFFIX}"), key=lambda p: p.stem)]


def _read(path: Path, label: str) -> str:
    try:
        if path.stat().st_size > BYTES_MAX:
            raise SpecError(label, "", f"larger than {BYTES_MAX >> 20} MiB")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{label}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{label}: not a text file") from None


def _objects(experiment: Experiment, label: str, directory: Path) -> tuple[Object, ...]:
    found: list[Object] = []
    for index, item in enumerate(experiment.manifests):
        where = f"manifests[{index}]"
        try:
            found += manifests.load(directory / item if isinstance(item, str) else item)
        except (UsageError, BadRequest) as error:
            raise SpecError(label, where, str(error)) from None
    return tuple(found)


def _plain(value: Any) -> Any:
    """Dicts, lists and scalars, whatever typed parts a program put in."""
    if isinstance(value, Cluster):
        value = {
            f.encode_name: getattr(value, f.name)
            for f in msgspec.structs.fields(value)
            if getattr(value, f.name) != getattr(Cluster(), f.name)
        }
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value, enc_hook=float)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    return value
