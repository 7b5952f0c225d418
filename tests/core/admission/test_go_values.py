"""Values in messages are printed as Go prints them."""

from __future__ import annotations

from typing import Any

import pytest

from emucluster.core.admission.validation.fields import invalid, not_supported
from emucluster.core.admission.validation.go_values import int_or_string, printed, shown, untyped
from emucluster.core.objects import (
    IngressSpec,
    LabelSelector,
    LabelSelectorRequirement,
    RoleRef,
    Taint,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, '"null"'),
        (True, "true"),
        (-1, "-1"),
        ("a", '"a"'),
        ('a"b\\c\n\t\0\x7f', r'"a\"b\\c\n\t\x00\x7f"'),
        ("grün 日本", '"grün 日本"'),
        ("\u200b\U000e0001", r'"\u200b\U000e0001"'),
        ({"b": "2", "a": '"'}, r'map[string]string{"a":"\"", "b":"2"}'),
        ({}, "map[string]string(nil)"),
        (("a", "b"), '[]string{"a", "b"}'),
        ((), "[]string(nil)"),
        (
            LabelSelector(match_labels={"app": "web"}),
            'v1.LabelSelector{MatchLabels:map[string]string{"app":"web"}, '
            "MatchExpressions:[]v1.LabelSelectorRequirement(nil)}",
        ),
        (
            LabelSelector(
                match_expressions=(
                    LabelSelectorRequirement(key="a", operator="In", values=("b", "c")),
                )
            ),
            "v1.LabelSelector{MatchLabels:map[string]string(nil), "
            'MatchExpressions:[]v1.LabelSelectorRequirement{v1.LabelSelectorRequirement{Key:"a", '
            'Operator:"In", Values:[]string{"b", "c"}}}}',
        ),
        (
            RoleRef(api_group="rbac.authorization.k8s.io", kind="Role", name="r"),
            'rbac.RoleRef{APIGroup:"rbac.authorization.k8s.io", Kind:"Role", Name:"r"}',
        ),
        (
            Taint(key="k", effect="NoSchedule"),
            'core.Taint{Key:"k", Value:"", Effect:"NoSchedule", TimeAdded:<nil>}',
        ),
    ],
)
def test_what_has_a_type(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_struct_with_pointers_is_json() -> None:
    assert shown(IngressSpec(ingress_class_name="nginx")) == '{"ingressClassName":"nginx"}'
    timed = Taint(key="k", effect="NoExecute", time_added="2026-01-01T00:00:00Z")
    assert shown(timed) == ('{"effect":"NoExecute","key":"k","timeAdded":"2026-01-01T00:00:00Z"}')


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, '"null"'),
        (1, "1"),
        (1.0, "1"),
        (-0.25, "-0.25"),
        (123456.0, "123456"),
        (1234567.5, "1.2345675e+06"),
        (1e21, "1e+21"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        ("x", '"x"'),
        ([], "[]interface {}{}"),
        (
            {"b": [1, "x", None, 2.5, True], "a": {}},
            'map[string]interface {}{"a":map[string]interface {}{}, '
            '"b":[]interface {}{1, "x", interface {}(nil), 2.5, true}}',
        ),
    ],
)
def test_what_has_none(value: Any, text: str) -> None:
    assert untyped(value) == text


def test_a_tree_in_plain_words() -> None:
    tree = {"b": [1, "x y", None, 1e6, True], "a": {}, "c": {"e": "", "d": []}}
    assert printed(tree) == "map[a:map[] b:[1 x y <nil> 1e+06 true] c:map[d:[] e:]]"


def test_what_may_be_a_count_or_a_share() -> None:
    assert int_or_string(0) == 'intstr.IntOrString{Type:0, IntVal:0, StrVal:""}'
    assert int_or_string("101%") == 'intstr.IntOrString{Type:1, IntVal:0, StrVal:"101%"}'


def test_messages_hold_them_so() -> None:
    cause = invalid("spec.labels", {"app": "web"}, "no")
    assert str(cause) == 'spec.labels: Invalid value: map[string]string{"app":"web"}: no'
    found = not_supported("spec.kind", untyped({"a": 1}), ("x", "y"))
    assert found.message == (
        'Unsupported value: map[string]interface {}{"a":1}: supported values: "x", "y"'
    )
