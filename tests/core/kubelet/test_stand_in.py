"""What runs in place of images that cannot be had, and what becomes of all that relies on them."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from emucluster.core.kubelet import commands as c
from emucluster.core.objects import (
    Container,
    ContainerPort,
    EnvVar,
    EnvVarSource,
    ExecAction,
    GRPCAction,
    Lifecycle,
    LifecycleHandler,
    ObjectMeta,
    Probe,
    Secret,
    SecretKeySelector,
)
from emucluster.core.objects.generated.containers import (
    HTTPGetAction,
    SleepAction,
    TCPSocketAction,
)
from tests.core.kubelet.virtual_node import VirtualNode, pod

HTTP = ContainerPort(container_port=80, name="http")


def from_secret(name: str, *, optional: bool | None = None) -> EnvVar:
    selector = SecretKeySelector(name="db", key="password", optional=optional)
    return EnvVar(name=name, value_from=EnvVarSource(secret_key_ref=selector))


def stand_in_node(**settings: Any) -> VirtualNode:
    """A node with a stand-in, run for so long that no first probe waits at random."""
    node = VirtualNode(stand_in=True).boot().run_until(1000)
    return node.create(pod(image="nginx:1.25.3", **settings))


def starts(node: VirtualNode) -> list[c.ContainerSpec]:
    return [each.spec for _, each in node.log if isinstance(each, c.StartContainer)]


def test_an_init_container_is_replaced_by_a_command_that_completes() -> None:
    init = Container(
        name="wait", image="busybox:1.36", command=("sh", "-c", "sleep 9"), working_dir="/app"
    )
    node = stand_in_node(init_containers=(init,))
    (first,) = starts(node)
    assert (first.image.kind, first.image.target) == ("command", "true")
    assert (first.command, first.args, first.working_dir) == ((), (), "")
    assert first.runs_to_completion
    node.exits(0, container="wait")
    assert node.status().init_container_statuses[0].state.terminated.reason == "Completed"
    assert node.status().phase == "Running"
    assert starts(node)[-1].image.kind == "echo"


def test_a_sidecar_among_the_init_containers_is_echo_and_stays() -> None:
    sidecar = Container(name="proxy", image="envoy:1", restart_policy="Always")
    node = stand_in_node(init_containers=(sidecar,))
    assert [each.image.kind for each in starts(node)] == ["echo", "echo"]
    assert not starts(node)[0].runs_to_completion


@pytest.mark.parametrize(
    "handler",
    [
        {"http_get": HTTPGetAction(port="http", path="/healthz")},
        {"http_get": HTTPGetAction(port="undeclared")},
        {"exec": ExecAction(command=("cat", "/tmp/healthy"))},
        {"tcp_socket": TCPSocketAction(port=9090)},
        {"grpc": GRPCAction(port=9090, service="shop.Cart")},
    ],
)
@pytest.mark.parametrize(("ports", "asked"), [((HTTP,), 80), ((), 50051)])
def test_every_probe_asks_the_health_of_echo(
    handler: Any, ports: tuple[ContainerPort, ...], asked: int
) -> None:
    probe = Probe(**handler)
    node = stand_in_node(
        ports=ports, startup_probe=probe, readiness_probe=probe, liveness_probe=probe
    ).run_until(1100)
    sent = {(each.kind, each.action) for _, each in node.log if isinstance(each, c.SendProbe)}
    assert sent == {(kind, c.GrpcCheck(asked)) for kind in ("startup", "readiness", "liveness")}
    assert [port.port for port in starts(node)[0].ports] == [asked]
    assert node.is_ready()
    assert node.events("Unhealthy") == []


def test_a_stand_in_that_is_not_well_still_fails_its_probe() -> None:
    probe = Probe(http_get=HTTPGetAction(port=80), failure_threshold=1)
    node = VirtualNode(stand_in=True).boot().run_until(1000)
    node.probe = lambda _: "failure"
    node.create(pod(image="nginx", ports=(HTTP,), readiness_probe=probe)).run_until(1030)
    assert not node.is_ready()


def test_probes_of_images_that_do_run_stay_as_they_are() -> None:
    probe = Probe(tcp_socket=TCPSocketAction(port=80))
    node = VirtualNode(stand_in=True).boot().run_until(1000)
    node.create(pod(ports=(HTTP,), readiness_probe=probe)).run_until(1030)
    sent = {each.action for _, each in node.log if isinstance(each, c.SendProbe)}
    assert sent == {c.TcpConnect(80)}


@pytest.mark.parametrize("image", ["nginx", "emucluster/echo"])
def test_a_stand_in_has_its_environment_from_secrets_as_well(image: str) -> None:
    node = VirtualNode(stand_in=True).boot()
    node.create(pod(image=image, env=(from_secret("PASSWORD"),)))
    assert node.container().state.waiting.reason == "CreateContainerConfigError"
    assert node.events("Failed") == ['Error: secret "db" not found']
    data = {"password": b64encode(b"x").decode()}
    found = Secret(metadata=ObjectMeta(name="db", namespace="default"), data=data)
    node.carry_out(node.kubelet.handle_object("ADDED", found, node.now_s, node.stamp))
    assert dict(starts(node)[0].env)["PASSWORD"] == "x"


def test_events_tell_once_what_differs_from_the_manifest() -> None:
    probe = Probe(http_get=HTTPGetAction(port=80))
    hook = LifecycleHandler(exec=ExecAction(command=("nginx", "-s", "quit")))
    node = stand_in_node(
        ports=(HTTP,),
        readiness_probe=probe,
        liveness_probe=Probe(exec=ExecAction(command=("true",))),
        lifecycle=Lifecycle(pre_stop=hook),
    )
    told = [
        'Stand-in: emucluster/echo runs in place of image "nginx:1.25.3" on ports 80',
        "Stand-in: probes of container main ask gRPC health on port 80: "
        "readiness (httpGet), liveness (exec)",
        "Stand-in: hooks of container main are skipped: preStop",
    ]
    assert node.events("StandIn") == told
    assert node.events("Pulled") == []
    node.exits(1)
    node.run_until(1100)
    assert node.container().restart_count == 1
    assert node.events("StandIn") == told


def test_an_event_says_that_an_init_container_completes_at_once() -> None:
    node = stand_in_node(init_containers=(Container(name="wait", image="busybox:1.36"),))
    assert node.events("StandIn") == [
        'Stand-in: init container wait (image "busybox:1.36") completes at once with exit code 0'
    ]


@pytest.mark.parametrize(
    "handler",
    [
        LifecycleHandler(exec=ExecAction(command=("sh", "-c", "sleep 5"))),
        LifecycleHandler(http_get=HTTPGetAction(port="undeclared")),
    ],
)
def test_hooks_that_need_the_image_are_skipped(handler: LifecycleHandler) -> None:
    node = stand_in_node(lifecycle=Lifecycle(post_start=handler, pre_stop=handler))
    assert node.is_ready()
    node.delete()
    assert node.deleted == ["web"]
    assert node.times(c.RunHook) == []
    assert [s for s in node.events() if "HookFailed" in s or "Hook failed" in s] == []


def test_a_hook_that_sleeps_still_sleeps() -> None:
    hook = LifecycleHandler(sleep=SleepAction(seconds=5))
    node = stand_in_node(lifecycle=Lifecycle(pre_stop=hook))
    node.delete()
    node.run_until(1100)
    assert node.times(c.SignalContainer) == [1005]
