"""Laws of field sets and of server-side apply, on trees that hypothesis makes up."""

from hypothesis import given, settings
from hypothesis import strategies as st

from emucluster.core.errors import Conflict
from emucluster.core.patching import managed
from emucluster.core.patching.fieldset import (
    difference,
    element,
    inside,
    intersection,
    parse,
    paths,
    union,
)
from emucluster.core.patching.managers import Managers
from emucluster.core.patching.structured import compare, fields_of, merge
from emucluster.core.patching.trees import same
from emucluster.core.schemas.schema import custom_schema

few = settings(max_examples=50, deadline=None)

ITEM = {"type": "object", "properties": {"id": {"type": "integer"}, "v": {"type": "string"}}}
SCHEMA = custom_schema(
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "a": {"type": "integer"},
                    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                    "whole": {
                        "type": "object",
                        "x-kubernetes-map-type": "atomic",
                        "additionalProperties": {"type": "string"},
                    },
                    "set": {
                        "type": "array",
                        "x-kubernetes-list-type": "set",
                        "items": {"type": "integer"},
                    },
                    "items": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["id"],
                        "items": ITEM,
                    },
                    "plain": {"type": "array", "items": {"type": "integer"}},
                },
            }
        },
    }
)
small = st.integers(0, 3)
texts = st.sampled_from(["x", "y"])
items = st.lists(
    st.fixed_dictionaries({"id": small}, optional={"v": texts}),
    max_size=3,
    unique_by=lambda item: item["id"],
)
specs = st.fixed_dictionaries(
    {},
    optional={
        "a": small,
        "labels": st.dictionaries(texts, texts, min_size=1, max_size=2),
        "whole": st.dictionaries(texts, texts, min_size=1, max_size=2),
        "set": st.lists(small, min_size=1, max_size=3, unique=True),
        "items": items.filter(bool),
        "plain": st.lists(small, min_size=1, max_size=3),
    },
)


def widget(spec):
    head = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}}
    return {**head, "spec": spec} if spec else head


def apply(live, spec, manager, stamp="t1", *, force=True):
    return managed.applied(
        live, widget(spec), manager=manager, force=force, stamp=stamp, schema=SCHEMA
    )


def plain(tree):
    metadata = {k: v for k, v in tree["metadata"].items() if k != "managedFields"}
    return {**tree, "metadata": metadata}


def members(fields):
    return set(paths(fields))


names = st.sampled_from(["f:a", "f:b", 'k:{"id":1}', 'v:"x"'])
sets = st.recursive(
    st.just({}),
    lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3).flatmap(
        lambda below: st.booleans().map(lambda own: element(own, below))
    ),
    max_leaves=8,
).map(inside)


@few
@given(one=sets, other=sets)
def test_sets_are_sets(one, other):
    assert members(union(one, other)) == members(one) | members(other)
    assert members(difference(one, other)) == members(one) - members(other)
    assert members(intersection(one, other)) == members(one) & members(other)
    assert parse(one) == one
    assert len(members(one)) == len(list(paths(one)))


@few
@given(live=specs, spec=specs)
def test_merging_sets_every_field_that_is_applied(live, spec):
    merged = merge(widget(live), widget(spec), SCHEMA)
    found = compare(merged, widget(spec), SCHEMA)
    assert not found.added
    assert not found.modified
    both = union(fields_of(widget(live), SCHEMA), fields_of(widget(spec), SCHEMA))
    assert members(fields_of(merged, SCHEMA)) == members(both)


@few
@given(one=specs, other=specs)
def test_a_comparison_finds_just_the_differences(one, other):
    found = compare(widget(one), widget(other), SCHEMA)
    mine, yours = (members(fields_of(widget(s), SCHEMA)) for s in (one, other))
    assert yours - mine <= members(found.added) | members(found.modified)
    assert mine - yours <= members(found.removed) | members(found.modified)
    assert not members(found.added) & mine
    assert not members(found.removed) & yours
    nothing = compare(widget(one), widget(one), SCHEMA)
    assert not any(nothing)


@few
@given(spec=specs)
def test_an_apply_to_nothing_makes_what_is_applied(spec):
    assert plain(apply(None, spec, "one")) == widget(spec)


@few
@given(first=specs, second=specs)
def test_applying_twice_changes_nothing(first, second):
    live = apply(apply(None, first, "one"), second, "two")
    assert apply(live, second, "two", "t2") == live
    # Of what was applied by force, nothing is in conflict.
    assert same(apply(live, second, "two", "t2", force=False), live)


@few
@given(first=specs, second=specs)
def test_one_manager_has_what_it_applied_last_and_nothing_else(first, second):
    live = apply(apply(None, first, "one"), second, "one", "t2")
    want, have = fields_of(widget(second), SCHEMA), fields_of(plain(live), SCHEMA)
    assert members(have) == members(want)
    assert not any(compare(plain(live), widget(second), SCHEMA)) or plain(live) == widget(second)


@few
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["one", "two", "three"]), st.booleans(), specs), max_size=6
    )
)
def test_managers_own_only_what_is_there_and_agree_about_it(steps):
    live, applied = None, {}
    for number, (manager, force, spec) in enumerate(steps):
        before = live
        try:
            live = apply(live, spec, manager, f"t{number}", force=force)
        except Conflict:
            assert not force
            assert live is before
            continue
        applied[manager] = spec
        have = members(fields_of(plain(live), SCHEMA))
        owned = Managers.decode(live["metadata"].get("managedFields", [])).owned
        for who, mine in owned.items():
            assert members(mine.fields) <= have
            # What is owned has the value that its owner applied.
            wanted = fields_of(widget(applied[who.name]), SCHEMA)
            found = compare(plain(live), widget(applied[who.name]), SCHEMA)
            assert members(mine.fields) <= members(wanted)
            assert not members(mine.fields) & members(found.modified)
        assert have - {".apiVersion", ".kind", ".metadata.name"} == {
            path for mine in owned.values() for path in members(mine.fields)
        }


@few
@given(first=specs, second=specs)
def test_an_update_owns_what_it_changed(first, second):
    old = managed.updated(None, widget(first), manager="a", stamp="t1", schema=SCHEMA)
    new = managed.updated(old, widget(second), manager="b", stamp="t2", schema=SCHEMA)
    if "managedFields" not in old["metadata"]:
        return
    owned = Managers.decode(new["metadata"].get("managedFields", [])).owned
    have = members(fields_of(widget(second), SCHEMA))
    found = compare(widget(first), widget(second), SCHEMA)
    by_name = {who.name: members(mine.fields) for who, mine in owned.items()}
    assert by_name.get("b", set()) == members(union(found.added, found.modified))
    assert not by_name.get("a", set()) & by_name.get("b", set())
    # The rest is the first one's, so that everything has an owner.
    leaves = {path for path in have if path.startswith(".spec")}
    assert leaves <= by_name.get("a", set()) | by_name.get("b", set())
