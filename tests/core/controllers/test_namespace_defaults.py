"""What comes with every namespace, and the accounts of pods."""

from __future__ import annotations

import random

import pytest

from emucluster.core.controllers import ControlPlane
from emucluster.core.durations import Speed
from emucluster.core.errors import Forbidden
from emucluster.core.objects import (
    ConfigMap,
    LocalObjectReference,
    Namespace,
    ObjectMeta,
    Pod,
    ServiceAccount,
    replace,
)

from .world import World, pod

PEM = "-----BEGIN CERTIFICATE-----\n"


@pytest.fixture
def world() -> World:
    world = World(cloud=None)
    world.plane = ControlPlane(
        world.admission, speed=Speed(), cloud=None, rng=random.Random(3), root_ca=PEM
    )
    world.plane.start(world.now_s)
    world.create(Namespace(metadata=ObjectMeta(name="space")))
    world.add_node("node-1")
    world.step()
    return world


def namespaces(world: World, kind: type[ConfigMap] | type[ServiceAccount], name: str) -> set[str]:
    found = world.store.list(kind)
    return {each.metadata.namespace for each in found if each.metadata.name == name}


def test_each_namespace_has_an_account_and_the_authority(world: World) -> None:
    everywhere = {each.metadata.name for each in world.store.list(Namespace)}
    assert {"default", "kube-system", "space"} < everywhere
    assert namespaces(world, ServiceAccount, "default") == everywhere
    assert namespaces(world, ConfigMap, "kube-root-ca.crt") == everywhere
    held = world.get(ConfigMap, "kube-root-ca.crt", "space")
    assert held.data == {"ca.crt": PEM}
    assert "kubernetes.io/description" in (held.metadata.annotations or {})


def test_they_come_again_and_are_put_right(world: World) -> None:
    world.delete(world.get(ServiceAccount, "default", "space"))
    held = world.get(ConfigMap, "kube-root-ca.crt", "space")
    world.update(replace(held, data={"ca.crt": "forged"}))
    world.step()
    assert world.get(ConfigMap, "kube-root-ca.crt", "space").data == {"ca.crt": PEM}
    assert world.store.get(ServiceAccount, "space", "default") is not None


def test_they_go_with_their_namespace(world: World) -> None:
    world.delete(world.store.get(Namespace, "", "space") or Namespace())
    world.run(2)
    assert world.store.get(Namespace, "", "space") is None
    assert "space" not in namespaces(world, ServiceAccount, "default")


def test_without_an_authority_there_is_no_config_map() -> None:
    world = World(cloud=None)
    world.step()
    assert namespaces(world, ConfigMap, "kube-root-ca.crt") == set()
    assert "default" in namespaces(world, ServiceAccount, "default")


def test_pods_run_as_default_unless_they_name_another_account(world: World) -> None:
    world.create(pod("plain"))
    spec = world.get(Pod, "plain").spec
    assert (spec.service_account_name, spec.service_account) == ("default", "default")
    with pytest.raises(Forbidden) as refusal:
        world.create(pod("robot", serviceAccountName="robot"))
    assert str(refusal.value) == (
        'pods "robot" is forbidden: error looking up service account default/robot: '
        'serviceaccount "robot" not found'
    )
    account = ServiceAccount(
        metadata=ObjectMeta(name="robot", namespace="default"),
        image_pull_secrets=(LocalObjectReference(name="registry"),),
    )
    world.create(account)
    world.create(pod("robot", serviceAccount="robot"))
    spec = world.get(Pod, "robot").spec
    assert spec.service_account_name == "robot"
    assert [each.name for each in spec.image_pull_secrets] == ["registry"]


def test_an_account_may_come_in_the_same_manifest_as_its_pod(world: World) -> None:
    account = ServiceAccount(metadata=ObjectMeta(name="robot"))
    robot = pod("robot", serviceAccountName="robot")
    world.admission.apply([robot, account], stamp=world.stamp)
    assert world.get(Pod, "robot").spec.service_account_name == "robot"
    with pytest.raises(Forbidden):
        world.admission.apply([pod("other", serviceAccountName="nobody")], stamp=world.stamp)


def test_pods_of_a_deployment_wait_for_their_account(world: World) -> None:
    world.deploy(replicas=1, template_spec={"serviceAccountName": "robot"})
    world.run(1)
    assert world.pods() == []
    assert 'serviceaccount "robot" not found' in world.told("FailedCreate")[0]
    world.create(ServiceAccount(metadata=ObjectMeta(name="robot", namespace="default")))
    world.run(300)
    assert len(world.pods()) == 1
