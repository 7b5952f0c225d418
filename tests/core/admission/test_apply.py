"""Rules of apply: three ways, all or nothing."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.admission import LAST_APPLIED, Admission
from emucluster.core.admission.merge import three_way
from emucluster.core.errors import ApiError, BadRequest, Invalid, NotFound
from emucluster.core.objects import ConfigMap, Deployment, Namespace, Object, Service, replace
from emucluster.core.objects.codec import decode_tree
from emucluster.core.schemas.schema import schema_of
from emucluster.core.store import Store

NOW = "2026-01-01T00:00:00Z"


@pytest.fixture
def admission() -> Admission:
    admission = Admission(Store(ids=random.Random(1)), rng=random.Random(2))
    admission.bootstrap(NOW)
    return admission


def deployment(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "main", "image": "emucluster/echo"}]},
            },
            **spec,
        },
    }


def service(*ports: dict[str, Any], name: str = "web", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"ports": list(ports) or [{"port": 80}], **spec},
    }


def config(name: str = "c", namespace: str | None = None, **data: str) -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def namespace(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def apply(admission: Admission, *trees: dict[str, Any], **options: Any) -> list[str]:
    objects = [decode_tree(tree) for tree in trees]
    return [outcome for outcome, _ in admission.apply(objects, stamp=NOW, **options)]


def get_deployment(admission: Admission) -> Deployment:
    found = admission.store.get(Deployment, "default", "web")
    assert found is not None
    return found


def get_service(admission: Admission) -> Service:
    found = admission.store.get(Service, "default", "web")
    assert found is not None
    return found


class TestOutcomes:
    def test_created_then_unchanged_then_configured(self, admission: Admission) -> None:
        assert apply(admission, config(a="1"), deployment(), service()) == ["created"] * 3
        version = admission.store.version
        assert apply(admission, config(a="1"), deployment(), service()) == ["unchanged"] * 3
        assert admission.store.version == version
        assert apply(admission, config(a="2"), deployment(), service(type="NodePort")) == [
            "configured",
            "unchanged",
            "configured",
        ]

    def test_a_dry_run_says_what_would_be_and_does_nothing(self, admission: Admission) -> None:
        version = admission.store.version
        assert apply(admission, config(), service(type="NodePort"), dry_run=True) == [
            "created",
            "created",
        ]
        assert admission.store.version == version
        assert len(admission.allocations._ports) == 0

    def test_the_manifest_is_kept_in_kubectls_annotation(self, admission: Admission) -> None:
        apply(admission, config(a="1"))
        made = admission.store.get(ConfigMap, "default", "c")
        assert made is not None
        assert (made.metadata.annotations or {})[LAST_APPLIED] == (
            '{"apiVersion":"v1","data":{"a":"1"},"kind":"ConfigMap",'
            '"metadata":{"annotations":{},"name":"c","namespace":"default"}}\n'
        )

    def test_an_object_made_without_manifest_is_taken_over(self, admission: Admission) -> None:
        made = decode_tree(config(a="1", b="2"))
        admission.create(made, stamp=NOW)
        assert apply(admission, config(a="3")) == ["configured"]
        found = admission.store.get(ConfigMap, "default", "c")
        assert found is not None
        assert found.data == {"a": "3", "b": "2"}


class TestThreeWays:
    def test_what_leaves_the_manifest_leaves_the_object(self, admission: Admission) -> None:
        apply(admission, config(a="1", b="2"), deployment(minReadySeconds=5))
        apply(admission, config(a="1"), deployment())
        found = admission.store.get(ConfigMap, "default", "c")
        assert found is not None
        assert found.data == {"a": "1"}
        assert get_deployment(admission).spec.min_ready_seconds is None

    def test_replicas_that_the_manifest_does_not_name_stay_scaled(
        self, admission: Admission
    ) -> None:
        apply(admission, deployment())
        admission.scale("Deployment", "default", "web", 7, stamp=NOW)
        assert apply(admission, deployment(revisionHistoryLimit=3)) == ["configured"]
        assert get_deployment(admission).spec.replicas == 7

    def test_replicas_that_the_manifest_names_are_set_back(self, admission: Admission) -> None:
        apply(admission, deployment(replicas=2))
        admission.scale("Deployment", "default", "web", 7, stamp=NOW)
        assert apply(admission, deployment(replicas=2)) == ["configured"]
        assert get_deployment(admission).spec.replicas == 2

    def test_a_services_address_and_node_port_stay(self, admission: Admission) -> None:
        apply(admission, service(type="NodePort"))
        before = get_service(admission)
        apply(admission, service({"port": 80, "targetPort": 8080}, type="NodePort"))
        after = get_service(admission)
        assert after.spec.cluster_ip == before.spec.cluster_ip
        assert after.spec.ports[0].node_port == before.spec.ports[0].node_port
        assert after.spec.ports[0].target_port == 8080

    def test_a_type_taken_from_the_manifest_gives_node_ports_back(
        self, admission: Admission
    ) -> None:
        apply(admission, service(type="LoadBalancer"))
        assert apply(admission, service()) == ["configured"]
        after = get_service(admission)
        assert (after.spec.type, after.spec.ports[0].node_port) == ("ClusterIP", None)
        assert len(admission.allocations._ports) == 0

    def test_labels_and_annotations_of_others_stay(self, admission: Admission) -> None:
        apply(admission, config())
        made = admission.store.get(ConfigMap, "default", "c")
        assert made is not None
        annotations = {**(made.metadata.annotations or {}), "other/tool": "x"}
        labels = replace(made.metadata, annotations=annotations, labels={"by": "other"})
        admission.store.update(replace(made, metadata=labels))
        assert apply(admission, config()) == ["unchanged"]
        apply(admission, config(a="1"))
        after = admission.store.get(ConfigMap, "default", "c")
        assert after is not None
        assert (after.metadata.annotations or {})["other/tool"] == "x"
        assert after.metadata.labels == {"by": "other"}

    def test_changing_the_strategy_drops_the_parameters_of_the_old_one(
        self, admission: Admission
    ) -> None:
        apply(admission, deployment(strategy={"type": "RollingUpdate"}))
        assert apply(admission, deployment(strategy={"type": "Recreate"})) == ["configured"]
        strategy = get_deployment(admission).spec.strategy
        assert strategy is not None
        assert (strategy.type, strategy.rolling_update) == ("Recreate", None)


ENV = "spec.containers.env"


class TestMergingLists:
    def merged(self, original: Any, modified: Any, current: Any, path: str, kind: str) -> Any:
        _, _, inside = path.partition("spec.containers.")
        if inside:
            trees = [{"name": "c", inside: v} for v in (original, modified, current)]
            lists = [[tree] for tree in trees]
            (item,) = self.merged(*lists, "spec.containers", kind)
            return item[inside]
        trees = []
        for value in (original, modified, current):
            tree = value
            for part in reversed(path.split(".")):
                tree = {part: tree}
            trees.append(tree)
        schema = schema_of("apps/v1" if kind == "Deployment" else "v1", kind)
        assert schema is not None
        result: Any = three_way(*trees, schema=schema)
        for part in path.split("."):
            result = result[part]
        return result

    @pytest.mark.parametrize(
        ("path", "kind", "key"),
        [
            ("spec.containers", "Pod", "name"),
            ("spec.template.spec.initContainers", "Deployment", "name"),
            ("spec.volumes", "Pod", "name"),
            ("spec.containers.env", "Pod", "name"),
            ("spec.containers.volumeMounts", "Pod", "mountPath"),
            ("spec.ports", "Service", "port"),
            ("spec.containers.ports", "Pod", "containerPort"),
        ],
    )
    def test_items_are_merged_by_their_key(self, path: str, kind: str, key: str) -> None:
        original = [{key: "a", "x": 1}, {key: "b"}]
        modified = [{key: "a", "y": 2}]
        current = [{key: "a", "x": 1, "given": 9}, {key: "b"}, {key: "sidecar"}]
        kept = {"given": 9} if path != "spec.volumes" else {}  # one source replaces the other
        assert self.merged(original, modified, current, path, kind) == [
            {key: "a", "y": 2, **kept},
            {key: "sidecar"},
        ]

    def test_two_protocols_of_one_port_are_two_ports(self) -> None:
        tcp, udp = {"port": 53, "name": "t"}, {"port": 53, "protocol": "UDP", "name": "u"}
        current = [{**tcp, "protocol": "TCP", "nodePort": 1}, {**udp, "nodePort": 2}]
        assert self.merged([tcp, udp], [udp], current, "spec.ports", "Service") == [
            {**udp, "nodePort": 2}
        ]

    @pytest.mark.parametrize(
        "path", ["spec.tolerations", "spec.containers.args", "spec.readinessGates"]
    )
    def test_lists_without_key_are_replaced(self, path: str) -> None:
        assert self.merged([1, 2], [3], [1, 2, 4], path, "Pod") == [3]

    def test_finalizers_of_others_stay(self) -> None:
        assert self.merged(
            ["a", "b"], ["a", "c"], ["b", "x", "a"], "metadata.finalizers", "Pod"
        ) == [
            "x",
            "a",
            "c",
        ]

    names = st.lists(st.sampled_from("abcdef"), unique=True)

    @given(names, names, names)
    def test_the_manifests_items_are_there_and_its_old_ones_are_not(
        self, original: list[str], modified: list[str], current: list[str]
    ) -> None:
        def items(names: list[str]) -> list[dict[str, str]]:
            return [{"name": name} for name in names]

        merged = [
            item["name"]
            for item in self.merged(items(original), items(modified), items(current), ENV, "Pod")
        ]
        assert set(merged) == set(modified) | (set(current) - set(original))
        assert len(merged) == len(set(merged))
        assert [name for name in merged if name in modified] == modified
        again = self.merged(items(modified), items(modified), items(merged), ENV, "Pod")
        assert again == items(merged)


class TestAllOrNothing:
    def test_one_bad_object_keeps_all_others_out(self, admission: Admission) -> None:
        version = admission.store.version
        with pytest.raises(Invalid, match='Service "web" is invalid'):
            apply(admission, config(), namespace("n"), service({"port": 0}))
        assert admission.store.version == version

    def test_every_bad_object_is_named(self, admission: Admission) -> None:
        with pytest.raises(ApiError) as refused:
            apply(
                admission,
                service({"port": 0}),
                config(namespace="nowhere"),
                service({"port": 99999}, name="other"),
            )
        first, second, third = refused.value.message.split("\n")
        assert first.startswith('Service "web" is invalid')
        assert second == 'namespaces "nowhere" not found'
        assert third.startswith('Service "other" is invalid')
        assert len(refused.value.causes) >= 2

    def test_objects_may_live_in_a_namespace_of_the_same_request(
        self, admission: Admission
    ) -> None:
        assert apply(admission, config(namespace="new"), namespace("new")) == ["created"] * 2
        versions = [
            int(obj.metadata.resource_version)
            for obj in (
                admission.store.get(Namespace, "", "new"),
                admission.store.get(ConfigMap, "new", "c"),
            )
            if obj is not None
        ]
        assert versions == sorted(versions)
        assert len(versions) == 2

    def test_two_objects_of_one_request_cannot_have_one_port(self, admission: Admission) -> None:
        port = {"port": 80, "nodePort": 30080}
        both = [service(port, name=name, type="NodePort") for name in ("a", "b")]
        version = admission.store.version
        with pytest.raises(Invalid, match=r'Service "b".*provided port is already allocated'):
            apply(admission, *both)
        assert admission.store.version == version
        assert 30080 not in admission.allocations._ports

    def test_an_object_can_only_be_there_once(self, admission: Admission) -> None:
        with pytest.raises(BadRequest, match='configmaps "c" is there twice in one request'):
            apply(admission, config(a="1"), config(namespace="default", a="2"))
        assert admission.store.get(ConfigMap, "default", "c") is None

    def test_names_are_not_generated(self, admission: Admission) -> None:
        tree = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "c-"}}
        with pytest.raises(BadRequest, match="from c-: cannot use generate name with apply"):
            apply(admission, tree)

    def test_the_given_namespace_is_for_objects_that_name_none(self, admission: Admission) -> None:
        apply(admission, namespace("team"))
        apply(admission, config(), config("d", "default"), namespace="team")
        assert admission.store.get(ConfigMap, "team", "c") is not None
        assert admission.store.get(ConfigMap, "default", "d") is not None
        with pytest.raises(NotFound):
            apply(admission, config(), namespace="nowhere")

    def test_a_damaged_annotation_is_named_and_not_guessed_at(self, admission: Admission) -> None:
        apply(admission, config())
        made = admission.store.get(ConfigMap, "default", "c")
        assert made is not None
        broken = replace(made.metadata, annotations={LAST_APPLIED: "{"})
        admission.store.update(replace(made, metadata=broken))
        with pytest.raises(BadRequest, match='configmaps "c": the annotation'):
            apply(admission, config())


def test_applied_objects_come_back_in_the_manifests_order(admission: Admission) -> None:
    trees = [config(), namespace("n"), service()]
    applied: list[tuple[Any, Object]] = [
        *admission.apply([decode_tree(t) for t in trees], stamp=NOW)
    ]
    assert [obj.kind for _, obj in applied] == ["ConfigMap", "Namespace", "Service"]
    assert all(json.loads((o.metadata.annotations or {})[LAST_APPLIED]) for _, o in applied)
