"""Coming from client-side to server-side apply with kubectl.

Client-side apply keeps the last configuration in an annotation. What is in it and as it was there
belongs to the user, who may take it over with `kubectl apply --server-side` without a conflict; and
the annotation is kept up to date for a way back. Source: lastappliedmanager.go and
lastappliedupdater.go in k8s.io/apimachinery/pkg/util/managedfields/internal.
"""

from __future__ import annotations

from typing import Any

import msgspec

from emucluster.core.schemas.schema import Schema

from .fieldset import FieldSet, difference, union
from .structured import compare, fields_of
from .trees import Tree

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
MAX_ANNOTATIONS = 256 * 1024
"""Bytes of all annotations of an object (k8s.io/apimachinery/pkg/api/validation)."""


def allowed_conflicts(live: Tree, api_version: str, schema: Schema) -> FieldSet | None:
    """Fields that are as they were last applied on the client's side; None: it never was."""
    text = _annotations(live).get(ANNOTATION)
    if not isinstance(text, str) or not text:
        return None
    try:
        config = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return None
    if not isinstance(config, dict) or config.get("apiVersion") != api_version:
        return None
    found = compare(config, live, schema)
    changed = union(union(found.modified, found.added), found.removed)
    return difference(fields_of(config, schema), changed)


def brought_up_to_date(tree: Tree, config: Tree) -> Tree:
    """The object, with the annotation telling of this configuration if it has one."""
    annotations = _annotations(tree)
    if not annotations.get(ANNOTATION):
        return tree
    plain = config
    given = _annotations(config)
    if ANNOTATION in given:
        rest = {k: v for k, v in given.items() if k != ANNOTATION}
        plain = {**config, "metadata": {**config["metadata"], "annotations": rest}}
    text = msgspec.json.encode(plain, order="sorted").decode() + "\n"
    renewed = {**annotations, ANNOTATION: text}
    if sum(len(k.encode()) + len(str(v).encode()) for k, v in renewed.items()) > MAX_ANNOTATIONS:
        del renewed[ANNOTATION]
    return {**tree, "metadata": {**tree["metadata"], "annotations": renewed}}


def _annotations(tree: Tree) -> dict[str, Any]:
    metadata = tree.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return annotations if isinstance(annotations, dict) else {}
