"""Columns that all workloads have: what their pods run."""

from __future__ import annotations

from emucluster.core.objects import Container, PodTemplateSpec

from .column import column

CONTAINERS = column("Containers", "Names of each container in the template.", wide=True)
IMAGES = column("Images", "Images referenced by each container in the template.", wide=True)


def containers_cells(template: PodTemplateSpec | None) -> tuple[str, str]:
    """Names and images of a template's containers. Upstream: layoutContainerCells."""
    containers: tuple[Container, ...] = () if template is None else template.spec.containers
    return ",".join(c.name for c in containers), ",".join(c.image or "" for c in containers)
