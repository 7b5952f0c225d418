"""The client libraries that people have, unchanged, against the API: objects, watches, apply.

Each is the published package with nothing but a kubeconfig.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.kubeapi.plane import Plane, plane
from tests.live.watching import until

pytestmark = pytest.mark.live

WIDGETS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "properties": {"size": {"type": "integer", "minimum": 1}},
                            },
                            "status": {
                                "type": "object",
                                "x-kubernetes-preserve-unknown-fields": True,
                            },
                        },
                    }
                },
            }
        ],
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    with plane(tmp_path_factory.mktemp("plane")) as running:
        yield running


# --- kubernetes ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def official(server: Plane) -> Iterator[Any]:
    kubernetes = pytest.importorskip("kubernetes")
    with kubernetes.config.new_client_from_config(str(server.kubeconfig)) as client:
        yield client


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_kubernetes_creates_reads_patches_and_deletes(official: Any) -> None:
    from kubernetes import client

    core = client.CoreV1Api(official)
    made = core.create_namespaced_config_map("default", config_map("official", a="1"))
    assert made.metadata.uid
    patched = core.patch_namespaced_config_map("official", "default", {"data": {"b": "2"}})
    assert patched.data == {"a": "1", "b": "2"}
    listed = core.list_namespaced_config_map("default", field_selector="metadata.name=official")
    assert [item.metadata.name for item in listed.items] == ["official"]
    patched.data = {"c": "3"}
    assert core.replace_namespaced_config_map("official", "default", patched).data == {"c": "3"}
    with pytest.raises(client.ApiException) as stale:
        core.replace_namespaced_config_map("official", "default", made)
    assert (stale.value.status, stale.value.reason) == (409, "Conflict")
    core.delete_namespaced_config_map("official", "default")
    with pytest.raises(client.ApiException) as gone:
        core.read_namespaced_config_map("official", "default")
    assert gone.value.status == 404


def test_kubernetes_watches_and_resumes(official: Any) -> None:
    from kubernetes import client, watch

    core = client.CoreV1Api(official)
    start = core.list_namespaced_config_map("default").metadata.resource_version
    core.create_namespaced_config_map("default", config_map("seen-first"))
    seen: list[tuple[str, str]] = []
    following = watch.Watch()
    for event in following.stream(
        core.list_namespaced_config_map, "default", resource_version=start, timeout_seconds=30
    ):
        seen.append((event["type"], event["object"].metadata.name))
        following.stop()
    core.delete_namespaced_config_map("seen-first", "default")
    resumed = watch.Watch()
    version = following.resource_version
    for event in resumed.stream(
        core.list_namespaced_config_map, "default", resource_version=version, timeout_seconds=30
    ):
        seen.append((event["type"], event["object"].metadata.name))
        resumed.stop()
    assert seen == [("ADDED", "seen-first"), ("DELETED", "seen-first")]


def test_kubernetes_is_told_that_a_version_is_too_old(official: Any) -> None:
    from kubernetes import client, watch

    core = client.CoreV1Api(official)
    with pytest.raises(client.ApiException) as error:
        list(
            watch.Watch().stream(
                core.list_namespaced_config_map,
                "default",
                resource_version="999999999",
                timeout_seconds=5,
            )
        )
    assert error.value.status in (410, 504)


def test_kubernetes_dynamic_client_applies_and_its_conflicts_are_told(official: Any) -> None:
    from kubernetes import dynamic
    from kubernetes.dynamic.exceptions import ConflictError

    maps = dynamic.DynamicClient(official).resources.get(api_version="v1", kind="ConfigMap")
    body = config_map("applied", a="1")
    maps.server_side_apply(body=body, namespace="default", field_manager="one")
    body["data"] = {"a": "2"}
    with pytest.raises(ConflictError, match="conflict with"):
        maps.server_side_apply(body=body, namespace="default", field_manager="two")
    applied = maps.server_side_apply(
        body=body, namespace="default", field_manager="two", force_conflicts=True
    )
    assert applied.data.a == "2"
    assert {entry.manager for entry in applied.metadata.managedFields} == {"two"}


def test_kubernetes_elects_a_leader_by_lease(official: Any, server: Plane, tmp_path: Path) -> None:
    from kubernetes import client

    def holder() -> str:
        lease = client.CoordinationV1Api(official).read_namespaced_lease("leader", "default")
        return str(lease.spec.holder_identity)

    with contextlib.ExitStack() as held:
        logs = [tmp_path / "first", tmp_path / "second"]
        first, second = (
            held.enter_context(running(server, log, "tests/kubernetes/candidate.py", log.name))
            for log in logs
        )
        until(lambda: any("leads" in log.read_text() for log in logs), "somebody leads")
        leader = "first" if "leads" in logs[0].read_text() else "second"
        assert holder() == leader
        (first if leader == "first" else second).kill()
        other = "second" if leader == "first" else "first"
        until(lambda: "leads" in (tmp_path / other).read_text(), "the other one takes over")
        assert holder() == other


@contextlib.contextmanager
def running(server: Plane, log: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python program with the server's kubeconfig, ended at the end."""
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env={"KUBECONFIG": str(server.kubeconfig), "PATH": os.environ["PATH"]},
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# --- kubernetes_asyncio --------------------------------------------------------------------------


def test_kubernetes_asyncio_watches_what_it_writes(server: Plane) -> None:
    library = pytest.importorskip("kubernetes_asyncio")

    async def run() -> list[tuple[str, str]]:
        seen: list[tuple[str, str]] = []
        client = await library.config.new_client_from_config(str(server.kubeconfig))
        async with client:
            core = library.client.CoreV1Api(client)
            made = await core.create_namespaced_config_map("default", config_map("later", a="1"))
            async with library.watch.Watch() as watching:
                stream = watching.stream(
                    core.list_namespaced_config_map,
                    "default",
                    resource_version=made.metadata.resource_version,
                    timeout_seconds=30,
                )
                await core.patch_namespaced_config_map("later", "default", {"data": {"a": "2"}})
                await core.delete_namespaced_config_map("later", "default")
                async for event in stream:
                    seen.append((event["type"], event["object"].data["a"]))
                    if len(seen) == 2:
                        break
        return seen

    assert asyncio.run(run()) == [("MODIFIED", "2"), ("DELETED", "2")]


# --- lightkube -----------------------------------------------------------------------------------


def test_lightkube_writes_applies_watches_and_knows_errors(server: Plane) -> None:
    lightkube = pytest.importorskip("lightkube")
    from lightkube.models.meta_v1 import ObjectMeta
    from lightkube.resources.core_v1 import ConfigMap

    config = lightkube.KubeConfig.from_file(str(server.kubeconfig))
    client = lightkube.Client(config=config, field_manager="lightkube-test")
    made = client.create(ConfigMap(metadata=ObjectMeta(name="lit"), data={"a": "1"}))
    watching = client.watch(ConfigMap, resource_version=made.metadata.resourceVersion)
    client.patch(ConfigMap, "lit", {"data": {"a": "2"}})
    applied = client.apply(
        ConfigMap(
            apiVersion="v1", kind="ConfigMap", metadata=ObjectMeta(name="lit"), data={"b": "3"}
        )
    )
    assert applied.data == {"a": "2", "b": "3"}
    kinds = [next(watching)[0] for _ in range(2)]
    assert kinds == ["MODIFIED", "MODIFIED"]
    assert [cm.metadata.name for cm in client.list(ConfigMap) if cm.metadata.name == "lit"]
    client.delete(ConfigMap, "lit")
    with pytest.raises(lightkube.ApiError) as gone:
        client.get(ConfigMap, "lit")
    assert gone.value.status.reason == "NotFound"
    with pytest.raises(lightkube.ApiError) as wrong:
        client.create(ConfigMap(metadata=ObjectMeta(name="Not_Valid")))
    assert wrong.value.status.code == 422
    assert wrong.value.status.details.causes[0].field == "metadata.name"


def test_lightkube_uses_custom_kinds(server: Plane) -> None:
    lightkube = pytest.importorskip("lightkube")
    from lightkube.generic_resource import create_namespaced_resource
    from lightkube.resources.apiextensions_v1 import CustomResourceDefinition

    config = lightkube.KubeConfig.from_file(str(server.kubeconfig))
    client = lightkube.Client(config=config, field_manager="lightkube-test")
    client.apply(CustomResourceDefinition.from_dict(WIDGETS))
    client.wait(CustomResourceDefinition, "widgets.example.com", for_conditions=["Established"])
    widget = create_namespaced_resource("example.com", "v1", "Widget", "widgets")
    made = client.create(widget(metadata={"name": "one"}, spec={"size": 1, "unknown": 2}))
    assert made.spec == {"size": 1}
    with pytest.raises(lightkube.ApiError, match=r"spec\.size"):
        client.create(widget(metadata={"name": "two"}, spec={"size": 0}))
    client.delete(widget, "one")


# --- kr8s ----------------------------------------------------------------------------------------


def test_kr8s_finds_labels_waits_and_deletes(server: Plane) -> None:
    pytest.importorskip("kr8s")

    async def run() -> None:
        import kr8s.asyncio
        from kr8s.asyncio.objects import ConfigMap

        api = await kr8s.asyncio.api(kubeconfig=str(server.kubeconfig))
        made = await ConfigMap(config_map("kr", a="1"), api=api)
        await made.create()
        await made.label({"tier": "one"})
        found = [item async for item in api.get("configmaps", label_selector="tier=one")]
        assert [item.name for item in found] == ["kr"]
        await made.patch({"data": {"a": "2"}})
        assert made.data.a == "2"
        version = await api.version()
        assert version["minor"] == "32"
        await made.delete()
        await made.wait("delete")
        assert not await made.exists()

    asyncio.run(run())


# --- kopf ----------------------------------------------------------------------------------------


def test_an_operator_written_with_kopf_runs_unchanged(server: Plane, tmp_path: Path) -> None:
    pytest.importorskip("kopf")
    lightkube = pytest.importorskip("lightkube")
    from lightkube.generic_resource import create_namespaced_resource
    from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
    from lightkube.resources.core_v1 import Event
    from lightkube.types import PatchType

    config = lightkube.KubeConfig.from_file(str(server.kubeconfig))
    client = lightkube.Client(config=config, field_manager="test")
    client.apply(CustomResourceDefinition.from_dict(WIDGETS))
    widget = create_namespaced_resource("example.com", "v1", "Widget", "widgets")
    log = tmp_path / "operator.log"
    source = Path(__file__).with_name("widget_operator.py")
    kopf = ("-m", "kopf", "run", str(source), "-n", "default", "--standalone")
    with running(server, log, *kopf) as operator:
        client.create(widget(metadata={"name": "operated"}, spec={"size": 3}))

        def status() -> dict[str, Any]:
            assert operator.poll() is None, log.read_text()
            return dict(client.get(widget, "operated").status or {})

        until(lambda: status().get("phase") == "Made", "the operator made it")
        assert status()["created"] == {"size": 3}
        client.patch(widget, "operated", {"spec": {"size": 5}}, patch_type=PatchType.MERGE)
        until(lambda: status().get("resized") == "3 to 5", "the operator saw the new size")
        told = until(
            lambda: [
                event.message
                for event in client.list(Event)
                if event.involvedObject.name == "operated" and event.reason == "Made"
            ],
            "the operator's event",
        )
        assert told == ["operated has size 3"]
        assert client.get(widget, "operated").metadata.finalizers
        client.delete(widget, "operated")
        until(
            lambda: not [w for w in client.list(widget) if w.metadata.name == "operated"],
            "the operator let it go",
        )
        assert "operated is let go" in log.read_text()
