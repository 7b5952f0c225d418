"""Who may come in: made when a cluster starts for the first time, and kept over restarts."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from emucluster.live.keeper.settings import KUBECONFIG_FILES

from . import kubeconfig
from .certificates import Authority, write_private
from .users import ADMIN, AUTHENTICATED, VIEW, User

USERS = (ADMIN, VIEW)


class Credentials:
    """Authority, tokens and kubeconfig files of one cluster; all in `directory`, mode 0600."""

    def __init__(self, directory: Path, cluster: str) -> None:
        self._directory = directory
        self._cluster = cluster
        self._pki = directory / "pki"
        self.authority = Authority(self._pki, cluster)
        self._tokens = {user: self._token(user) for user in USERS}

    @property
    def tokens(self) -> Mapping[str, User]:
        """The user of each bearer token."""
        return {token: user for user, token in self._tokens.items()}

    def write_kubeconfigs(self, server: str) -> None:
        """A file for each user; `server` is the URL."""
        for user, token in self._tokens.items():
            groups = (group for group in user.groups if group != AUTHENTICATED)
            data = kubeconfig.content(
                cluster=self._cluster,
                server=server,
                authority=self.authority.certificate,
                user=user.name,
                token=token,
                pair=self.authority.client(user.name, groups),
            )
            kubeconfig.write(self._directory / KUBECONFIG_FILES[user.name], data)

    def _token(self, user: User) -> str:
        path = self._pki / f"{user.name}.token"
        try:
            return path.read_text().strip()
        except FileNotFoundError:
            token = secrets.token_hex(32)
            write_private(path, token.encode())
            return token
