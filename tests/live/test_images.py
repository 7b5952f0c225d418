"""What a pod runs, what it sees, what it writes: images, environment and logs."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import emucluster as emu
from tests.live.watching import events, ok, pod, ready_pod, restarts, service, until

pytestmark = pytest.mark.live

SERVICER = """
    import os
    from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc

    class Greeter(echo_pb2_grpc.EchoServicer):
        async def Call(self, request, context):
            if request.message == "die":
                print("last words", flush=True)
                os._exit(3)
            return echo_pb2.EchoReply(message=str(os.environ.get(request.message)))

    def add(server):
        print("greeter is up", flush=True)
        echo_pb2_grpc.add_EchoServicer_to_server(Greeter(), server)
"""

EXECUTABLE = """\
    #!{python}
    import os, sys
    from concurrent import futures
    import grpc
    from emucluster.live.rpc.pb import echo_pb2, echo_pb2_grpc

    class Own(echo_pb2_grpc.EchoServicer):
        def Call(self, request, context):
            return echo_pb2.EchoReply(pod="executable", message=request.message)

    host = "127.0.0.1" if "astray" in sys.argv else os.environ["HOST"]
    port = "0" if "astray" in sys.argv else os.environ["PORT"]
    server = grpc.server(futures.ThreadPoolExecutor(2))
    echo_pb2_grpc.add_EchoServicer_to_server(Own(), server)
    server.add_insecure_port(host + ":" + port)
    server.start()
    server.wait_for_termination()
"""

ENVIRONMENT: list[dict[str, Any]] = [
    {"name": "PLAIN", "value": "given"},
    {"name": "SUM", "value": "$(PLAIN) twice"},
    {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['tier']"}}},
    {"name": "KEY", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
]
LISTENS = {"tcpSocket": {"port": 7000}, "periodSeconds": 1}
PASSWORD = {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}


def manifest(name: str, image: str, **container: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"tier": "back"}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [
                {"name": "main", "image": image, "ports": [{"containerPort": 7000}], **container}
            ],
        },
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the code that manifests in it name."""
    place = tmp_path_factory.mktemp("manifests")
    (place / "greeter.py").write_text(textwrap.dedent(SERVICER))
    (place / "bin").mkdir()
    server = place / "bin" / "server"
    server.write_text(textwrap.dedent(EXECUTABLE).format(python=sys.executable))
    server.chmod(0o755)
    return place


@pytest.fixture(scope="module")
def images(started: emu.Cluster, place: Path) -> Iterator[emu.Cluster]:
    """All pods of this module at once, from a manifest that lies beside their code."""
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings"},
        "data": {"colour": "blue"},
    }
    documents = [
        settings,
        manifest("greeter", "python://greeter:add", env=ENVIRONMENT),
        manifest("waiter", "python://greeter:add", env=[PASSWORD]),
        manifest("own", "command:bin/server", readinessProbe=LISTENS),
        manifest("nowhere", "nginx:1.27"),
    ]
    (place / "all.yaml").write_text(yaml.safe_dump_all(documents))
    started.apply(place / "all.yaml")
    yield started
    for name in ("greeter", "waiter", "own", "nowhere"):
        started.delete(f"pod/{name}", grace_period_s=1)


def said(cluster: emu.Cluster, name: str) -> str:
    return "\n".join(f"{e.reason}: {e.message}" for e in events(cluster, "Pod", name))


def test_a_pod_waits_for_its_secret(images: emu.Cluster) -> None:
    def waiting() -> tuple[str | None, str | None]:
        statuses = pod(images, "waiter").status.container_statuses
        state = statuses[0].state.waiting if statuses else None
        return (state.reason, state.message) if state else ("", "")

    wanted = ("CreateContainerConfigError", 'secret "db" not found')
    until(lambda: waiting() == wanted, "it says what is missing")
    why = 'Failed: Error: secret "db" not found'
    until(lambda: why in said(images, "waiter"), "an Event")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}}
    images.apply({**secret, "stringData": {"password": "s3cret"}})
    ready_pod(images, "waiter")
    with images.client("pod/client") as client:
        [call] = ok(client.run("pod/waiter", emu.Plan(message="PASSWORD")))
    assert call.message == "s3cret"


def test_a_servicer_of_ones_own_is_found_beside_the_manifest(images: emu.Cluster) -> None:
    greeter = ready_pod(images, "greeter")
    vip = service(images, "web").spec.cluster_ip
    with images.client("pod/client") as client:

        def seen(variable: str) -> str:
            [call] = ok(client.run("pod/greeter", emu.Plan(message=variable)))
            return call.message

        assert seen("PLAIN") == "given"
        assert seen("SUM") == "given twice"
        assert seen("NODE") == greeter.spec.node_name
        assert seen("IP") == greeter.status.pod_ip
        assert seen("LABEL") == "back"
        assert seen("KEY") == "blue"
        assert (seen("WEB_SERVICE_HOST"), seen("WEB_SERVICE_PORT")) == (vip, "80")
        assert seen("UNHEARD_OF") == "None"


def test_logs_are_kept_of_this_run_and_the_one_before(images: emu.Cluster) -> None:
    ready_pod(images, "greeter")
    with images.client("pod/client") as client:
        client.attempt("pod/greeter", message="die", timeout_s=5)
    until(lambda: restarts(images, "greeter") == 1, "it is restarted")
    ready_pod(images, "greeter")
    now = b"".join(images.logs("greeter"))
    before = b"".join(images.logs("pod/greeter", previous=True))
    assert b"greeter is up" in now
    assert b"last words" not in now
    assert before.index(b"greeter is up") < before.index(b"last words")
    assert b"".join(images.logs("greeter", previous=True, tail=1)).strip() == b"last words"
    ended = pod(images, "greeter").status.container_statuses[0].last_state.terminated
    assert ended is not None
    assert ended.exit_code == 3 or ended.reason == "Error"


def test_any_executable_serves_at_the_host_and_port_of_its_environment(images: emu.Cluster) -> None:
    ready_pod(images, "own")
    with images.client("pod/client") as client:
        [call] = ok(client.run("pod/own:7000", emu.Plan(message="hello")))
    assert (call.pod, call.message) == ("executable", "hello")


def test_an_unknown_image_is_never_pulled_and_the_event_names_the_three_forms(
    images: emu.Cluster,
) -> None:
    def waiting() -> str:
        state = pod(images, "nowhere").status.container_statuses[0].state
        return (state.waiting.reason or "") if state.waiting else ""

    until(lambda: waiting() == "ImagePullBackOff", "ImagePullBackOff")
    told = until(lambda: said(images, "nowhere"), "an Event")
    assert "ErrImagePull" in told
    for form in ("emucluster/echo", "python://", "command:"):
        assert form in told


@pytest.mark.rare
@pytest.mark.slow  # it is given 30 s to listen where it should
def test_an_executable_that_listens_elsewhere_runs_and_an_event_tells_of_it(
    images: emu.Cluster, place: Path
) -> None:
    # Probed rarely: a kubelet may tell 25 Events about a pod at once, those of probes among them.
    rarely = {**LISTENS, "periodSeconds": 600}
    astray = manifest("astray", "command:bin/server", args=["astray"], readinessProbe=rarely)
    (place / "astray.yaml").write_text(yaml.safe_dump(astray))
    images.apply(place / "astray.yaml")
    try:
        told = until(
            lambda: "must listen" in (text := said(images, "astray")) and text,
            "an Event",
            deadline_s=60,
        )
        assert "NotListening: command:bin/server listens on 127.0.0.1:" in str(told)
        status = pod(images, "astray").status.container_statuses[0]
        assert (status.ready, status.restart_count) == (False, 0)
        assert status.state.running is not None
    finally:
        images.delete("pod/astray", grace_period_s=1)
