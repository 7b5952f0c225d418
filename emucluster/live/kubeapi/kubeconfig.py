"""The files that `KUBECONFIG` names, one for each user.

They are in the cluster's own directory and go with it. Contexts are named after the cluster.
"""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import yaml

from .certificates import Pair, write_private


def content(
    *, cluster: str, server: str, authority: bytes, user: str, token: str, pair: Pair | None
) -> bytes:
    """A kubeconfig as YAML.

    `pair` is the user's client certificate; it stands as another user, NAME-certificate, for
    `kubectl --user`: with both a token and a certificate, clients differ in which one they show.
    """
    name = f"{cluster}-{user}"
    users: list[dict[str, Any]] = [{"name": name, "user": {"token": token}}]
    if pair is not None:
        shown = {
            "client-certificate-data": b64encode(pair.certificate).decode(),
            "client-key-data": b64encode(pair.key).decode(),
        }
        users.append({"name": f"{name}-certificate", "user": shown})
    where = {"server": server, "certificate-authority-data": b64encode(authority).decode()}
    context = {"cluster": cluster, "user": name, "namespace": "default"}
    tree = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": where}],
        "users": users,
        "contexts": [{"name": cluster, "context": context}],
        "current-context": cluster,
        "preferences": {},
    }
    return yaml.safe_dump(tree, sort_keys=False).encode()


def write(path: Path, data: bytes) -> None:
    """Put it in place with mode 0600; the same content is not written again."""
    try:
        if path.read_bytes() == data:
            return
    except FileNotFoundError:
        pass
    write_private(path, data)
