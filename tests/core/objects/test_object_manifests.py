from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.errors import BadRequest
from emucluster.core.objects import ConfigMap, Pod
from emucluster.core.objects.codec import encode_json
from emucluster.core.objects.manifest import load

# One manifest of each kind, with fields that are acted on and fields that are only carried.
ALL = {
    path.stem: path.read_text() for path in sorted((Path(__file__).parent / "manifests").iterdir())
}

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


def data(text: str) -> dict[str, str]:
    (obj,) = load(CONFIG + text, source="f.yaml")
    assert isinstance(obj, ConfigMap)
    return obj.data or {}


def error(text: str) -> str:
    with pytest.raises(BadRequest) as caught:
        load(text, source="f.yaml")
    return str(caught.value)


def test_documents_come_in_their_order_and_empty_ones_are_skipped() -> None:
    text = "\n---\n".join(["# nothing", *ALL.values(), ""])
    assert [obj.kind for obj in load(text, source="f.yaml")] == list(ALL)


def test_yaml_and_json_of_one_object_are_equal() -> None:
    for text in ALL.values():
        (obj,) = load(text, source="f.yaml")
        tree = {"apiVersion": obj.api_version, **json.loads(encode_json(obj))}
        assert load(json.dumps(tree), source="f.json") == [obj]


def test_lists_are_taken_apart_and_typed_lists_give_their_items_a_kind() -> None:
    items = f"items:\n- {json.dumps({'apiVersion': 'v1', 'kind': 'Namespace'})}\n"
    (namespace,) = load("apiVersion: v1\nkind: List\n" + items, source="f.yaml")
    (pod,) = load("apiVersion: v1\nkind: PodList\nitems: [{metadata: {name: a}}]", source="f.yaml")
    assert (namespace.kind, pod.kind, pod.metadata.name) == ("Namespace", "Pod", "a")
    assert load("apiVersion: v1\nkind: List\nitems: []", source="f.yaml") == []


def test_scalars_are_read_as_kubectl_reads_them() -> None:
    text = 'data: {a: 2024-01-01, b: 12:30:45, c: "yes", d: !!str 1, e: =, on: x}\n'
    assert data(text) == {
        "a": "2024-01-01",
        "b": "12:30:45",
        "c": "yes",
        "d": "1",
        "e": "=",
        "true": "x",
    }


@pytest.mark.parametrize("value", ["yes", "0644", "1e3", "1_000", "0x1F", "~"])
def test_scalars_that_are_no_strings_are_not_taken_for_strings(value: str) -> None:
    text = f"{CONFIG}data: {{a: {value}}}\n"
    if value == "~":
        assert data("data: {a: ~}\n") == {"a": ""}
    else:
        assert "into field data.a of type string" in error(text)


def test_octal_modes_are_numbers_in_base_eight() -> None:
    text = "apiVersion: v1\nkind: Pod\nspec: {volumes: [{name: a, secret: {defaultMode: 0644}}]}"
    (pod,) = load(text, source="f.yaml")
    assert isinstance(pod, Pod)
    secret = pod.spec.volumes[0].secret
    assert secret is not None
    assert secret.default_mode == 0o644


def test_anchors_and_merge_keys_are_expanded() -> None:
    assert data("data: &d\n  a: x\nbinaryData: {<<: *d}\n") == {"a": "x"}


def test_an_error_names_the_source_the_document_the_lines_and_the_object() -> None:
    text = CONFIG + "---\n" + ALL["Service"].replace("ports:", "portz:")
    message = error(text)
    line = text.splitlines().index("  portz:") + 1
    assert message.startswith(f'f.yaml, document 2, line {line} (Service "web"): ')
    assert 'unknown field "spec.portz"' in message


def test_an_error_in_a_list_names_the_item() -> None:
    assert error('{"apiVersion":"v1","kind":"List","items":[{"kind":"Pod"}]}').startswith(
        "f.yaml, items[0] (Pod): error validating data: apiVersion not set"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", 'f.yaml, line 3: error parsing YAML: key "a" already set in map'),
        ('{"a": 1, "a": 2}', 'key "a" already set in map'),
        ("a: [\n", "f.yaml, line 2: error parsing YAML: "),
        ("a: !!python/object:os.system x\n", "unknown tag"),
        ("? [a]\n: b\n", "a key must be a scalar"),
        ("a: {<<: 1}\n", "map merge requires map"),
        ("a: &a [*a]\n", "nested deeper than 64 levels"),
        ("a: &a {<<: *a}\n", "nested deeper than 64 levels"),
        ("[" * 1000, ""),
        ('{"a":' * 100_000, "nested deeper"),
        ("text", "expected an object with apiVersion and kind, got string"),
    ],
)
def test_what_is_no_manifest_is_refused_with_its_place(text: str, problem: str) -> None:
    assert problem in error(text)


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "document contains excessive aliasing" in error("\n".join(lines))


@given(st.text(max_size=200))
def test_any_text_loads_or_is_refused_and_never_breaks(text: str) -> None:
    refusal = "f.yaml"
    try:
        load(text, source="f.yaml")
    except BadRequest as refused:
        refusal = str(refused)
    assert refusal.startswith("f.yaml")
