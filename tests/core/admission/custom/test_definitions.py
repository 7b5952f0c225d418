"""CustomResourceDefinitions: their defaults, status, names, and what is refused of them."""

from __future__ import annotations

from typing import Any

import pytest

from emucluster.core.admission.custom.definitions import RULES_IGNORED, WEBHOOK_IGNORED
from emucluster.core.errors import ApiError, BadRequest, Invalid
from emucluster.core.objects import CustomResourceDefinition, replace

from .world import LATER, NOW, World, decoded, definition, version, widget


@pytest.fixture
def world() -> World:
    return World()


def conditions(crd: CustomResourceDefinition) -> dict[str, tuple[str, str]]:
    return {c.type: (c.status, c.reason or "") for c in crd.status.conditions}


def refused(world: World, tree: dict[str, Any]) -> list[str]:
    with pytest.raises(Invalid) as caught:
        world.define(tree)
    return [str(cause) for cause in caught.value.causes]


class TestAccepted:
    def test_it_is_established_and_served_by_the_write_itself(self, world: World) -> None:
        made = world.define()
        assert conditions(made) == {
            "NamesAccepted": ("True", "NoConflicts"),
            "Established": ("True", "InitialNamesAccepted"),
        }
        assert made.status.accepted_names == made.spec.names
        assert (made.spec.names.singular, made.spec.names.list_kind) == ("widget", "WidgetList")
        assert made.status.stored_versions == ("v1",)
        assert made.spec.conversion.strategy == "None"
        assert made.metadata.generation == 1
        assert world.store.kinds.find("example.com", "v1", "widgets") is not None
        assert world.create(widget()).metadata.uid

    def test_a_dry_run_serves_nothing(self, world: World) -> None:
        made = world.define(dry_run=True)
        assert conditions(made)["Established"] == ("True", "InitialNamesAccepted")
        assert world.store.kinds.find("example.com", "v1", "widgets") is None

    def test_a_status_that_is_sent_does_not_count(self, world: World) -> None:
        tree = definition() | {"status": {"storedVersions": ["v9"], "conditions": []}}
        assert world.define(tree).status.stored_versions == ("v1",)

    def test_a_new_storage_version_is_noted_beside_the_old_one(self, world: World) -> None:
        made = world.define()
        later = [version(storage=False), version("v2")]
        tree = definition(*later)
        sent = replace(decoded(tree, world.store), metadata=made.metadata)
        changed = world.admission.update(sent, stamp=LATER)
        assert isinstance(changed, CustomResourceDefinition)
        assert changed.status.stored_versions == ("v1", "v2")
        assert changed.metadata.generation == 2
        assert changed.status.conditions == made.status.conditions
        row = world.store.kinds.get("Widget.example.com")
        assert row is not None
        assert row.version == "v2"

    def test_unknown_keywords_are_dropped_with_a_warning_and_nulls_without(
        self, world: World
    ) -> None:
        tree = definition()
        spec = tree["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        spec["properties"]["size"] |= {"minimumm": 1, "pattern": None}
        warnings: list[str] = []
        made = world.define(tree, warnings=warnings)
        path = "spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.size.minimumm"
        assert warnings == [f'unknown field "{path}"']
        kept = made.spec.versions[0].schema.open_apiv3_schema
        assert kept["properties"]["spec"]["properties"]["size"] == {"type": "integer", "minimum": 0}

    def test_what_is_stored_and_not_acted_on_is_said_once(self, world: World) -> None:
        tree = definition(version(), version("v2", storage=False))
        for each in tree["spec"]["versions"]:
            rule = {"rule": "self.spec.size > 1"}
            each["schema"]["openAPIV3Schema"]["x-kubernetes-validations"] = [rule]
        client = {"url": "https://example.com"}
        tree["spec"]["conversion"] = {
            "strategy": "Webhook",
            "webhook": {"clientConfig": client, "conversionReviewVersions": ["v1"]},
        }
        warnings: list[str] = []
        made = world.define(tree, warnings=warnings)
        assert warnings == [RULES_IGNORED, WEBHOOK_IGNORED]
        assert "x-kubernetes-validations" in made.spec.versions[0].schema.open_apiv3_schema


class TestNames:
    def test_a_name_that_is_taken_is_told_and_the_kind_is_not_served(self, world: World) -> None:
        world.define(definition(shortNames=["wd"]))
        second = world.define(definition(kind="Gadget", singular="widget", shortNames=["wd"]))
        assert conditions(second) == {
            "NamesAccepted": ("False", "ShortNamesConflict"),
            "Established": ("False", "NotAccepted"),
        }
        assert second.status.conditions[0].message == '"wd" is already in use'
        assert second.status.accepted_names.kind == "Gadget"
        assert second.status.accepted_names.singular is None
        assert world.store.kinds.get("Gadget.example.com") is None

    def test_it_is_served_once_the_other_is_gone(self, world: World) -> None:
        world.define()
        world.define(definition(kind="Gadget", singular="widget"))
        world.admission.delete("CustomResourceDefinition", "", "widgets.example.com", stamp=NOW)
        world.settle(LATER)
        crd = world.crd("gadgets.example.com")
        assert crd is not None
        assert conditions(crd)["Established"] == ("True", "InitialNamesAccepted")
        assert crd.status.conditions[0].last_transition_time == LATER
        assert world.store.kinds.get("Gadget.example.com") is not None

    def test_other_groups_do_not_matter_and_built_in_kinds_of_the_group_do(
        self, world: World
    ) -> None:
        assert conditions(world.define(definition(kind="Service")))["Established"][0] == "True"
        tree = definition(kind="Ingress", plural="ingresses", group="networking.k8s.io")
        tree["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved, a test"}
        assert conditions(world.define(tree))["Established"] == ("False", "NotAccepted")
        row = world.store.kinds.find("networking.k8s.io", "v1", "ingresses")
        assert row is not None
        assert row.definition is None


class TestRefused:
    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            (
                {"group": "example"},
                [
                    'metadata.name: Invalid value: "widgets.example.com": must be '
                    'spec.names.plural+"."+spec.group',
                    'spec.group: Invalid value: "example": should be a domain with at least one '
                    "dot",
                ],
            ),
            (
                {"scope": "All"},
                ['spec.scope: Unsupported value: "All": supported values: "Cluster", "Namespaced"'],
            ),
            ({"scope": ""}, ["spec.scope: Required value"]),
            (
                {"preserveUnknownFields": True},
                [
                    "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set "
                    "x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema "
                    "instead"
                ],
            ),
            (
                {"conversion": {"strategy": "Webhook"}},
                [
                    "spec.conversion.webhookClientConfig: Required value: required when strategy "
                    "is set to Webhook",
                    "spec.conversion.conversionReviewVersions: Required value",
                ],
            ),
        ],
    )
    def test_a_bad_spec(self, world: World, change: dict[str, Any], expected: list[str]) -> None:
        tree = definition()
        tree["spec"] |= change
        assert refused(world, tree) == expected

    def test_names(self, world: World) -> None:
        tree = definition(listKind="Widget", shortNames=["W"])
        causes = refused(world, tree)
        assert causes[0].startswith(
            'spec.names.shortNames[0]: Invalid value: "W": a DNS-1035 label'
        )
        assert causes[1] == (
            'spec.names.listKind: Invalid value: "Widget": kind and listKind may not be the same'
        )
        tree["spec"]["names"] = {"plural": "widgets", "kind": ""}
        assert refused(world, tree) == [
            "spec.names.singular: Required value",
            "spec.names.kind: Required value",
            "spec.names.listKind: Required value",
        ]

    def test_one_version_is_stored_and_names_differ(self, world: World) -> None:
        twice = definition(version(), version(storage=False))
        (cause,) = refused(world, twice)
        assert cause.startswith("spec.versions: Invalid value: [")
        assert cause.endswith(": must contain unique version names")
        (cause,) = refused(world, definition(version(storage=False)))
        assert cause.endswith(": must have exactly one version marked as storage version")

    def test_every_version_has_a_schema(self, world: World) -> None:
        bare = {"name": "v1", "served": True, "storage": True}
        path = "spec.versions[0].schema.openAPIV3Schema"
        assert refused(world, definition(bare)) == [f"{path}: Required value"]

    def test_parts_that_versions_share_are_named_once(self, world: World) -> None:
        columns = [{"name": "Size", "type": "int", "jsonPath": "spec.size"}]
        one = version(additionalPrinterColumns=columns)
        expected = [
            'spec.additionalPrinterColumns[0].type: Invalid value: "int": must be one of '
            "boolean,date,integer,number,string",
            'spec.additionalPrinterColumns[0].JSONPath: Invalid value: "spec.size": must be a '
            "simple json path starting with .",
        ]
        assert refused(world, definition(one)) == expected
        both = definition(one, version("v2", storage=False))
        assert refused(world, both) == [
            cause.replace("spec.add", "spec.versions[0].add") for cause in expected
        ]

    def test_paths_of_the_scale_lie_where_they_belong(self, world: World) -> None:
        scale = {
            "specReplicasPath": ".status.size",
            "statusReplicasPath": "",
            "labelSelectorPath": ".metadata.name",
        }
        assert refused(world, definition(version(subresources={"scale": scale}))) == [
            'spec.subresources.scale.specReplicasPath: Invalid value: ".status.size": should be a '
            "json path under .spec",
            "spec.subresources.scale.statusReplicasPath: Required value",
            'spec.subresources.scale.labelSelectorPath: Invalid value: ".metadata.name": should be '
            "a json path under either .spec or .status",
        ]

    def test_fields_to_select_by_are_scalars_of_the_schema(self, world: World) -> None:
        fields = [{"jsonPath": path} for path in (".spec.mode", ".spec", ".spec.x", ".spec.mode")]
        causes = refused(world, definition(version(selectableFields=fields)))
        assert [cause.split(":")[0] for cause in causes] == [
            "spec.selectableFields[1].jsonPath",
            "spec.selectableFields[2].jsonPath",
            "spec.selectableFields[3].jsonPath",
        ]

    def test_groups_of_kubernetes_need_an_approval(self, world: World) -> None:
        tree = definition(group="x.k8s.io")
        (cause,) = refused(world, tree)
        assert cause.startswith(
            "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups"
        )
        tree["metadata"]["annotations"] = {"api-approved.kubernetes.io": "https://example.com/1"}
        assert world.define(tree)

    def test_a_schema_that_is_none_is_a_bad_request(self, world: World) -> None:
        tree = definition()
        tree["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["required"] = "spec"
        with pytest.raises(BadRequest, match="required"):
            world.define(tree)

    def test_what_an_established_one_may_not_change(self, world: World) -> None:
        made = world.define()
        tree = definition(scope="Cluster")
        tree["spec"]["names"]["kind"] = "Thing"
        sent = replace(decoded(tree, world.store), metadata=made.metadata)
        with pytest.raises(Invalid) as caught:
            world.admission.update(sent, stamp=LATER)
        assert [cause.field for cause in caught.value.causes] == ["spec.scope", "spec.names.kind"]

    def test_a_version_of_which_objects_may_be_stored_stays(self, world: World) -> None:
        made = world.define()
        sent = replace(decoded(definition(version("v2")), world.store), metadata=made.metadata)
        with pytest.raises(Invalid, match=r"status\.storedVersions\[0\]: Invalid value"):
            world.admission.update(sent, stamp=LATER)

    def test_nothing_is_served_of_what_is_refused(self, world: World) -> None:
        before = world.store.version
        with pytest.raises(ApiError):
            world.define(definition(version(storage=False)))
        assert world.store.version == before
        assert world.store.kinds.changes == 0
