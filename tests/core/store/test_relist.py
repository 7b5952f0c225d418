"""Whoever takes the changes that are told knows the new state, and is told no more than that."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.objects import ConfigMap, Object, ObjectMeta
from emucluster.core.store import Key, key_of, relisted


def obj(name: str, uid: str, version: str) -> Object:
    return ConfigMap(metadata=ObjectMeta(name=name, uid=uid, resource_version=version))


STATES = st.dictionaries(
    st.sampled_from("abcde"), st.tuples(st.sampled_from("xy"), st.sampled_from("12"))
).map(lambda found: {key_of(o): o for o in (obj(n, *rest) for n, rest in found.items())})


@given(known=STATES, fresh=STATES)
def test_the_changes_lead_to_the_new_state(
    known: dict[Key, Object], fresh: dict[Key, Object]
) -> None:
    state = dict(known)
    for type_, changed in relisted(known, fresh):
        key = key_of(changed)
        if type_ == "DELETED":
            assert state.pop(key) == known[key]
        else:
            assert (key in state) is (type_ == "MODIFIED")
            state[key] = changed
    assert state == fresh


@given(state=STATES)
def test_of_a_state_that_is_known_nothing_is_told(state: dict[Key, Object]) -> None:
    assert relisted(state, dict(state)) == []


def test_a_new_object_of_an_old_name_comes_after_the_end_of_the_old_one() -> None:
    old, new = obj("a", "x", "1"), obj("a", "y", "2")
    told = relisted({key_of(old): old}, {key_of(new): new})
    assert told == [("DELETED", old), ("ADDED", new)]
