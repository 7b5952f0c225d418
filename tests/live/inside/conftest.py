"""A small cluster for clients of every language, and each language's client made ready once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import emucluster as emu
from tests.live.conftest import WEB
from tests.live.inside.clients import LANGUAGES, Client, Missing, prepare


@pytest.fixture(scope="package")
def cluster() -> Iterator[emu.Cluster]:
    """Two nodes with examples/web.yaml. No test here breaks anything in it."""
    with emu.Cluster(nodes=2, packing="node") as running:
        running.apply(WEB)
        running.wait_ready()
        yield running


@pytest.fixture(scope="package", params=LANGUAGES)
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Client:
    """The small client of each language. Skips where this machine lacks what it needs."""
    try:
        return prepare(request.param, tmp_path_factory.mktemp("client"))
    except Missing as missing:
        pytest.skip(f"{request.param}: {missing}")
