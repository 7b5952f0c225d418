"""How a Deployment's ReplicaSets are told apart, named, numbered and kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from emucluster.core.admission.generated_names import ALPHABET
from emucluster.core.objects import (
    Deployment,
    LabelSelector,
    ObjectMeta,
    PodTemplateSpec,
    ReplicaSet,
    ReplicaSetSpec,
    replace,
)

from .podstate import controller_ref
from .stamps import wall_s

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
HISTORY = "deployment.kubernetes.io/revision-history"
HISTORY_MAX = 2000
"""Characters of the revisions that a ReplicaSet had before; the oldest are left out."""
_NOT_COPIED = frozenset(
    {"kubectl.kubernetes.io/last-applied-configuration", REVISION, DESIRED, MAXIMUM, HISTORY}
)
_encode = msgspec.json.Encoder(order="deterministic").encode


def template_hash(template: PodTemplateSpec, collisions: int) -> str:
    """The value of `pod-template-hash`: FNV-1a over the template, in letters that spell no words.

    Kubernetes hashes a Go dump of the struct: values differ from its own, their meaning does not.
    """
    digest = 0x811C9DC5
    for byte in _encode(template) + (str(collisions).encode() if collisions else b""):
        digest = (digest ^ byte) * 0x01000193 & 0xFFFFFFFF
    return "".join(ALPHABET[ord(digit) % len(ALPHABET)] for digit in str(digest))


def without_hash(template: PodTemplateSpec) -> PodTemplateSpec:
    labels = {k: v for k, v in (template.metadata.labels or {}).items() if k != HASH_LABEL}
    return replace(template, metadata=replace(template.metadata, labels=labels or None))


def oldest_first(sets: Iterable[ReplicaSet]) -> list[ReplicaSet]:
    return sorted(sets, key=lambda s: (wall_s(s.metadata.creation_timestamp), s.metadata.name))


def find_new(deployment: Deployment, sets: Sequence[ReplicaSet]) -> ReplicaSet | None:
    """The ReplicaSet with the Deployment's present template; the oldest, should there be two."""
    wanted = without_hash(deployment.spec.template)
    for each in sets:
        if each.spec.template is not None and without_hash(each.spec.template) == wanted:
            return each
    return None


def revision_of(replicaset: ReplicaSet) -> int:
    return number(replicaset, REVISION) or 0


def number(replicaset: ReplicaSet, annotation: str) -> int | None:
    try:
        return int((replicaset.metadata.annotations or {})[annotation])
    except (KeyError, ValueError):
        return None


def new_replicaset(
    deployment: Deployment, *, replicas: int, surge: int, revision: int
) -> ReplicaSet:
    """The ReplicaSet of the present template."""
    collisions = deployment.status.collision_count or 0
    template = without_hash(deployment.spec.template)
    hashed = template_hash(template, collisions)
    labels = {**(template.metadata.labels or {}), HASH_LABEL: hashed}
    selector = deployment.spec.selector or LabelSelector()
    return ReplicaSet(
        metadata=ObjectMeta(
            name=f"{deployment.metadata.name}-{hashed}",
            namespace=deployment.metadata.namespace,
            labels=labels,
            annotations=annotations_of(deployment, None, revision=revision, surge=surge),
            owner_references=(controller_ref(deployment),),
        ),
        spec=ReplicaSetSpec(
            replicas=replicas,
            min_ready_seconds=deployment.spec.min_ready_seconds,
            selector=replace(
                selector, match_labels={**(selector.match_labels or {}), HASH_LABEL: hashed}
            ),
            template=replace(template, metadata=replace(template.metadata, labels=labels)),
        ),
    )


def annotations_of(
    deployment: Deployment, replicaset: ReplicaSet | None, *, revision: int, surge: int
) -> dict[str, str]:
    """Annotations of the new ReplicaSet: the Deployment's, and what a roll-out has to remember.

    One that had a lower revision before, because it is rolled back to, keeps that in its history.
    """
    own = (replicaset.metadata.annotations or {}) if replicaset else {}
    before = revision_of(replicaset) if replicaset else 0
    if 0 < before < revision:
        own = {**own, HISTORY: _with_earlier(own.get(HISTORY, ""), before)}
    copied = {
        name: value
        for name, value in (deployment.metadata.annotations or {}).items()
        if name not in _NOT_COPIED
    }
    # Sizes of one that exists are those of its last resizing: shares are computed from them.
    sizes = {} if replicaset else size_annotations(deployment, surge)
    return {**own, **copied, REVISION: str(revision), **sizes}


def _with_earlier(history: str, revision: int) -> str:
    """`1,3` and 5 make `1,3,5`."""
    listed = [each for each in history.split(",") if each] + [str(revision)]
    while len(text := ",".join(listed)) > HISTORY_MAX:
        del listed[0]
    return text


def size_annotations(deployment: Deployment, surge: int) -> dict[str, str]:
    replicas = 1 if deployment.spec.replicas is None else deployment.spec.replicas
    return {DESIRED: str(replicas), MAXIMUM: str(replicas + surge)}


def surplus_history(deployment: Deployment, olds: Sequence[ReplicaSet]) -> list[ReplicaSet]:
    """Old ReplicaSets beyond revisionHistoryLimit that are empty, lowest revision first."""
    limit = deployment.spec.revision_history_limit
    limit = 10 if limit is None else limit
    cleanable = sorted(
        (each for each in olds if each.metadata.deletion_timestamp is None), key=revision_of
    )
    surplus = cleanable[: max(0, len(cleanable) - limit)]
    return [each for each in surplus if not each.spec.replicas and not each.status.replicas]
