"""Figures of what nodes and their pods take, from the nodes themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from emucluster.core.errors import EmuclusterError
from emucluster.core.objects import Node
from emucluster.live.clock import now_s
from emucluster.live.rpc.pb import lab_pb2

from .ways import Ways

FRESH_S = 5.0
"""A node's figures are good for so long; metrics-server's are for 15 s."""
ASK_TIMEOUT_S = 5.0
ASKED_MAX = 32
"""Nodes at a time."""


class UsageReports:
    """The newest figures of each node, asked for when they are wanted."""

    def __init__(self, ways: Ways) -> None:
        self._ways = ways
        self._known: dict[str, tuple[float, lab_pb2.UsageReport]] = {}
        self._asking = asyncio.Semaphore(ASKED_MAX)

    async def of(self, nodes: Iterable[Node]) -> dict[str, lab_pb2.UsageReport]:
        """By node; those that do not answer are left out."""
        asked = {node.metadata.name: node for node in nodes}
        reports = await asyncio.gather(*(self._of(node) for node in asked.values()))
        return {
            name: report for name, report in zip(asked, reports, strict=True) if report is not None
        }

    async def _of(self, node: Node) -> lab_pb2.UsageReport | None:
        name = node.metadata.name
        async with self._asking:
            at_s, known = self._known.get(name, (0.0, None))
            if known is not None and now_s() - at_s < FRESH_S:
                return known
            try:
                async with self._ways.agent(node) as agent:
                    call = agent.stub.Usage(
                        lab_pb2.UsageRequest(), metadata=agent.metadata, timeout=ASK_TIMEOUT_S
                    )
                    report: lab_pb2.UsageReport = await agent.ask(call)
            except EmuclusterError:
                self._known.pop(name, None)
                return None
        self._known[name] = (now_s(), report)
        return report
