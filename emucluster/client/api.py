"""The emulated API server, typed: objects in, objects out."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from emucluster.client.connection import Connection
from emucluster.core.errors import NotFound
from emucluster.core.objects import Object
from emucluster.core.objects.codec import decode_json, encode_json
from emucluster.core.objects.registry import resource
from emucluster.live.rpc.pb import api_pb2, api_pb2_grpc

Outcome = Literal["created", "configured", "unchanged"]


@dataclass(frozen=True, slots=True)
class Applied:
    """What `apply` did with one object."""

    object: Object
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a watch; `type` is ADDED, MODIFIED or DELETED."""

    type: str
    kind: str
    version: int
    object: Object


class ApiClient:
    """Reads and writes objects. Kinds may be given as kubectl takes them: `po`, `Pod`, `pods`.

    Every method raises ApiError (NotFound, Conflict, Invalid, ...) with Kubernetes' message, or
    Unreachable when the control plane does not answer.
    """

    def __init__(self, address: str, token: str) -> None:
        self._connection = Connection("the control plane", address, token)
        self._stub = self._connection.stub(api_pb2_grpc.ApiStub)

    def close(self) -> None:
        self._connection.close()

    def get(self, kind: str, name: str, namespace: str = "default") -> Object:
        """One object. Raises NotFound."""
        reply = self._connection.call(self._stub.Get, _ref(kind, namespace, name))
        return decode_json(reply.json)

    def find(self, kind: str, name: str, namespace: str = "default") -> Object | None:
        """One object, or None."""
        try:
            return self.get(kind, name, namespace)
        except NotFound:
            return None

    def list(
        self, kind: str, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> list[Object]:
        """Objects of a kind, by namespace and name.

        Args:
            namespace: None means all namespaces.
            labels: a label selector, `app=web,tier!=cache`; empty means all.
            fields: a field selector, `spec.nodeName=node-1`.
        """
        return self.list_at(kind, namespace, labels=labels, fields=fields)[0]

    def list_at(
        self, kind: str, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> tuple[builtins.list[Object], int]:
        """As `list`, and the resourceVersion at which it is the state."""
        row = resource(kind)
        request = api_pb2.ListRequest(
            kind=row.kind,
            namespace=(namespace or "") if row.namespaced else "",
            label_selector=labels,
            field_selector=fields,
        )
        reply = self._connection.call(self._stub.List, request)
        objects = [decode_json(data) for data in reply.json]
        objects.sort(key=lambda o: (o.metadata.namespace, o.metadata.name))
        return objects, int(reply.version)

    def apply(
        self, objects: Sequence[Object], *, namespace: str = "default", dry_run: bool = False
    ) -> builtins.list[Applied]:
        """Create or change objects as `kubectl apply` does; all are checked before the first write.

        `namespace` is for objects that name none.
        """
        request = api_pb2.ApplyRequest(
            json=[encode_json(obj) for obj in objects], dry_run=dry_run, namespace=namespace
        )
        reply = self._connection.call(self._stub.Apply, request)
        return [
            Applied(decode_json(result.json), cast("Outcome", result.outcome))
            for result in reply.results
        ]

    def create(self, obj: Object) -> Object:
        """Create one object. Raises AlreadyExists, Invalid."""
        request = api_pb2.WriteRequest(json=encode_json(obj))
        return decode_json(self._connection.call(self._stub.Create, request).json)

    def update(self, obj: Object) -> Object:
        """Replace one object. Raises Conflict when its resourceVersion is not the current one."""
        request = api_pb2.WriteRequest(json=encode_json(obj))
        return decode_json(self._connection.call(self._stub.Update, request).json)

    def delete(
        self,
        kind: str,
        name: str,
        namespace: str = "default",
        *,
        grace_period_s: int | None = None,
        uid: str = "",
        propagation: str = "",
    ) -> Object:
        """Begin to delete one object and return it as it then is. Raises NotFound.

        Args:
            grace_period_s: for pods; None means the pod's own.
            uid: delete only the object with this uid.
            propagation: Background (default), Foreground or Orphan.
        """
        row = resource(kind)
        request = api_pb2.DeleteRequest(
            kind=row.kind,
            namespace=namespace if row.namespaced else "",
            name=name,
            uid=uid,
            propagation=propagation,
        )
        if grace_period_s is not None:
            request.grace_period_s = grace_period_s
        return decode_json(self._connection.call(self._stub.Delete, request).json)

    def scale(self, kind: str, name: str, replicas: int, namespace: str = "default") -> Object:
        """Set the number of replicas of a Deployment or ReplicaSet."""
        request = api_pb2.ScaleRequest(
            kind=resource(kind).kind, namespace=namespace, name=name, replicas=replicas
        )
        return decode_json(self._connection.call(self._stub.Scale, request).json)

    def evict(self, name: str, namespace: str = "default", *, uid: str = "") -> None:
        """Delete a pod with its grace period, unless a PodDisruptionBudget is against it.

        Raises NotFound, TooManyRequests with the budget's reason among its causes.
        """
        request = api_pb2.EvictRequest(namespace=namespace, name=name, uid=uid)
        self._connection.call(self._stub.Evict, request)

    def watch(
        self, kinds: Sequence[str], *, after_version: int | None = None, timeout_s: float | None
    ) -> Iterator[Change | None]:
        """The state and then each change; None stands once, where the state is complete.

        Raises Unreachable when `timeout_s` is over.
        """
        request = api_pb2.WatchRequest(kinds=[resource(kind).kind for kind in kinds])
        if after_version is not None:
            request.after_version = after_version
        for message in self._connection.stream(self._stub.Watch, request, timeout_s=timeout_s):
            for event in message.events:
                yield Change(event.type, event.kind, event.version, decode_json(event.json))
            if message.state_done:
                yield None


def _ref(kind: str, namespace: str, name: str) -> api_pb2.ObjectRef:
    row = resource(kind)
    return api_pb2.ObjectRef(
        kind=row.kind, namespace=namespace if row.namespaced else "", name=name
    )
