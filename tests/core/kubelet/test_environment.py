"""What a container finds in its environment."""

from __future__ import annotations

import os
from base64 import b64encode

import pytest

from emucluster.core.kubelet import commands as c
from emucluster.core.kubelet.environment import (
    ConfigError,
    PodFacts,
    container_environment,
    data_of,
)
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
    ResourceFieldSelector,
    ResourceRequirements,
    Secret,
    SecretEnvSource,
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
SECRET = Secret(
    metadata=ObjectMeta(name="db", namespace="default"),
    data={"password": b64encode(b"s3cret\n").decode(), "raw": b64encode(b"\xff").decode()},
)
SOURCES = {("ConfigMap", "settings"): data_of(MAP), ("Secret", "db"): data_of(SECRET)}


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
        PodFacts(owner, "127.32.1.2", "127.16.0.1", {"cpu": "4", "memory": "8Gi"}),
        sources=lambda kind, namespace, name: SOURCES.get((kind, name)),
        services=services,
    )


def ref(path: str) -> EnvVarSource:
    return EnvVarSource(field_ref=ObjectFieldSelector(field_path=path))


def key(name: str, of: str, *, optional: bool | None = None) -> EnvVarSource:
    selector = ConfigMapKeySelector(key=name, name=of, optional=optional)
    return EnvVarSource(config_map_key_ref=selector)


def secret(name: str, of: str = "db", *, optional: bool | None = None) -> EnvVarSource:
    selector = SecretKeySelector(key=name, name=of, optional=optional)
    return EnvVarSource(secret_key_ref=selector)


def amount(resource: str, divisor: str | None = None, container: str | None = None) -> EnvVarSource:
    selector = ResourceFieldSelector(resource=resource, divisor=divisor, container_name=container)
    return EnvVarSource(resource_field_ref=selector)


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


def test_secrets_give_single_keys_and_all_keys_decoded() -> None:
    whole = EnvFromSource(prefix="DB_", secret_ref=SecretEnvSource(name="db"))
    none = EnvFromSource(secret_ref=SecretEnvSource(name="absent", optional=True))
    env = environment(
        EnvVar(name="PASSWORD", value_from=secret("password")),
        EnvVar(name="URL", value="db://$(PASSWORD)"),
        EnvVar(name="TOKEN", value_from=secret("token", optional=True)),
        EnvVar(name="OTHER", value_from=secret("k", "absent", optional=True)),
        env_from=(whole, none),
    )
    assert env["PASSWORD"] == env["DB_password"] == "s3cret\n"
    assert env["URL"] == "db://s3cret\n"
    assert os.fsencode(env["DB_raw"]) == b"\xff"
    assert not env.keys() & {"TOKEN", "OTHER"}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (amount("limits.cpu"), "2"),
        (amount("limits.cpu", "1m"), "1500"),
        (amount("requests.cpu", "1m"), "250"),
        (amount("limits.memory"), str(8 * 2**30)),
        (amount("limits.memory", "1Gi"), "8"),
        (amount("requests.memory", "1Mi"), "0"),
        (amount("requests.cpu", "1m", "main"), "250"),
    ],
)
def test_amounts_are_in_units_of_the_divisor_rounded_up(source: EnvVarSource, value: str) -> None:
    resources = ResourceRequirements(limits={"cpu": "1500m"}, requests={"cpu": "250m"})
    main = Container(name="main", resources=resources, env=(EnvVar(name="X", value_from=source),))
    facts = PodFacts(pod(containers=(main,)), "", "", {"cpu": "4", "memory": "8Gi"})
    env = container_environment(main, facts, sources=lambda *_: None, services=[])
    assert env["X"] == value


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (key("a", "absent"), 'configmap "absent" not found'),
        (key("a", "settings"), "couldn't find key a in ConfigMap default/settings"),
        (ref("status.phase"), "unsupported fieldPath: status.phase"),
        (secret("k", "s"), 'secret "s" not found'),
        (secret("k"), "couldn't find key k in Secret default/db"),
        (amount("limits.gpu"), "Unsupported container resource : limits.gpu"),
        (amount("limits.cpu", None, "nobody"), "container nobody not found"),
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


def test_a_pod_waits_for_its_secret_and_looks_again_by_itself() -> None:
    node = VirtualNode().boot()
    env = (EnvVar(name="PASSWORD", value_from=secret("password")),)
    node.create(pod(env=env))
    state = node.container().state.waiting
    assert (state.reason, state.message) == ("CreateContainerConfigError", 'secret "db" not found')
    assert node.status().phase == "Pending"
    node.carry_out(node.kubelet.handle_object("ADDED", SECRET, node.now_s, node.stamp))
    (start,) = [each for _, each in node.log if isinstance(each, c.StartContainer)]
    assert dict(start.spec.env)["PASSWORD"] == "s3cret\n"
    # What a container has it keeps; the next one finds what is there then.
    gone = node.kubelet.handle_object("DELETED", SECRET, node.now_s, node.stamp)
    assert gone == []
    node.exits(1)
    node.run_until(30)
    assert node.container().state.waiting.reason == "CreateContainerConfigError"


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
