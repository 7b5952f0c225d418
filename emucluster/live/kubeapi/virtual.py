"""Resources that are in no store: what is posted to them is answered, and forgotten."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VirtualResource:
    """As discovery shows it; the router has the handlers, by (group, plural)."""

    kind: str
    plural: str
    group: str
    version: str = "v1"
    namespaced: bool = False
    verbs: tuple[str, ...] = ("create",)
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()

    @property
    def singular(self) -> str:
        return self.kind.lower()


_AUTHORIZATION = "authorization.k8s.io"
_METRICS = "metrics.k8s.io"
_READ = ("get", "list")

VIRTUAL: tuple[VirtualResource, ...] = (
    VirtualResource("SelfSubjectReview", "selfsubjectreviews", "authentication.k8s.io"),
    VirtualResource("SelfSubjectAccessReview", "selfsubjectaccessreviews", _AUTHORIZATION),
    VirtualResource("SelfSubjectRulesReview", "selfsubjectrulesreviews", _AUTHORIZATION),
    VirtualResource("SubjectAccessReview", "subjectaccessreviews", _AUTHORIZATION),
    VirtualResource("NodeMetrics", "nodes", _METRICS, version="v1beta1", verbs=_READ),
    VirtualResource(
        "PodMetrics", "pods", _METRICS, version="v1beta1", namespaced=True, verbs=_READ
    ),
)
