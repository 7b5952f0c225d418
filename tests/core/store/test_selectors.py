"""Rules of label and field selectors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.errors import BadRequest
from emucluster.core.objects import (
    LabelSelector,
    LabelSelectorRequirement,
    ObjectMeta,
    Pod,
    PodSpec,
    PodStatus,
)
from emucluster.core.store import from_label_selector, from_pairs, parse_fields, parse_labels
from emucluster.core.store.selectors import REQUIREMENTS_MAX

LABELS = {"app": "web", "tier": "front", "example.com/zone": "a", "n": "5"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "app=web",
        "app==web,tier!=back",
        "app in (web, api)",
        "app notin (api)",
        "absent notin (x)",
        "absent!=x",
        "!absent",
        "app",
        "app , tier",
        "example.com/zone=a",
        "n>4,n<6",
        "app=web,tier in (front,),!absent,n",
    ],
)
def test_these_match(text: str) -> None:
    assert parse_labels(text).matches(LABELS)


@pytest.mark.parametrize(
    "text",
    [
        "app=api",
        "app=",
        "tier!=front",
        "app in (api)",
        "app notin (web)",
        "!app",
        "absent",
        "n>5",
        "app<3",
        "app=web,absent",
    ],
)
def test_these_do_not_match(text: str) -> None:
    assert not parse_labels(text).matches(LABELS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("=x", "found '=', expected: !, identifier, or 'end of string'"),
        ("a=b,", "found '', expected: identifier after ','"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a==(", "unable to parse requirement: found '(', expected: identifier"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
    ],
)
def test_errors_are_kubernetes_own(text: str, message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_labels(text)
    assert refused.value.message == message


@pytest.mark.parametrize("text", ["-a=b", "a=-b", "A/b=c", "a>x", "a in (-)"])
def test_impossible_keys_and_values_are_named(text: str) -> None:
    with pytest.raises(BadRequest, match="Invalid value"):
        parse_labels(text)


@given(st.text("ab=!,()<> in", max_size=20))
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    try:
        selector = parse_labels(text)
    except BadRequest:
        return
    assert selector.matches({}) in (True, False)


def test_selectors_of_objects_mean_the_same() -> None:
    selector = from_label_selector(
        LabelSelector(
            match_labels={"app": "web"},
            match_expressions=(
                LabelSelectorRequirement(key="tier", operator="In", values=("front",)),
                LabelSelectorRequirement(key="gone", operator="DoesNotExist"),
                LabelSelectorRequirement(key="n", operator="Exists"),
                LabelSelectorRequirement(key="app", operator="NotIn", values=("api",)),
            ),
        )
    )
    assert selector.matches(LABELS)
    assert not selector.matches({**LABELS, "gone": ""})
    assert from_pairs({"app": "web"}).matches(LABELS)
    assert from_pairs(None).matches(None)
    bad = LabelSelectorRequirement(key="a", operator="Like")
    with pytest.raises(BadRequest, match="not a valid label selector operator"):
        from_label_selector(LabelSelector(match_expressions=(bad,)))


def test_fields_of_a_pod() -> None:
    pod = Pod(
        metadata=ObjectMeta(name="p", namespace="n"),
        spec=PodSpec(node_name="node-1"),
        status=PodStatus(phase="Running"),
    )

    def matches(text: str) -> bool:
        return all(field.matches(pod) for field in parse_fields("Pod", text))

    assert matches("metadata.name=p,metadata.namespace==n,spec.nodeName=node-1")
    assert matches("status.phase!=Failed")
    assert not matches("spec.nodeName=")
    with pytest.raises(BadRequest, match=r"^field label not supported: spec"):
        matches("spec.hostname=x")
    with pytest.raises(BadRequest, match="field label not supported"):
        parse_fields("Service", "spec.nodeName=x")
    with pytest.raises(BadRequest, match="can't understand 'name'"):
        matches("name")


def test_a_selector_has_no_more_requirements_than_all_can_wait_for() -> None:
    most = ",".join(f"!a{number}" for number in range(REQUIREMENTS_MAX))
    assert parse_labels(most)
    with pytest.raises(BadRequest, match="more than 250 requirements"):
        parse_labels(f"{most},one")
    fields = ",".join(f"metadata.name!=a{number}" for number in range(REQUIREMENTS_MAX))
    assert parse_fields("Pod", fields)
    with pytest.raises(BadRequest, match="more than 250 requirements"):
        parse_fields("Pod", f"{fields},metadata.name=a")
