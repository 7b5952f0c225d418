"""Pods that nobody controls: who may adopt them is known without asking all of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.controllers.orphans import Orphans
from emucluster.core.controllers.podstate import key_of
from emucluster.core.controllers.selectors import matches
from emucluster.core.objects import (
    LabelSelector,
    LabelSelectorRequirement,
    ObjectMeta,
    OwnerReference,
    Pod,
    PodStatus,
)

LABELS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"), max_size=2)
EXPRESSIONS = st.lists(
    st.builds(
        LabelSelectorRequirement,
        key=st.sampled_from("ab"),
        operator=st.sampled_from(["In", "Exists", "DoesNotExist"]),
        values=st.just(("x",)),
    ),
    max_size=1,
).map(tuple)
SELECTORS = st.one_of(
    st.none(), st.builds(LabelSelector, match_labels=LABELS, match_expressions=EXPRESSIONS)
)
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("pod"),
            st.sampled_from(["p", "q", "r"]),
            LABELS,
            st.booleans(),
            st.sampled_from(["Running", "Failed"]),
        ),
        st.tuples(st.just("gone"), st.sampled_from(["p", "q", "r"])),
        st.tuples(st.just("owner"), st.sampled_from(["1", "2"]), SELECTORS),
        st.tuples(st.just("drop"), st.sampled_from(["1", "2"])),
    ),
    max_size=30,
)
OWNER = (OwnerReference(kind="ReplicaSet", uid="u", name="n", controller=True),)


@given(STEPS)
def test_each_owner_may_adopt_exactly_the_active_orphans_that_it_selects(steps: list) -> None:  # type: ignore[type-arg]
    orphans = Orphans()
    pods: dict[str, Pod] = {}
    owners: dict[str, LabelSelector | None] = {}
    for what, name, *more in steps:
        if what == "pod":
            labels, owned, phase = more
            meta = ObjectMeta(
                name=name,
                namespace="default",
                labels=labels,
                owner_references=OWNER if owned else (),
            )
            new = Pod(metadata=meta, status=PodStatus(phase=phase))
            told = orphans.handle_pod(pods.get(name), new)
            pods[name] = new
            may = {u for u, s in owners.items() if not owned and matches(s, labels)}
            assert set(told) <= may
        elif what == "gone":
            if (old := pods.pop(name, None)) is not None:
                orphans.handle_pod(old, None)
        elif what == "owner":
            owners[name] = more[0]
            orphans.put_owner(name, "default", more[0])
        else:
            owners.pop(name, None)
            orphans.drop_owner(name)
    for uid, selector in owners.items():
        expected = {
            key_of(pod)
            for pod in pods.values()
            if not pod.metadata.owner_references
            and pod.status.phase == "Running"
            and matches(selector, pod.metadata.labels)
        }
        assert {key_of(pod) for pod in orphans.adoptable(uid)} == expected
