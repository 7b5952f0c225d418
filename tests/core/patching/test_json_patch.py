"""RFC 6902, by its own examples and by the public test suite."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emucluster.core.errors import ApiError, BadRequest, Invalid, TooLarge
from emucluster.core.patching import json_patch

VECTORS = Path(__file__).parent / "json-patch-tests"
# API servers let an index count from the end.
LIBERTIES = {"Out of bounds (lower)"}


def vectors():
    for name in ("spec_tests", "tests"):
        for number, case in enumerate(json.loads((VECTORS / f"{name}.json").read_text())):
            if "patch" in case and not case.get("disabled") and case.get("error") not in LIBERTIES:
                yield pytest.param(case, id=f"{name}-{number}-{case.get('comment', '')[:40]}")


@pytest.mark.parametrize("case", list(vectors()))
def test_public_suite(case):
    before = json.dumps(case["doc"])
    if "error" in case:
        with pytest.raises(ApiError):
            json_patch.apply(case["doc"], case["patch"])
    else:
        result = json_patch.apply(case["doc"], case["patch"])
        assert json.dumps(result, sort_keys=True) == json.dumps(
            case.get("expected", result), sort_keys=True
        )
    assert json.dumps(case["doc"]) == before


def op(kind, path, **more):
    return {"op": kind, "path": path, **more}


@pytest.mark.parametrize(
    ("document", "patch", "expected"),
    [  # RFC 6902, appendix A
        ({"foo": "bar"}, [op("add", "/baz", value="qux")], {"baz": "qux", "foo": "bar"}),
        ({"foo": ["bar", "baz"]}, [op("add", "/foo/1", value="q")], {"foo": ["bar", "q", "baz"]}),
        ({"baz": "qux", "foo": "bar"}, [op("remove", "/baz")], {"foo": "bar"}),
        ({"foo": ["bar", "qux", "baz"]}, [op("remove", "/foo/1")], {"foo": ["bar", "baz"]}),
        (
            {"baz": "qux", "foo": "bar"},
            [op("replace", "/baz", value="boo")],
            {"baz": "boo", "foo": "bar"},
        ),
        (
            {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
            [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
            {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
        ),
        (
            {"foo": ["all", "grass", "cows", "eat"]},
            [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
            {"foo": ["all", "cows", "eat", "grass"]},
        ),
        (
            {"baz": "qux", "foo": ["a", 2, "c"]},
            [op("test", "/baz", value="qux"), op("test", "/foo/1", value=2)],
            {"baz": "qux", "foo": ["a", 2, "c"]},
        ),
        (
            {"foo": "bar"},
            [op("add", "/child", value={"grandchild": {}})],
            {"foo": "bar", "child": {"grandchild": {}}},
        ),
        ({"foo": "bar"}, [op("add", "/baz", value="qux", xyz=123)], {"foo": "bar", "baz": "qux"}),
        ({"/": 9, "~1": 10}, [op("test", "/~01", value=10)], {"/": 9, "~1": 10}),
        ({"foo": ["bar"]}, [op("add", "/foo/-", value=["a"])], {"foo": ["bar", ["a"]]}),
    ],
)
def test_examples_of_the_rfc(document, patch, expected):
    assert json_patch.apply(document, patch) == expected


@pytest.mark.parametrize(
    ("document", "operation", "message"),
    [
        ({"baz": "qux"}, op("test", "/baz", value="bar"), "testing value /baz failed: test failed"),
        (
            {"foo": "bar"},
            op("add", "/baz/bat", value="qux"),
            'add operation does not apply: doc is missing path: "/baz/bat": missing value',
        ),
        (
            {},
            op("remove", "/a"),
            "error in remove for path: '/a': Unable to remove nonexistent key: a: missing value",
        ),
        ({"/": 9, "~1": 10}, op("test", "/~01", value="10"), "testing value /~01 failed"),
        ({"a": []}, op("replace", "/a/0", value=1), "doc is missing key: /a/0: missing value"),
        ({"a": [1]}, op("remove", "/a/1"), "Unable to access invalid index: 1"),
        ({"a": [1]}, op("add", "/a/x", value=1), "value was not a proper array index: 'x'"),
        ({"a": True}, op("test", "/a", value=1), "testing value /a failed"),
        ({}, op("increment", "/a"), "Unexpected kind: increment"),
        ({}, op("add", "a", value=1), "add operation failed to decode path"),
        ({}, {"op": "add", "path": "/a"}, "add operation has no value"),
        ({"a": {}}, {"op": "move", "from": "/a", "path": "/a/b"}, "/a/b is inside of /a"),
    ],
)
def test_what_does_not_apply_is_invalid_and_changes_nothing(document, operation, message):
    before = json.dumps(document)
    with pytest.raises(json_patch.Inapplicable) as caught:
        json_patch.apply(document, [op("add", "/first", value=1), operation])
    assert message in caught.value.why
    assert caught.value.code == 422
    assert caught.value.message == (
        "the server rejected our request due to an error in our request"
    )
    assert json.dumps(document) == before


@pytest.mark.parametrize("patch", [{}, "add", None, [1]])
def test_what_is_no_patch_is_a_bad_request(patch):
    with pytest.raises(BadRequest):
        json_patch.apply({}, patch)


def test_a_patch_of_too_many_operations_is_too_large():
    with pytest.raises(TooLarge, match="operations in a JSON patch is 10000, got 10001"):
        json_patch.apply({}, [op("add", "/a", value=1)] * 10_001)


def test_liberties_of_api_servers():
    assert json_patch.apply({}, [op("replace", "/a", value=1)]) == {"a": 1}
    assert json_patch.apply({"a": [1, 2]}, [op("remove", "/a/-1")]) == {"a": [1]}
    assert json_patch.apply({}, [op("test", "/a", value=None)]) == {}


def test_copies_are_bounded():
    doubling = [op("add", "/a", value=["x" * 1000])]
    doubling += [{"op": "copy", "from": "/a", "path": "/a/-"}] * 40
    with pytest.raises(json_patch.Inapplicable) as caught:
        json_patch.apply({}, doubling)
    assert "accumulated size increase of copy" in caught.value.why


values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab/~", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("ab/~01-", max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)
paths = st.lists(st.text("ab01-~/", max_size=2), max_size=3).map("/".join)
operations = st.fixed_dictionaries(
    {
        "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
        "path": paths.map(lambda p: "/" + p) | paths,
        "from": paths.map(lambda p: "/" + p),
        "value": values,
    }
)


@settings(max_examples=50, deadline=None)
@given(document=values, patch=st.lists(operations, max_size=5))
def test_any_patch_applies_or_is_refused_and_shares_nothing(document, patch):
    before = json.dumps([document, patch])
    try:
        result = json_patch.apply(document, patch)
    except (BadRequest, Invalid):
        pass
    else:
        if isinstance(result, dict):
            result["changed"] = True
        elif isinstance(result, list):
            result.append("changed")
    assert json.dumps([document, patch]) == before


def test_work_is_bounded():
    many = [op("add", "/a/0", value=1)] * 10_000
    with pytest.raises(json_patch.Inapplicable) as caught:
        json_patch.apply({"a": [0] * 100_000}, many)
    assert "move too many items" in caught.value.why
