"""One control plane in this process for each module, without Ray."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.live.kubeapi.https import Client
from tests.live.kubeapi.plane import Plane, plane


@pytest.fixture(scope="module")
def api_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    with plane(tmp_path_factory.mktemp("plane")) as running:
        yield running


@pytest.fixture
def admin(api_plane: Plane) -> Iterator[Client]:
    client = Client(api_plane.kubeconfig)
    yield client
    client.close()


@pytest.fixture
def view(api_plane: Plane) -> Iterator[Client]:
    client = Client(api_plane.directory / "kubeconfig-view")
    yield client
    client.close()


@pytest.fixture
def namespace(admin: Client, request: pytest.FixtureRequest) -> str:
    """A new one for each test."""
    name = request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[:50].lower()
    name = "".join(char for char in name if char.isalnum() or char == "-").strip("-")
    made = {"metadata": {"generateName": f"{name}-"}}
    return str(admin.post("/api/v1/namespaces", made)["metadata"]["name"])
