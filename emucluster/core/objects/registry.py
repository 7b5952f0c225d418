"""The kinds that are built in, under every name that kubectl accepts for them.

`Kinds` (core.objects.kinds) adds those of CustomResourceDefinitions.
"""

from __future__ import annotations

from dataclasses import dataclass

from emucluster.core.errors import NotFound

from .generated import exports as api
from .generated.exports import CustomResourceDefinitionVersion
from .root import Object


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of object in one version, as one path of the API serves it.

    Attributes:
        kind: `Deployment`.
        plural: the resource's name in the API and in messages, `deployments`.
        singular, short_names: further names that kubectl accepts.
        group: `apps`; "" for the core group.
        version: `v1`.
        namespaced: whether its objects are in namespaces.
        cls: what its objects are decoded to.
        categories: names of groups of kinds, such as `all` of `kubectl get all`.
        subresources: `status`, `scale`, `log`, ...; what discovery and the paths offer.
        acted_on: False for kinds that are stored and do nothing; writing one answers a warning.
        definition: of custom kinds: what their CustomResourceDefinition says of this version.
        kind_key: the name under which the store has the objects: the kind's, or for a custom kind
            `Widget.example.com`, so that it never meets another group's. Several versions of one
            kind share it, and two groups that show the same objects (`Event`).
    """

    kind: str
    plural: str
    singular: str
    short_names: tuple[str, ...]
    group: str
    version: str
    namespaced: bool
    cls: type[Object]
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    acted_on: bool = True
    definition: CustomResourceDefinitionVersion | None = None

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified_plural(self) -> str:
        """`deployments.apps`, `pods`: as messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """`Deployment.apps`, `Pod`: as messages of validation name it."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def kind_key(self) -> str:
        return self.qualified_kind if self.definition is not None else self.kind

    @property
    def has_status(self) -> bool:
        """Whether status is a part of its own, written by its subresource only."""
        return "status" in self.subresources


ALL = ("all",)
STATUS, STATUS_SCALE = ("status",), ("scale", "status")
POD = (
    *("attach", "binding", "eviction", "exec", "log", "portforward"),
    "status",
)


def _row(
    cls: type[Object],
    plural: str,
    *short: str,
    group: str = "",
    version: str = "v1",
    namespaced: bool = True,
    categories: tuple[str, ...] = (),
    subresources: tuple[str, ...] = (),
    acted_on: bool = True,
) -> Resource:
    return Resource(
        kind=cls.kind,
        plural=plural,
        singular=cls.kind.lower(),
        short_names=short,
        group=group,
        version=version,
        namespaced=namespaced,
        cls=cls,
        categories=categories,
        subresources=subresources,
        acted_on=acted_on,
    )


def _workload(
    cls: type[Object], plural: str, short: str, subresources: tuple[str, ...] = STATUS_SCALE
) -> Resource:
    return _row(cls, plural, short, group="apps", categories=ALL, subresources=subresources)


def _stored(
    cls: type[Object],
    plural: str,
    *short: str,
    group: str = "",
    version: str = "v1",
    namespaced: bool = True,
    categories: tuple[str, ...] = (),
    subresources: tuple[str, ...] = (),
) -> Resource:
    """A kind on which nothing acts."""
    return _row(
        cls,
        plural,
        *short,
        group=group,
        version=version,
        namespaced=namespaced,
        categories=categories,
        subresources=subresources,
        acted_on=False,
    )


RESOURCES: tuple[Resource, ...] = (
    _row(api.Namespace, "namespaces", "ns", namespaced=False, subresources=("finalize", "status")),
    _row(api.Node, "nodes", "no", namespaced=False, subresources=STATUS),
    _row(api.Pod, "pods", "po", categories=ALL, subresources=POD),
    _workload(api.Deployment, "deployments", "deploy"),
    _workload(api.ReplicaSet, "replicasets", "rs"),
    _workload(api.DaemonSet, "daemonsets", "ds", STATUS),
    _workload(api.StatefulSet, "statefulsets", "sts"),
    _row(api.ControllerRevision, "controllerrevisions", group="apps"),
    _row(api.Service, "services", "svc", categories=ALL, subresources=STATUS),
    _row(api.Endpoints, "endpoints", "ep"),
    _row(api.EndpointSlice, "endpointslices", group="discovery.k8s.io"),
    _row(api.ConfigMap, "configmaps", "cm"),
    _row(api.Secret, "secrets"),
    _row(api.ServiceAccount, "serviceaccounts", "sa"),
    _row(api.Lease, "leases", group="coordination.k8s.io"),
    _row(api.Event, "events", "ev"),
    _row(
        api.PodDisruptionBudget,
        "poddisruptionbudgets",
        "pdb",
        group="policy",
        subresources=STATUS,
    ),
    _row(
        api.CustomResourceDefinition,
        "customresourcedefinitions",
        *("crd", "crds"),
        group="apiextensions.k8s.io",
        namespaced=False,
        categories=("api-extensions",),
        subresources=STATUS,
    ),
    _stored(api.PersistentVolume, "persistentvolumes", "pv", namespaced=False, subresources=STATUS),
    _stored(api.PersistentVolumeClaim, "persistentvolumeclaims", "pvc", subresources=STATUS),
    _stored(api.ResourceQuota, "resourcequotas", "quota", subresources=STATUS),
    _stored(api.LimitRange, "limitranges", "limits"),
    _stored(
        api.ReplicationController,
        "replicationcontrollers",
        "rc",
        categories=ALL,
        subresources=STATUS_SCALE,
    ),
    _stored(api.Job, "jobs", group="batch", categories=ALL, subresources=STATUS),
    _stored(api.CronJob, "cronjobs", "cj", group="batch", categories=ALL, subresources=STATUS),
    _stored(api.Ingress, "ingresses", "ing", group="networking.k8s.io", subresources=STATUS),
    _stored(api.IngressClass, "ingressclasses", group="networking.k8s.io", namespaced=False),
    _stored(api.NetworkPolicy, "networkpolicies", "netpol", group="networking.k8s.io"),
    _stored(
        api.HorizontalPodAutoscaler,
        "horizontalpodautoscalers",
        "hpa",
        group="autoscaling",
        version="v2",
        categories=ALL,
        subresources=STATUS,
    ),
    _stored(api.StorageClass, "storageclasses", "sc", group="storage.k8s.io", namespaced=False),
    _stored(
        api.PriorityClass, "priorityclasses", "pc", group="scheduling.k8s.io", namespaced=False
    ),
    _stored(api.Role, "roles", group="rbac.authorization.k8s.io"),
    _stored(api.ClusterRole, "clusterroles", group="rbac.authorization.k8s.io", namespaced=False),
    _stored(api.RoleBinding, "rolebindings", group="rbac.authorization.k8s.io"),
    _stored(
        api.ClusterRoleBinding,
        "clusterrolebindings",
        group="rbac.authorization.k8s.io",
        namespaced=False,
    ),
)
"""Every kind once, in the version in which the store has it."""

VIEWS: tuple[Resource, ...] = (
    _row(api.EventsEvent, "events", "ev", group="events.k8s.io"),
    _stored(
        api.HorizontalPodAutoscalerV1,
        "horizontalpodautoscalers",
        "hpa",
        group="autoscaling",
        categories=ALL,
        subresources=STATUS,
    ),
)
"""Further paths to objects of the kinds above, under which they look otherwise."""

BY_KIND: dict[str, Resource] = {row.kind: row for row in RESOURCES}


def _names(row: Resource) -> set[str]:
    plain = {row.singular, row.plural, *row.short_names}
    suffixes = {f".{row.group}", f".{row.version}.{row.group}"} if row.group else set()
    return plain | {name + suffix for name in plain for suffix in suffixes}


_BY_NAME = {name: row for row in RESOURCES for name in _names(row)}


def resource(name: str) -> Resource:
    """The built-in resource that kubectl would take `name` for: `po`, `Pod`, `deployment.apps`.

    Case does not matter. Raises NotFound with kubectl's message for anything else.
    """
    if (row := _BY_NAME.get(name.lower())) is None:
        raise NotFound(f'the server doesn\'t have a resource type "{name}"')
    return row


def resource_of(obj: Object) -> Resource:
    """The resource to which an object of a built-in kind belongs."""
    return BY_KIND[obj.kind]
