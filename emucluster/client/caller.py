"""A client of the cluster's Services: outside, or inside with a pod or node."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import grpc

from emucluster.client.api import ApiClient
from emucluster.client.calls import (
    Call,
    Joiner,
    call_once,
    failure,
    flow_id,
    new_id,
    parse_address,
)
from emucluster.client.closing import Closing
from emucluster.client.dial import Option, dial
from emucluster.client.lab import Flows, LabClient
from emucluster.client.load import Plan, Runner
from emucluster.client.path import UNKNOWN, Address
from emucluster.client.targets import (
    Destination,
    gateway,
    parse_source,
    resolve,
)
from emucluster.core.routing.targets import parse_target

BATCH_S = 0.5
"""Flow records are asked for about so often while calls run."""


class Client(Closing):
    """Calls Services, pods and addresses as somebody who stands at `source`.

    An outside client has an address of its own, which it keeps until it is closed. A client with a
    pod or node goes through that one's gateway, as the processes there do. Close it, or use it
    in a `with`.
    """

    def __init__(
        self, api: ApiClient, lab: LabClient, source: str = "outside", namespace: str = "default"
    ) -> None:
        self.source = parse_source(source)
        self.namespace = namespace
        self._api = api
        self._lab = lab
        self._outside = None
        if self.source.kind == "outside":
            self._outside = lab.open_client()
            self._gateway = parse_address(self._outside.gateway)
        else:
            self._gateway = gateway(self.source, api, namespace)

    @property
    def gateway(self) -> Address:
        """Where this client sends its CONNECT requests."""
        return self._gateway

    def resolve(self, target: str, *, node: str = "") -> Destination:
        """What this client dials for `target`; see `call`."""
        return resolve(
            parse_target(target), self.source, self._api, namespace=self.namespace, node=node
        )

    def call(
        self, target: str, *, message: str = "", timeout_s: float = 5.0, node: str = ""
    ) -> Call:
        """One echo call over a connection of its own.

        Args:
            target: `service/NAME[:PORT]`, `pod/NAME[:PORT]` or `HOST:PORT`.
            timeout_s: deadline, connecting included.
            node: through this node's NodePort.

        Raises NoRoute before dialling what cannot be reached from here, and the RequestFailed that
        tells what may be concluded when no reply comes.
        """
        call = self.attempt(target, message=message, timeout_s=timeout_s, node=node)
        if not call.ok:
            known = bool(call.path) and UNKNOWN not in call.path
            raise failure(call, target, timeout_s=timeout_s, path_known=known)
        return call

    def attempt(
        self, target: str, *, message: str = "", timeout_s: float = 5.0, node: str = ""
    ) -> Call:
        """As `call`, but a failed call is returned instead of raised."""
        plan = Plan(timeout_s=timeout_s, message=message)
        return next(self.run(target, plan, node=node))

    def run(self, target: str, plan: Plan, *, node: str = "") -> Generator[Call, None, None]:
        """Make the plan's calls and yield each, with its path, soon after it ended.

        Failed calls are yielded as others. Closing the iterator begins no more calls.
        """
        destination = self.resolve(target, node=node)
        joiner = Joiner(self._gateway, self._flows_since, shared=plan.shared)
        lasting = dial(destination, self._gateway, options=_ECHO) if plan.shared else None

        def send(number: int, due_s: float | None) -> Call:
            id = new_id()
            if lasting is not None:
                return _send(lasting, plan, due_s, id)
            channel = dial(
                destination, self._gateway, number=number, flow_id=flow_id(id), options=_ECHO
            )
            try:
                return _send(channel, plan, due_s, id)
            finally:
                channel.close()

        try:
            for batch in Runner(plan, send).batches(every_s=BATCH_S):
                yield from joiner.join(batch)
        finally:
            if lasting is not None:
                lasting.close()

    def channel(
        self, target: str, *, node: str = "", options: Sequence[Option] = ()
    ) -> grpc.Channel:
        """A genuine grpc.Channel to `target`, for the user's own stubs.

        Its arguments lead it through this client's gateway, whatever proxies the environment names;
        `options` are further channel arguments. To a headless Service it balances its calls over
        the pods that were ready now. It outlives neither this client nor an outside address.
        """
        return dial(self.resolve(target, node=node), self._gateway, options=options)

    def close(self) -> None:
        """Give up the outside address, if it has one."""
        if self._outside is not None:
            self._outside.close()
            self._outside = None

    def _flows_since(self, since_s: float) -> Flows:
        return self._lab.flows(since_s=since_s)


# A retry by the channel would hide a failure from whoever counts them.
_ECHO: tuple[Option, ...] = (("grpc.enable_retries", 0),)


def _send(channel: grpc.Channel, plan: Plan, due_s: float | None, id: str) -> Call:
    return call_once(channel, message=plan.message, timeout_s=plan.timeout_s, since_s=due_s, id=id)
