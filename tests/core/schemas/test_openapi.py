"""The OpenAPI v3 documents, as kubectl reads them."""

import json

import pytest

from emucluster.core.objects.codec import decode_tree
from emucluster.core.objects.kinds import Kinds
from emucluster.core.objects.registry import Resource
from emucluster.core.schemas import openapi
from emucluster.core.schemas.definitions import REF

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
PARTS = {"scale": ("autoscaling", "v1", "Scale"), "eviction": ("policy", "v1", "Eviction")}
NAMES = {"plural": "widgets", "kind": "Widget"}
WIDGETS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "names": NAMES,
        "scope": "Namespaced",
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
                                "properties": {
                                    "size": {"type": "integer", "description": "How big."}
                                },
                            }
                        },
                    }
                },
            },
            {"name": "v1beta1", "served": True, "storage": False},
        ],
    },
    "status": {"acceptedNames": NAMES, "conditions": [{"type": "Established", "status": "True"}]},
}


def verbs_of(row: Resource, subresource: str) -> tuple[str, ...]:
    return ("get", "patch", "update") if subresource else VERBS


def kind_of_part(row: Resource, subresource: str) -> tuple[str, str, str]:
    return PARTS.get(subresource, (row.group, row.version, row.kind))


@pytest.fixture(scope="module")
def documents():
    kinds = Kinds()
    kinds.define(decode_tree(WIDGETS))
    return openapi.Documents(kinds.all(), verbs_of=verbs_of, kind_of_part=kind_of_part)


@pytest.fixture(scope="module")
def parsed(documents):
    index = json.loads(documents.index().body)["paths"]
    return {path: json.loads(documents.document(path).body) for path in index}


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation


def test_the_index_names_every_group_and_version_with_its_hash(documents):
    index = json.loads(documents.index().body)["paths"]
    assert {"api/v1", "apis/apps/v1", "apis/example.com/v1", "apis/events.k8s.io/v1"} <= set(index)
    for path, entry in index.items():
        document = documents.document(path)
        assert entry["serverRelativeURL"] == f"/openapi/v3/{path}?hash={document.hash}"
    assert documents.document("apis/nothing/v1") is None


def test_every_reference_leads_somewhere(parsed):
    for path, document in parsed.items():
        have = set(document["components"]["schemas"])
        text = json.dumps(document)
        wanted = {part.split('"')[0] for part in text.split(f'"{REF}')[1:]}
        assert wanted <= have, path


def test_operations_have_names_of_their_own(parsed):
    for document in parsed.values():
        names = [operation["operationId"] for _, _, operation in operations(document)]
        assert len(names) == len(set(names))


def test_kubectl_finds_field_validation_and_patches_of_every_kind(parsed):
    for path, document in parsed.items():
        patches = [o for _, method, o in operations(document) if method == "patch"]
        assert patches, path
        for operation in patches:
            assert "fieldValidation" in {p["name"] for p in operation["parameters"]}
            assert operation["x-kubernetes-action"] == "patch"
            content = set(operation["requestBody"]["content"])
            assert {"application/json-patch+json", "application/apply-patch+yaml"} <= content
            strategic = "application/strategic-merge-patch+json" in content
            assert strategic == ("example.com" not in path)


def test_a_resource_is_where_it_is_served(parsed):
    apps, core = parsed["apis/apps/v1"]["paths"], parsed["api/v1"]["paths"]
    item = apps["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]
    assert set(item) == {"parameters", "get", "put", "patch", "delete"}
    assert item["patch"]["x-kubernetes-group-version-kind"] == {
        "group": "apps",
        "version": "v1",
        "kind": "Deployment",
    }
    assert set(core["/api/v1/nodes"]) == {"parameters", "get", "post", "delete"}
    assert set(core["/api/v1/pods"]) == {"parameters", "get"}
    scale = apps["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"]
    assert scale["get"]["x-kubernetes-group-version-kind"]["kind"] == "Scale"


def test_merge_keys_are_published(parsed):
    schemas = parsed["api/v1"]["components"]["schemas"]
    ports = schemas["io.k8s.api.core.v1.ServiceSpec"]["properties"]["ports"]
    assert ports["x-kubernetes-patch-merge-key"] == "port"
    assert ports["x-kubernetes-list-map-keys"] == ["port", "protocol"]


def test_custom_kinds_are_described_by_their_definition(parsed):
    schema = parsed["apis/example.com/v1"]["components"]["schemas"]["com.example.v1.Widget"]
    assert schema["properties"]["spec"]["properties"]["size"]["description"] == "How big."
    assert schema["x-kubernetes-group-version-kind"] == [
        {"group": "example.com", "version": "v1", "kind": "Widget"}
    ]
    assert {"apiVersion", "kind", "metadata"} <= set(schema["properties"])
    bare = parsed["apis/example.com/v1beta1"]["components"]["schemas"]["com.example.v1beta1.Widget"]
    assert bare["x-kubernetes-preserve-unknown-fields"] is True
