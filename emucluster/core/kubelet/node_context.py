"""What all pods of a node share."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from emucluster.core.kubelet.environment import Sources
from emucluster.core.kubelet.settings import KubeletSettings
from emucluster.core.objects import Service


@dataclass(frozen=True, slots=True)
class NodeContext:
    """What all pods of a node share."""

    node_name: str
    settings: KubeletSettings
    rng: random.Random
    ids: Iterator[int]
    """Of probes and hooks."""
    sources: Sources
    services: Callable[[], list[Service]]
