"""One cluster for all tests with kubectl, and a namespace for each."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import emucluster as emu
from tests.kubernetes import workshop as pods
from tests.kubernetes.kubectl import Kubectl

_numbers = itertools.count(1)


@pytest.fixture(scope="module", autouse=True)
def temporary_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Client libraries write a cluster's certificates to files that some of them never remove."""
    directory = tmp_path_factory.mktemp("libraries")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(directory))
        patch.setenv("TMPDIR", str(directory))
        yield


@pytest.fixture(scope="package")
def cluster() -> Iterator[emu.Cluster]:
    """Two nodes; each pod is a process."""
    with emu.Cluster(nodes=2, zones=2, packing="pod", speed=10) as running:
        yield running


@pytest.fixture(scope="package")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What kubectl learns of the cluster is kept from test to test."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def kubectl(cluster: emu.Cluster, home: Path) -> Iterator[Kubectl]:
    """In a namespace of this test's own."""
    everywhere = Kubectl(cluster.kubeconfig(), home)
    name = f"test-{next(_numbers)}"
    everywhere("create", "namespace", name)
    yield Kubectl(cluster.kubeconfig(), home, name)
    everywhere("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="package")
def workshop(cluster: emu.Cluster, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """In a namespace with pods of every kind that nobody changes; see `workshop.py`."""
    directory = tmp_path_factory.mktemp("workshop")
    pods.write_programs(directory)
    kubectl = Kubectl(cluster.kubeconfig(), home, "workshop")
    kubectl("create", "namespace", "workshop")
    kubectl.apply(*pods.manifests(directory))
    ready = [f"pod/{name}" for name in ("own", "talker", "echo", "two")]
    kubectl("wait", "--for=condition=Ready", *ready, "--timeout=90s")
    return kubectl
