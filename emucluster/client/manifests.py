"""Where manifests come from: files, directories, standard input, text, or Python values."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, cast

from emucluster.core.errors import UsageError
from emucluster.core.objects import (
    DaemonSet,
    Deployment,
    Object,
    ObjectMeta,
    Pod,
    PodSpec,
    ReplicaSet,
    StatefulSet,
    manifest,
    replace,
)
from emucluster.core.objects.codec import decode_tree
from emucluster.core.quantities import shortly

SOURCE_DIR = "emucluster.dev/source-dir"
"""Annotation of pods: the directory from which their Python modules and commands are taken."""

_SUFFIXES = (".yaml", ".yml", ".json")
_CODE_IMAGES = ("python://", "command:")

Source = str | Path | Mapping[str, Any] | Sequence[Any] | Object


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one source holds, in its order; `directory` is where relative things are found."""

    objects: tuple[Object, ...]
    directory: Path


def load(source: Source) -> list[Object]:
    """Objects of a path, YAML or JSON text, a dict, an object, or a list of these.

    A string is text if it has a line end or a brace, else a path. Raises UsageError for files
    that cannot be read and for what is no source, BadRequest for what they hold; nothing is
    returned of a wrong source.
    """
    if isinstance(source, Object):
        return [_with_directory(source, Path.cwd())]
    if isinstance(source, Mapping):
        items = source.get("items") if source.get("kind") == "List" else None
        return load(items) if items is not None else [_from_tree(source)]
    if isinstance(source, str | Path):
        if isinstance(source, str) and ("\n" in source or "{" in source):
            return _objects(_parse(source, "manifest", Path.cwd()))
        return [obj for path in paths(source) for obj in _objects(read(path))]
    if isinstance(source, bytes) or not isinstance(source, Iterable):
        raise UsageError(
            "manifests: must be a path, text, a dict, an object or a list of these; got "
            f"{shortly(source)}"
        )
    return [obj for item in source for obj in load(item)]


def load_files(names: Iterable[str]) -> list[Object]:
    """Objects of files, directories and `-` (standard input); all are read before any is used."""
    objects: list[Object] = []
    for name in names:
        if name == "-":
            objects += _objects(_parse(_stdin(), "STDIN", Path.cwd()))
        else:
            objects += [obj for path in paths(name) for obj in _objects(read(path, waits=True))]
    if not objects:
        raise UsageError("no objects passed to apply")
    return objects


def _stdin() -> str:
    """All of standard input. Raises UsageError if it is not UTF-8, whatever the locale."""
    try:
        return sys.stdin.buffer.read().decode("utf-8")
    except OSError as error:
        raise UsageError(f"STDIN: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError("STDIN: not a text file (expected UTF-8)") from None


def paths(name: str | Path) -> list[Path]:
    """The file, or the manifests right in the directory, by name. Raises UsageError."""
    path = Path(name).expanduser()
    try:
        if path.is_dir():
            return sorted(entry for entry in path.iterdir() if entry.suffix in _SUFFIXES)
        if not path.exists():
            raise UsageError(f'the path "{name}" does not exist')
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    return [path]


def read(path: Path, *, waits: bool = False) -> Manifest:
    """One file. Raises UsageError if it cannot be read as text, or is larger than any manifest.

    Args:
        waits: takes pipes too, as a shell's `<(...)` is one; else only regular files.
    """
    try:
        with _opened(path, waits=waits) as file:
            if os.fstat(file.fileno()).st_size > manifest.MAX_BYTES:
                raise _too_large(path)
            text = file.read(manifest.MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not a text file") from None
    if len(text) > manifest.MAX_BYTES:
        raise _too_large(path)
    return _parse(text, str(path), path.resolve().parent)


def _opened(path: Path, *, waits: bool) -> TextIO:
    """Nobody is waited for at the other end of a pipe, unless `waits`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | (0 if waits else os.O_NONBLOCK))
    if not waits and not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UsageError(f"{path}: not a regular file")
    return os.fdopen(descriptor, encoding="utf-8")


def _too_large(path: Path) -> UsageError:
    return UsageError(f"{path}: larger than {manifest.MAX_BYTES >> 20} MiB")


def _parse(text: str, source: str, directory: Path) -> Manifest:
    return Manifest(tuple(manifest.load(text, source=source)), directory)


def _objects(found: Manifest) -> list[Object]:
    return [_with_directory(obj, found.directory) for obj in found.objects]


def _from_tree(tree: Mapping[str, Any]) -> Object:
    return _with_directory(decode_tree(dict(tree)), Path.cwd())


def _with_directory(obj: Object, directory: Path) -> Object:
    """The object, its pods told where the manifest stands if they take code from beside it."""
    if isinstance(obj, Pod) and _needs_directory(obj.spec):
        return replace(obj, metadata=_annotated(obj.metadata, directory))
    if isinstance(obj, DaemonSet | Deployment | ReplicaSet | StatefulSet):
        template = obj.spec.template
        if template is not None and _needs_directory(template.spec):
            metadata = _annotated(template.metadata or ObjectMeta(), directory)
            changed = replace(template, metadata=metadata)
            return cast(Object, replace(obj, spec=replace(obj.spec, template=changed)))
    return obj


def _needs_directory(spec: PodSpec | None) -> bool:
    return spec is not None and any(
        container.command or (container.image or "").startswith(_CODE_IMAGES)
        for container in (*spec.init_containers, *spec.containers)
    )


def _annotated(metadata: ObjectMeta, directory: Path) -> ObjectMeta:
    annotations = {SOURCE_DIR: str(directory), **(metadata.annotations or {})}
    return replace(metadata, annotations=annotations)
