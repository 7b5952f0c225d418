"""What every generated class is made of."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from .generated.irregular import IRREGULAR


def kube_name(attribute: str) -> str:
    """The JSON name of an attribute: `node_name` -> `nodeName`, `pod_ip` -> `podIP`."""
    if (irregular := IRREGULAR.get(attribute)) is not None:
        return irregular
    first, *rest = attribute.split("_")
    return first + "".join(part.capitalize() for part in rest)


def no_items() -> tuple[Any, ...]:
    """Default of an array that is encoded even when it is empty."""
    return ()


def no_value() -> None:
    """Default of a value that is encoded as null when it is absent."""
    return


class Part(
    Struct,
    frozen=True,
    gc=False,
    omit_defaults=True,
    kw_only=True,
    forbid_unknown_fields=True,
    rename=kube_name,
):
    """Base of everything inside an object.

    `gc=False` keeps a hundred thousand objects out of the garbage collector's rounds; it is sound
    because an object is a tree: nothing in it ever points back.
    """
