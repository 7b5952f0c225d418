"""What handlers work on: the store behind the API, and what is made from it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

from emucluster.core.admission.admission import Admission
from emucluster.core.errors import NotFound
from emucluster.core.objects import Object
from emucluster.core.objects.registry import Resource
from emucluster.core.printing import include_object
from emucluster.core.store import Store
from emucluster.live.control.driver import Driver
from emucluster.live.control.late_answers import LateAnswers

from . import bodies
from .accounting import Accounting
from .discovery import Documents
from .encodings import Encodings
from .hub import Hub
from .query import WriteOptions
from .request import Request
from .shapes import Shape
from .streams.usage_reports import UsageReports
from .streams.ways import Ways
from .virtual import VIRTUAL

Result = TypeVar("Result")

_SHAPES_MAX = 256
NO_RESOURCE = "the server could not find the requested resource"


class KubeApi:
    """One for each server. `address` (host:port) is where clients reach it, `ways` lead to nodes.

    `late` holds up answers and watches while a fault has it so.
    """

    def __init__(
        self, driver: Driver, *, address: str, ways: Ways, late: LateAnswers | None = None
    ) -> None:
        self.driver = driver
        self.ways = ways
        self.usage = UsageReports(ways)
        self.late = late or LateAnswers()
        self.address = address
        self.hub = Hub(driver.store, lambda: driver.durable_version)
        driver.on_commit(self.hub.committed)
        self.accounting = Accounting(driver.store.kinds)
        self._documents: Documents | None = None
        self._documented = -1
        self._shapes: dict[Hashable, Shape] = {}
        self._encodings = Encodings()

    @property
    def store(self) -> Store:
        return self.driver.store

    @property
    def admission(self) -> Admission:
        return self.driver.admission

    @property
    def documents(self) -> Documents:
        """The discovery documents for the kinds that there are now."""
        kinds = self.store.kinds
        if self._documents is None or self._documented != kinds.changes:
            self._documents = Documents([*kinds.all(), *VIRTUAL], address=self.address)
            self._documented = kinds.changes
        return self._documents

    def resource(self, request: Request) -> Resource:
        """The stored resource that a request names. Raises NotFound."""
        target = request.target
        row = target and self.store.kinds.find(target.group, target.version, target.plural)
        if not row:
            raise NotFound(NO_RESOURCE)
        if row.definition is not None and (warning := self.store.kinds.deprecation(row)):
            request.warnings.append(warning)
        return row

    async def decoded(
        self, request: Request, data: bytes, row: Resource, options: WriteOptions
    ) -> Object:
        """The object in the body of a create or update. Raises BadRequest."""
        schema = self.accounting.schema(row)
        return await bodies.decoded(request, data, row, options, schema, self.admission.preparation)

    def shape(self, request: Request, row: Resource) -> Shape:
        """The form in which a request wants objects of a resource. Raises BadRequest."""
        wanted = request.wanted
        include = include_object(request.query.text("includeObject"))
        key = self.shape_key(request, row)
        shape = self._shapes.get(key)
        if shape is None:
            if len(self._shapes) >= _SHAPES_MAX:
                self._shapes.clear()
            shape = self._shapes[key] = Shape(row, wanted, include, self._encodings)
        return shape

    def shape_key(self, request: Request, row: Resource) -> Hashable:
        """What tells shapes apart. A custom kind may change, and have other columns then."""
        wanted = request.wanted
        include = request.query.text("includeObject") if wanted.shape == "table" else ""
        changes = self.store.kinds.changes if row.definition is not None else 0
        return (changes, row.api_version, row.plural, wanted.shape, wanted.version, include)

    def existing(self, request: Request, row: Resource) -> Object:
        """The object that a request names, as it is stored. Raises NotFound."""
        assert request.target is not None
        target = request.target
        obj = self.store.get(row.kind_key, target.namespace, target.name)
        if obj is None:
            raise NotFound.of(row.qualified_plural, target.name)
        return obj

    async def write(self, decide: Callable[[], Result]) -> Result:
        """Let admission decide, and return when its result is durable."""
        return await self.driver.write_for_client(decide)
