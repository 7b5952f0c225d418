"""From the `workload` of an experiment to load in a running cluster, and back to its records."""

from emucluster.client.experiments.load.health import LoadHealth
from emucluster.client.experiments.load.load import Load
from emucluster.client.experiments.load.noise import NoiseFloor
from emucluster.client.experiments.load.progress import GroupProgress

__all__ = ["GroupProgress", "Load", "LoadHealth", "NoiseFloor"]
