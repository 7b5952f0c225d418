"""ConfigMaps. Source: kubernetes/kubernetes pkg/apis/core/validation, ValidateConfigMap."""

from __future__ import annotations

from emucluster.core.errors import Cause
from emucluster.core.objects import ConfigMap

from .fields import forbidden, invalid, too_long
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
    causes: list[Cause] = []
    if old.immutable:
        text = "field is immutable when `immutable` is set"
        if not new.immutable:
            causes.append(forbidden("immutable", text))
        if (new.data or {}) != (old.data or {}):
            causes.append(forbidden("data", text))
        if (new.binary_data or {}) != (old.binary_data or {}):
            causes.append(forbidden("binaryData", text))
    return causes + config_map(new)
