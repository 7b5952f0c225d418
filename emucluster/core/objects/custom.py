"""Objects of kinds that CustomResourceDefinitions bring.

Their schema belongs to the user, so that only the metadata is typed; the rest is a tree.
"""

from __future__ import annotations

from typing import Any

from .root import Object


class CustomObject(Object, frozen=True, kw_only=True):
    """An object of a custom kind.

    Attributes:
        kind: `Widget`.
        api_version: `example.com/v1`.
        content: everything besides apiVersion, kind and metadata. Shared by copies of the object:
            build a new one, never update it or anything in it.
    """

    # A built-in kind is its class's; here each object says it, and is not of a class of its own.
    kind: str  # type: ignore[misc]
    api_version: str
    content: dict[str, Any]

    @property
    def group(self) -> str:
        """`example.com`."""
        return self.api_version.rpartition("/")[0]

    @property
    def kind_key(self) -> str:
        """`Widget.example.com`."""
        return f"{self.kind}.{self.group}"

    def tree(self) -> dict[str, Any]:
        """The object as one map in JSON's names, whose `metadata` is still a struct."""
        head = {"apiVersion": self.api_version, "kind": self.kind, "metadata": self.metadata}
        return head | self.content
