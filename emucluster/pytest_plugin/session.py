"""What a test has in its hands: a session in a namespace of its own."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import grpc

from emucluster.client.caller import Client
from emucluster.client.cluster import Session
from emucluster.client.dial import Option
from emucluster.client.experiments.experiment import Experiment
from emucluster.client.fault_request import FaultRequest
from emucluster.client.lab import AgentClient, Fault, Machine
from emucluster.core.errors import UsageError
from emucluster.core.quantities import shortly
from emucluster.experiment.result import RunResult
from emucluster.live.keeper.settings import ClusterRecord
from emucluster.pytest_plugin.evidence import evidence
from emucluster.pytest_plugin.experiments import placed

FAULT_AT_MOST_S = 600.0
"""A fault ends by itself after so long, should the tests be killed before they end it."""


class NamespaceSession(Session):
    """A Session whose names are looked for in this test's namespace, and which tidies up.

    Clients, channels and faults need not be closed or cleared: they end with the test.
    """

    def __init__(self, record: ClusterRecord, namespace: str) -> None:
        super().__init__(record, namespace)
        self.began_s = time.time()
        """Wall clock."""
        self.injected: list[Fault] = []
        """Every fault that this test put upon the cluster, as it was then."""
        self.results: list[RunResult] = []
        """Of the experiments that this test ran."""
        self._opened = contextlib.ExitStack()

    def wait_ready(self, timeout_s: float = 60.0, namespace: str | None = None) -> None:
        """As Session's, for this test's namespace unless another one is named."""
        super().wait_ready(timeout_s, namespace or self.namespace)

    def client(self, source: str = "outside", *, namespace: str | None = None) -> Client:
        """As Session's; closed with the test."""
        return self._opened.enter_context(super().client(source, namespace=namespace))

    def channel(
        self,
        target: str,
        source: str = "outside",
        *,
        node: str = "",
        options: Sequence[Option] = (),
    ) -> grpc.Channel:
        """A genuine grpc.Channel for your own stubs, from a client of its own; see Client.channel.

        Args:
            target: `service/NAME[:PORT]`, `pod/NAME[:PORT]` or `HOST:PORT`.
            source: who dials: `outside`, `pod/NAME` or `node/NAME`.
            node: through this node's NodePort.
            options: channel arguments: a service config with retries, keepalive, ...
        """
        channel = self.client(source).channel(target, node=node, options=options)
        self._opened.callback(channel.close)
        return channel

    def _inject(self, wanted: FaultRequest) -> Fault:
        """As Session's; cleared with the test, and over after FAULT_AT_MOST_S in any case."""
        if wanted.for_s is None and wanted.until_s is None:
            wanted = replace(wanted, until_s=time.time() + FAULT_AT_MOST_S)
        fault = super()._inject(wanted)
        self.injected.append(fault)
        return fault

    def run(
        self,
        experiment: Experiment,
        *,
        seed: int | None = None,
        trials: int | None = None,
        out: str | Path | None = None,
    ) -> RunResult:
        """Run an experiment in this cluster and namespace, and return what came of it.

        What it has in the namespace `default` it has in this test's; what it says of its cluster
        must fit this one. `assert emucluster.run(experiment).overall == "pass"` tells, where it
        fails, each verdict with what was found.

        Args:
            seed, trials: instead of its own.
            out: a directory for report, results and records; None writes none.

        Raises UsageError for an experiment that does not fit, and for what is none.
        """
        if not isinstance(experiment, Experiment):
            raise UsageError(
                "run: must be an emu.Experiment (emu.Experiment.load reads a file); got "
                f"{shortly(experiment)}"
            )
        here = placed(experiment, self.namespace, self.status())
        result = here.run(seed=seed, trials=trials, cluster=self.name, out=out)
        self.results.append(result)
        return result

    def evidence(self) -> str:
        """What a reader of a failure needs: faults, nodes, pods, connections that broke."""
        return evidence(self)

    def state_of(self, machine: Machine) -> str:
        """The state that a node tells of itself, asked now. Raises Unreachable."""
        agent = AgentClient(machine, self._token)
        try:
            return str(json.loads(agent.describe())["state"])
        finally:
            agent.close()

    def close_opened(self) -> None:
        """End this test's channels and clients."""
        self._opened.close()
