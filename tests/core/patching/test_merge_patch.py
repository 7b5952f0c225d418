"""RFC 7386."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emucluster.core.errors import BadRequest
from emucluster.core.patching import merge_patch


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [  # RFC 7386, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        (  # section 3
            {
                "title": "Goodbye!",
                "author": {"givenName": "John", "familyName": "Doe"},
                "tags": ["example", "sample"],
                "content": "This will be unchanged",
            },
            {
                "title": "Hello!",
                "phoneNumber": "+01-123-456-7890",
                "author": {"familyName": None},
                "tags": ["example"],
            },
            {
                "title": "Hello!",
                "author": {"givenName": "John"},
                "tags": ["example"],
                "content": "This will be unchanged",
                "phoneNumber": "+01-123-456-7890",
            },
        ),
    ],
)
def test_examples_of_the_rfc(target, patch, expected):
    assert merge_patch.apply(target, patch) == expected


def test_nothing_is_nested_without_end():
    deep: object = 1
    for _ in range(80):
        deep = {"a": deep}
    with pytest.raises(BadRequest, match="nested deeper"):
        merge_patch.apply({}, deep)


scalars = st.booleans() | st.integers(-5, 5) | st.text("xy", max_size=2)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=8,
)


def difference(old, new):
    """The merge patch from one tree to another."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    patch = {key: None for key in old.keys() - new.keys()}
    return patch | {k: difference(old.get(k), v) for k, v in new.items() if old.get(k, ...) != v}


@settings(max_examples=50, deadline=None)
@given(old=st.dictionaries(st.sampled_from("abc"), trees), new=trees)
def test_the_difference_of_two_trees_makes_one_of_the_other(old, new):
    patch = difference(old, new)
    assert merge_patch.apply(old, patch) == new
    assert merge_patch.apply(merge_patch.apply(old, patch), patch) == new
