"""A plain client: what is sent and answered, and nothing else."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Reply:
    """A whole answer."""

    code: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def warnings(self) -> list[str]:
        return [value for name, value in self.headers.items() if name.lower() == "warning"]


class Client:
    """Speaks as a kubeconfig says; one connection, opened when it is needed.

    Raises OSError or http.client.HTTPException where no whole answer came, and dials anew then.
    """

    def __init__(
        self,
        kubeconfig: Path,
        *,
        token: str | None = None,
        certificate: bool = False,
        timeout_s: float = TIMEOUT_S,
    ):
        self._timeout_s = timeout_s
        config = yaml.safe_load(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        self.server = cluster["server"].removeprefix("https://")
        self.authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self.context = ssl.create_default_context(cadata=self.authority)
        self.token = config["users"][0]["user"]["token"] if token is None else token
        if certificate:
            self.token = ""
            self._present(kubeconfig.parent, config["users"][1]["user"])
        self._connection: http.client.HTTPSConnection | None = None

    def _present(self, directory: Path, user: Mapping[str, str]) -> None:
        files = []
        for key in ("client-certificate-data", "client-key-data"):
            path = directory / f"{key}.pem"
            path.write_bytes(base64.b64decode(user[key]))
            files.append(path)
        self.context.load_cert_chain(*files)

    def _request(
        self, method: str, path: str, body: Any, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        if self._connection is None:
            self._connection = http.client.HTTPSConnection(
                self.server, context=self.context, timeout=self._timeout_s
            )
        sent = {"Accept": "application/json", "User-Agent": "test/1"}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        data = body
        if body is not None and not isinstance(body, bytes):
            data = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        self._connection.request(method, path, data, {**sent, **headers})
        return self._connection.getresponse()

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Send a request (`content_type="..."` is a header) and read the whole answer."""
        named = {name.replace("_", "-").title(): value for name, value in headers.items()}
        try:
            reply = self._request(method, path, body, named)
            return Reply(reply.status, _headers(reply), reply.read())
        except BaseException:
            self.close()
            raise

    def get(self, path: str, **headers: str) -> Any:
        """The JSON of something that is there."""
        reply = self.call("GET", path, **headers)
        assert reply.code == 200, reply.body
        return reply.json

    def post(self, path: str, body: Any) -> Any:
        """The JSON of what was created."""
        reply = self.call("POST", path, body)
        assert reply.code == 201, reply.body
        return reply.json

    def watch(self, path: str, **headers: str) -> Iterator[Any]:
        """Events as they come, until the server ends; on a connection of its own."""
        code, events = self.stream(path, **headers)
        assert code == 200, list(events)
        return events

    def stream(self, path: str, **headers: str) -> tuple[int, Iterator[Any]]:
        """The code of an answer, and its lines as they come; on a connection of its own."""
        own = Client.__new__(Client)
        own.__dict__ = {**self.__dict__, "_connection": None}
        named = {name.replace("_", "-").title(): value for name, value in headers.items()}
        try:
            reply = own._request("GET", path, None, named)
        except BaseException:
            own.close()
            raise

        def events() -> Iterator[Any]:
            try:
                while line := reply.readline():
                    yield json.loads(line)
            finally:
                own.close()

        return reply.status, events()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _headers(reply: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in reply.getheaders()}
