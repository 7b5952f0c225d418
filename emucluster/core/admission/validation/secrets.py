"""Secrets. Source: kubernetes/kubernetes pkg/apis/core/validation, ValidateSecret."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator

from emucluster.core.errors import Cause
from emucluster.core.objects import Secret

from .fields import immutable, immutable_by_its_own_word, invalid, required, too_long
from .names import config_map_key

DATA_MAX_BYTES = 1024 * 1024
ACCOUNT = "kubernetes.io/service-account.name"
_REDACTED = "<secret contents redacted>"
_DOCKER = {
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
}


def secret(obj: Secret) -> list[Cause]:
    data = obj.data or {}
    causes = [invalid(f"data[{key}]", key, text) for key in data for text in config_map_key(key)]
    causes += [
        invalid(f"data[{key}]", _REDACTED, "must be base64")
        for key, value in data.items()
        if _bytes(value) is None
    ]
    if sum(len(_bytes(value) or b"") for value in data.values()) > DATA_MAX_BYTES:
        causes.append(too_long("data", DATA_MAX_BYTES))
    return causes + list(_by_type(obj, data))


def _by_type(obj: Secret, data: dict[str, str]) -> Iterator[Cause]:
    match obj.type:
        case "kubernetes.io/service-account-token":
            if not (obj.metadata.annotations or {}).get(ACCOUNT):
                yield required(f"metadata.annotations[{ACCOUNT}]")
        case "kubernetes.io/dockercfg" | "kubernetes.io/dockerconfigjson":
            yield from _docker(f"data[{_DOCKER[obj.type]}]", data.get(_DOCKER[obj.type]))
        case "kubernetes.io/basic-auth":
            if "username" not in data and "password" not in data:
                yield from (required("data[username]"), required("data[password]"))
        case "kubernetes.io/ssh-auth":
            if not data.get("ssh-privatekey"):
                yield required("data[ssh-privatekey]")
        case "kubernetes.io/tls":
            yield from (required(f"data[{k}]") for k in ("tls.crt", "tls.key") if k not in data)


def _docker(path: str, value: str | None) -> Iterator[Cause]:
    if value is None:
        yield required(path)
        return
    try:
        parsed = json.loads(_bytes(value) or b"")
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        yield invalid(path, _REDACTED, "must be a JSON object")


def _bytes(value: str) -> bytes | None:
    try:
        return b64decode(value, validate=True)
    except ValueError:
        return None


def secret_update(new: Secret, old: Secret) -> list[Cause]:
    causes = immutable("type", new.type, old.type)
    causes += immutable_by_its_own_word(new, old, {"data": "data"})
    return causes + secret(new)
