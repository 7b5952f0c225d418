"""A cluster in Python: start one, or connect to one that runs, and use it."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, Self, overload

from emucluster.client.api import ApiClient, Applied
from emucluster.client.caller import Client
from emucluster.client.closing import Closing
from emucluster.client.faults import Breaking
from emucluster.client.inside import environment
from emucluster.client.instances import find
from emucluster.client.lab import Flows, LabClient, Machine, Status
from emucluster.client.manifests import Source, load
from emucluster.client.ready import NotReady, Readiness, wait_until
from emucluster.core.addresses import Slice
from emucluster.core.errors import NotRunning, UsageError
from emucluster.core.objects import Object
from emucluster.core.objects.registry import resource, resource_of
from emucluster.live.keeper.settings import KUBECONFIG_FILES, ClusterRecord
from emucluster.live.keeper.warden import started_ticks

DELETE_TIMEOUT_S = 120.0
_GONE_POLL_S = 0.1


class Session(Breaking, Closing):
    """A connection to a running cluster; closing it leaves the cluster running.

    `namespace` is where names are looked for that do not say otherwise. Every method raises
    Unreachable when the control plane, or the cluster, does not answer.
    """

    def __init__(self, record: ClusterRecord | None, namespace: str = "default") -> None:
        self.namespace = namespace
        self._record: ClusterRecord | None = None
        self._api: ApiClient | None = None
        self._lab: LabClient | None = None
        self._token = ""
        if record is not None:
            self._attach(record)

    def _attach(self, record: ClusterRecord) -> None:
        try:
            self._token = record.token
        except FileNotFoundError:
            raise NotRunning(f'no cluster "{record.name}" is running') from None
        self._record = record
        self._api = ApiClient(record.api, self._token)
        self._lab = LabClient(record.lab, self._token)

    # What it is

    @property
    def record(self) -> ClusterRecord:
        """How to reach the cluster. Raises NotRunning before the start and after the end."""
        if self._record is None:
            raise NotRunning("the cluster is not started: use it in a `with`")
        return self._record

    @property
    def name(self) -> str:
        return self.record.name

    def kubeconfig(self, user: str = "admin") -> Path:
        """The file that KUBECONFIG is to name, for `admin`, or for `view`, who may only read."""
        if user not in KUBECONFIG_FILES:
            raise UsageError(f"user: must be one of {', '.join(KUBECONFIG_FILES)}, got {user!r}")
        return self.record.kubeconfig(user)

    @property
    def api(self) -> ApiClient:
        """The API server, typed."""
        assert self.record is not None
        assert self._api is not None
        return self._api

    @property
    def lab(self) -> LabClient:
        """The machine room: what really exists."""
        assert self.record is not None
        assert self._lab is not None
        return self._lab

    def status(self) -> Status:
        """Machines, faults and addresses as they really are."""
        return self.lab.status()

    @property
    def gone(self) -> str:
        """Why the cluster is no more, in a line; empty: its keeper lives."""
        record = self.record
        if started_ticks(record.keeper_pid) == record.keeper_started:
            return ""
        return (
            f'the cluster "{record.name}" is gone: its keeper (pid {record.keeper_pid}) has ended'
        )

    def machines(self) -> tuple[Machine, ...]:
        """Nodes, load balancers, control plane and keeper as processes."""
        return self.status().machines

    # Objects

    def apply(self, source: Source, *, dry_run: bool = False) -> list[Applied]:
        """Create or change objects as `kubectl apply` does.

        Args:
            source: a path (file or directory), YAML or JSON text, a dict, an object, or a list.
            dry_run: check everything, change nothing.

        All is checked before anything is written. Raises UsageError, BadRequest, Invalid.
        """
        return self.api.apply(load(source), namespace=self.namespace, dry_run=dry_run)

    @overload
    def get(self, kind: str, name: str, *, namespace: str | None = None) -> Object: ...

    @overload
    def get(
        self, kind: str, name: None = None, *, namespace: str | None = None, labels: str = ""
    ) -> list[Object]: ...

    def get(
        self,
        kind: str,
        name: str | None = None,
        *,
        namespace: str | None = None,
        labels: str = "",
    ) -> Object | list[Object]:
        """One object by name (raises NotFound), or all of a kind in the namespace.

        Args:
            kind: as kubectl takes it: `pod`, `po`, `deployments`; also `deployment/web`.
            namespace: None means this session's; `*` all of them.
            labels: a label selector for lists.
        """
        kind, name = _kind_and_name(kind, name)
        namespace = self.namespace if namespace is None else namespace
        if name is not None:
            return self.api.get(kind, name, namespace)
        return self.api.list(kind, None if namespace == "*" else namespace, labels=labels)

    def delete(
        self,
        kind: str,
        name: str | None = None,
        *,
        namespace: str | None = None,
        grace_period_s: int | None = None,
        wait: bool = True,
        timeout_s: float = DELETE_TIMEOUT_S,
    ) -> None:
        """Delete `pod/web-1`, or a kind and a name, and wait until it is gone.

        Raises NotFound, and NotReady if it is still there after `timeout_s`.
        """
        kind, name = _kind_and_name(kind, name)
        if name is None:
            raise UsageError(f'delete "{kind}": say which, as {kind}/NAME')
        namespace = self.namespace if namespace is None else namespace
        obj = self.api.delete(kind, name, namespace, grace_period_s=grace_period_s)
        if wait:
            self.wait_gone([obj], timeout_s=timeout_s)

    def wait_gone(self, objects: Sequence[Object], *, timeout_s: float = DELETE_TIMEOUT_S) -> None:
        """Wait until none of these very objects (by uid) exists. Raises NotReady."""
        deadline_s = time.monotonic() + timeout_s
        for obj in objects:
            meta = obj.metadata
            while self._exists(obj):
                if time.monotonic() >= deadline_s:
                    title = f"{resource_of(obj).singular}/{meta.name}"
                    raise NotReady(f"{title} is still there after {timeout_s:g} s")
                time.sleep(_GONE_POLL_S)

    def _exists(self, obj: Object) -> bool:
        found = self.api.find(obj.kind, obj.metadata.name, obj.metadata.namespace)
        return found is not None and found.metadata.uid == obj.metadata.uid

    def scale(self, target: str, replicas: int, *, namespace: str | None = None) -> Object:
        """Set the replicas of `deployment/web`, and return it as it then is."""
        kind, name = _kind_and_name(target, None)
        if name is None:
            raise UsageError(f'scale "{target}": say which, as deployment/NAME')
        return self.api.scale(kind, name, replicas, namespace or self.namespace)

    def wait_ready(self, timeout_s: float = 60.0, namespace: str | None = None) -> None:
        """Wait until the first call works, wherever it is made.

        That is: all Nodes and Pods are Ready, all Deployments available, LoadBalancer Services have
        their address, each node's proxy knows all this, and load balancers have healthy targets.
        A Pod of a command without a readinessProbe is Ready as soon as it runs, listening or not.

        Args:
            timeout_s: raises NotReady with what is missing after this time.
            namespace: None means all namespaces.
        """
        readiness = Readiness(self.api, self.lab, self._token, namespace=namespace)
        wait_until(readiness.missing, timeout_s=timeout_s)

    def logs(
        self,
        pod: str,
        *,
        namespace: str | None = None,
        container: str = "",
        tail: int | None = None,
        previous: bool = False,
        follow: bool = False,
    ) -> Generator[bytes, None, None]:
        """Standard output and error of a pod, in pieces.

        Args:
            tail: only so many lines from the end; None means all.
            previous: of the container's last run before this one.
            follow: go on with what comes, until the container ends or it is closed.
        """
        return self.lab.logs(
            pod.removeprefix("pod/"),
            namespace=namespace or self.namespace,
            container=container,
            tail=tail,
            previous=previous,
            follow=follow,
        )

    # Traffic

    def client(self, source: str = "outside", *, namespace: str | None = None) -> Client:
        """A client at `outside`, `pod/NAME` or `node/NAME`. Use it in a `with`, or close it."""
        return Client(self.api, self.lab, source, namespace or self.namespace)

    def env(self, source: str, *, namespace: str | None = None) -> dict[str, str]:
        """The environment with which an unmodified gRPC client is inside, where `pod/NAME` is.

        It names the pod's gateway as the proxy for everything (Service names, ClusterIPs, pod IPs),
        and the DNS server of its node as `EMUCLUSTER_DNS`. `node/NAME` does the same for a node.
        Raises UsageError for `outside`, NotFound, NoRoute for a pod without an address.
        """
        addresses = Slice(self.record.slice)
        return environment(source, self.api, namespace or self.namespace, addresses)

    def flows(self, *, since_s: float = 0.0, address: str = "", limit: int = 0) -> Flows:
        """Flow records of all hosts; see LabClient.flows."""
        return self.lab.flows(since_s=since_s, address=address, limit=limit)

    # Its end

    def close(self) -> None:
        """Close the connections. The cluster goes on."""
        for client in (self._api, self._lab):
            if client is not None:
                client.close()
        self._record = self._api = self._lab = None


class Cluster(Session):
    """A cluster of its own: started on entering the `with`, removed on leaving it, however.

    It belongs to this process: if that ends in another way, even killed, the cluster ends too.

    Args:
        nodes: worker nodes, spread over the zones.
        zones: availability zones, named `zone-a`, `zone-b`, ...
        cloud: preset of the cloud's load balancer (`aws-nlb`, `aws-clb`, `gcp`, `azure`, `haproxy`,
            `envoy`), or `none`.
        packing: `pod`, each pod a Ray actor of its own, or `node`, pods inside their node's.
        speed: divides configured durations such as leases and probe periods.
        name: None takes the first free of emu, emu-2, ...
        ray_address: a running Ray cluster to join; None starts a private one.
        **more: as `emucluster up` takes them: bind, outside, stand_in, kube_proxy_mode, fsync.

    Raises on entering: UsageError, PreflightFailed, NameTaken, Unreachable; nothing is left then.
    """

    def __init__(
        self,
        nodes: int = 3,
        zones: int | Sequence[str] = 2,
        cloud: str = "aws-nlb",
        packing: str = "pod",
        speed: float = 1.0,
        name: str | None = None,
        ray_address: str | None = None,
        **more: Any,
    ) -> None:
        super().__init__(None)
        self._options: dict[str, Any] = {
            "nodes": nodes,
            "zones": zones if isinstance(zones, int) else list(zones),
            "cloud": cloud,
            "packing": packing,
            "speed": speed,
            "name": name,
            "ray_address": ray_address,
            **more,
        }

    def start(self) -> Self:
        """Start it without a `with`, until `stop` or the end of this process."""
        from emucluster.client.options import StartOptions
        from emucluster.client.start import start_cluster

        self._attach(start_cluster(StartOptions(**self._options), owned=True))
        return self

    def stop(self) -> None:
        """Remove the cluster and every trace of it. Does nothing if it is not running."""
        from emucluster.client.start import stop_cluster

        if self._record is None:
            return
        name = self._record.name
        self.close()
        stop_cluster(name)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        self.stop()


def connect(name: str | None = None, *, namespace: str = "default") -> Session:
    """Connect to a running cluster: `name`, else `$EMUCLUSTER`, else the only one.

    Raises NotRunning, or UsageError where several run and none is named.
    """
    return Session(find(name), namespace)


def _kind_and_name(kind: str, name: str | None) -> tuple[str, str | None]:
    head, slash, tail = kind.partition("/")
    if slash and name is not None:
        raise UsageError(f'give "{kind}" or "{head}" and "{name}", not both')
    if slash and not tail:
        raise UsageError(f'"{kind}" names no object')
    return resource(head).kind, (tail if slash else name)
