"""What a container finds in its environment."""

from __future__ import annotations

import pytest

from emucluster.core.kubelet import commands as c
from emucluster.core.kubelet.environment import ConfigError, PodFacts, container_environment
from emucluster.core.kubelet.expansion import expand
from emucluster.core.kubelet.image import UnknownImage, parse_image
from emucluster.core.objects import (
    ConfigMap,
    ConfigMapEnvSource,
    ConfigMapKeySelector,
    Container,
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    ObjectMeta,
    SecretKeySelector,
    Service,
    replace,
)
from emucluster.core.objects.generated.services import ServicePort, ServiceSpec
from emucluster.core.objects.generated.volumes import ObjectFieldSelector
from tests.core.kubelet.virtual_node import VirtualNode, pod

MAP = ConfigMap(
    metadata=ObjectMeta(name="settings", namespace="default"), data={"color": "blue", "n": "1"}
)


def service(name: str, namespace: str = "default", ip: str = "10.96.4.2") -> Service:
    ports = (ServicePort(port=80, name="http"), ServicePort(port=9000, name="grpc-web"))
    return Service(
        metadata=ObjectMeta(name=name, namespace=namespace),
        spec=ServiceSpec(cluster_ip=ip, ports=ports),
    )


def environment(*env: EnvVar, links: bool = True, **more: object) -> dict[str, str]:
    labelled = ObjectMeta(name="web", namespace="default", uid="u", labels={"app": "web"})
    owner = replace(pod(enable_service_links=links), metadata=labelled)
    container = Container(name="main", env=env, **more)  # type: ignore[arg-type]
    services = [
        service("my-web"),
        service("other", "elsewhere"),
        service("headless", ip="None"),
        service("kubernetes", ip="10.96.0.1"),
    ]
    return container_environment(
        container,
        PodFacts(owner, "127.32.1.2", "127.16.0.1"),
        config_maps=lambda namespace, name: MAP if name == "settings" else None,
        services=services,
    )


def ref(path: str) -> EnvVarSource:
    return EnvVarSource(field_ref=ObjectFieldSelector(field_path=path))


def key(name: str, of: str, *, optional: bool | None = None) -> EnvVarSource:
    selector = ConfigMapKeySelector(key=name, name=of, optional=optional)
    return EnvVarSource(config_map_key_ref=selector)


def test_values_may_refer_to_earlier_ones() -> None:
    env = environment(
        EnvVar(name="A", value="1"),
        EnvVar(name="B", value="$(A)-$(MY_WEB_SERVICE_HOST)-$(LATER)-$$(A)"),
        EnvVar(name="LATER", value="x"),
    )
    assert env["B"] == "1-10.96.4.2-$(LATER)-$(A)"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.labels['app']", "web"),
        ("spec.nodeName", "node-1"),
        ("spec.serviceAccountName", "default"),
        ("status.podIP", "127.32.1.2"),
        ("status.hostIP", "127.16.0.1"),
    ],
)
def test_fields_of_the_pod_are_values(path: str, value: str) -> None:
    assert environment(EnvVar(name="X", value_from=ref(path)))["X"] == value


def test_config_maps_give_single_keys_and_all_keys_with_a_prefix() -> None:
    whole = EnvFromSource(prefix="CFG_", config_map_ref=ConfigMapEnvSource(name="settings"))
    env = environment(
        EnvVar(name="COLOR", value_from=key("color", "settings")),
        EnvVar(name="NOPE", value_from=key("nope", "settings", optional=True)),
        env_from=(whole,),
    )
    assert (env["COLOR"], env["CFG_color"], env["CFG_n"]) == ("blue", "blue", "1")
    assert "NOPE" not in env


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (key("a", "absent"), 'configmap "absent" not found'),
        (key("a", "settings"), "couldn't find key a in ConfigMap default/settings"),
        (ref("status.phase"), "unsupported fieldPath: status.phase"),
        (
            EnvVarSource(secret_key_ref=SecretKeySelector(name="s", key="k")),
            'secret "s": Secrets are not offered',
        ),
    ],
)
def test_what_is_missing_is_a_config_error(source: EnvVarSource, message: str) -> None:
    with pytest.raises(ConfigError) as failure:
        environment(EnvVar(name="X", value_from=source))
    assert str(failure.value) == message


def test_services_of_the_namespace_are_variables() -> None:
    env = environment()
    assert env["MY_WEB_SERVICE_HOST"] == "10.96.4.2"
    assert env["MY_WEB_SERVICE_PORT"] == "80"
    assert env["MY_WEB_SERVICE_PORT_GRPC_WEB"] == "9000"
    assert env["MY_WEB_PORT"] == env["MY_WEB_PORT_80_TCP"] == "tcp://10.96.4.2:80"
    assert env["MY_WEB_PORT_9000_TCP_ADDR"] == "10.96.4.2"
    assert env["KUBERNETES_SERVICE_HOST"] == "10.96.0.1"
    assert not any(name.startswith(("OTHER", "HEADLESS")) for name in env)


def test_without_service_links_only_the_api_server_is_left() -> None:
    env = environment(links=False)
    assert not any(name.startswith("MY_WEB") for name in env)
    assert env["KUBERNETES_SERVICE_PORT"] == "80"


def test_a_pod_waits_for_its_config_map_and_starts_when_it_comes() -> None:
    node = VirtualNode().boot()
    env = (EnvVar(name="COLOR", value_from=key("color", "settings")),)
    node.create(pod(env=env, args=("--color=$(COLOR)",)))
    assert node.container().state.waiting.reason == "CreateContainerConfigError"
    assert node.events("Failed") == ['Error: configmap "settings" not found']
    node.run_until(60)
    assert len(node.events("Failed")) == 1
    node.carry_out(node.kubelet.handle_object("ADDED", MAP, node.now_s, node.stamp))
    (start,) = [each for _, each in node.log if isinstance(each, c.StartContainer)]
    assert dict(start.spec.env)["COLOR"] == "blue"
    assert start.spec.args == ("--color=blue",)


def test_unfinished_references_stay_as_they_are() -> None:
    assert expand("$(A $A $$ $()", {"A": "1"}) == "$(A $A $ $()"


@pytest.mark.parametrize(
    ("name", "kind", "target"),
    [
        ("emucluster/echo", "echo", ""),
        ("emucluster/echo:v1.2", "echo", ""),
        ("python://shop.server:add", "python", "shop.server:add"),
        ("command:./server", "command", "./server"),
        ("emucluster/command", "command", ""),
    ],
)
def test_the_three_forms_of_an_image(name: str, kind: str, target: str) -> None:
    image = parse_image(name)
    assert (image.kind, image.target) == (kind, target)


@pytest.mark.parametrize(
    "name",
    [
        "nginx",
        "emucluster/echoes",
        "emucluster/echo:",
        "python://shop",
        "python://a-b:c",
        "",
        "command:",
    ],
)
def test_other_images_are_unknown(name: str) -> None:
    with pytest.raises(UnknownImage):
        parse_image(name)


def test_a_misspelt_image_of_ours_is_never_stood_in_for() -> None:
    with pytest.raises(UnknownImage):
        parse_image("python://shop", stand_in=True)
    assert parse_image("redis:7", stand_in=True).kind == "echo"
