"""An operator as its author would write it: nothing in it knows of emucluster."""

from typing import Any

import kopf


@kopf.on.create("example.com", "v1", "widgets")
def created(spec: Any, name: str, namespace: str, patch: Any, **_: Any) -> dict[str, int]:
    """Takes over the object, reports in its status, and tells an event."""
    patch.status["phase"] = "Made"
    kopf.event(
        {
            "apiVersion": "example.com/v1",
            "kind": "Widget",
            "metadata": {"name": name, "namespace": namespace},
        },
        type="Normal",
        reason="Made",
        message=f"{name} has size {spec['size']}",
    )
    return {"size": spec["size"]}


@kopf.on.update("example.com", "v1", "widgets", field="spec.size")
def resized(old: int, new: int, patch: Any, **_: Any) -> None:
    patch.status["resized"] = f"{old} to {new}"


@kopf.on.delete("example.com", "v1", "widgets")
def deleted(name: str, logger: Any, **_: Any) -> None:
    logger.info("%s is let go", name)
