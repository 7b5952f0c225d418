"""Namespaces. Source: kubernetes/kubernetes pkg/apis/core/validation, ValidateNamespace,
ValidateNamespaceFinalizeUpdate and validateFinalizerName."""

from __future__ import annotations

from collections.abc import Iterator

from emucluster.core.errors import Cause
from emucluster.core.objects import Namespace

from .fields import invalid
from .metadata import metadata_update
from .names import qualified_name

FINALIZERS = "spec.finalizers"
_STANDARD = frozenset(("kubernetes", "orphan", "foregroundDeletion"))


def namespace(obj: Namespace) -> list[Cause]:
    """Of a new one; upstream does not say which of the finalizers it is."""
    return [cause for name in obj.spec.finalizers for cause in _finalizer(FINALIZERS, name)]


def namespace_update(_new: Namespace, _old: Namespace) -> list[Cause]:
    """A main update leaves the finalizers as they are, whatever is sent."""
    return []


def namespace_finalize(new: Namespace, old: Namespace) -> list[Cause]:
    """Of a write to the subresource `finalize`."""
    causes = metadata_update(new, old)
    for index, name in enumerate(new.spec.finalizers):
        causes += _finalizer(f"{FINALIZERS}[{index}]", name)
    return causes


def _finalizer(path: str, name: str) -> Iterator[Cause]:
    for text in qualified_name(name):
        yield invalid(path, name, text)
    if "/" not in name and name not in _STANDARD:
        text = "name is neither a standard finalizer name nor is it fully qualified"
        yield invalid(path, name, text)
