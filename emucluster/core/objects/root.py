"""The base of the kinds."""

from __future__ import annotations

from typing import ClassVar

from .base import Part
from .generated.meta import ObjectMeta


class Object(Part, frozen=True, kw_only=True):
    """Anything with a kind, an apiVersion and metadata: what the store holds."""

    kind: ClassVar[str]
    api_version: str
    metadata: ObjectMeta = ObjectMeta()

    @property
    def kind_key(self) -> str:
        """A name of its kind that no other kind has: `Pod`, of custom objects with the group."""
        return self.kind
