"""ConfigMaps. Source: kubernetes/kubernetes pkg/apis/core/validation, ValidateConfigMap."""

from __future__ import annotations

from emucluster.core.errors import Cause
from emucluster.core.objects import ConfigMap

from .fields import immutable_by_its_own_word, invalid, too_long
from .names import config_map_key

DATA_MAX_BYTES = 1024 * 1024


def config_map(obj: ConfigMap) -> list[Cause]:
    data, binary = obj.data or {}, obj.binary_data or {}
    causes = [
        invalid(f"{field}[{key}]", key, text)
        for field, values in (("data", data), ("binaryData", binary))
        for key in values
        for text in config_map_key(key)
    ]
    causes += [
        invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
        for key in data
        if key in binary
    ]
    # Base64 carries three bytes in four characters.
    size = sum(len(v.encode()) for v in data.values()) + sum(
        len(v) * 3 // 4 for v in binary.values()
    )
    if size > DATA_MAX_BYTES:
        causes.append(too_long("", DATA_MAX_BYTES))
    return causes


def config_map_update(new: ConfigMap, old: ConfigMap) -> list[Cause]:
    kept = {"data": "data", "binaryData": "binary_data"}
    return immutable_by_its_own_word(new, old, kept) + config_map(new)
