"""All kinds that a store serves: the built-in ones and, as they come and go, custom ones."""

from __future__ import annotations

import re

from .custom import CustomObject
from .generated.exports import CustomResourceDefinition, CustomResourceDefinitionVersion
from .registry import BY_KIND, RESOURCES, VIEWS, Resource
from .root import Object

ESTABLISHED = "Established"

_VERSION = re.compile(r"v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?")


class Kinds:
    """Resources by path, by kind, and by the key that the store uses.

    `changes` grows with every kind that comes, changes or goes: what is derived from the kinds
    (discovery, schemas) may be kept for as long as it stays.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._by_path: dict[tuple[str, str, str], Resource] = {}
        self._by_kind: dict[tuple[str, str], Resource] = {}
        self._by_key: dict[str, Resource] = {}
        self._custom: dict[str, tuple[Resource, ...]] = {}  # by name of the definition
        for row in (*RESOURCES, *VIEWS):
            self._serve(row)
        self._by_key.update(BY_KIND)

    # --- reading ---------------------------------------------------------------------------------

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """What a path of the API serves; None: nothing."""
        return self._by_path.get((group, version, plural))

    def named(self, api_version: str, kind: str) -> Resource | None:
        """What an object's apiVersion and kind mean; None: nothing that is served."""
        return self._by_kind.get((api_version, kind))

    def get(self, kind_key: str) -> Resource | None:
        """The kind, in the version in which it is stored, of a key of the store."""
        return self._by_key.get(kind_key)

    def of(self, obj: Object) -> Resource | None:
        """The resource of an object; of a version that is not served any more, the stored one."""
        return self._by_kind.get((obj.api_version, obj.kind)) or self._by_key.get(obj.kind_key)

    def all(self) -> tuple[Resource, ...]:
        """Every resource in every version: built-in ones first, a group's best version first."""
        return tuple(self._by_path.values())

    def stored(self) -> tuple[Resource, ...]:
        """Every kind once, in the version in which it is stored."""
        return tuple(self._by_key.values())

    def deprecation(self, row: Resource) -> str:
        """What to warn of whoever uses a deprecated version of a custom kind; "" for others.

        Source: k8s.io/apiextensions-apiserver pkg/apiserver/customresource_handler.go.
        """
        definition = row.definition
        if definition is None or not definition.deprecated:
            return ""
        if definition.deprecation_warning is not None:
            return definition.deprecation_warning
        text = f"{row.api_version} {row.kind} is deprecated"
        order = version_order(row.version)
        for other in self._custom.get(row.qualified_plural, ()):
            about = other.definition
            better = version_order(other.version) < order
            if about is not None and about.served and not about.deprecated and better:
                return f"{text}; use {other.api_version} {other.kind}"
        return text

    # --- custom kinds ----------------------------------------------------------------------------

    def define(self, definition: CustomResourceDefinition) -> None:
        """Serves what a definition says, in place of what it said before.

        Nothing of one that is not established. Names are those that were accepted.
        """
        name = definition.metadata.name
        rows = _rows(definition) if is_established(definition) else ()
        if self._custom.get(name, ()) == rows:
            return
        self._forget(name)
        if rows:
            self._custom[name] = rows
        for row in rows:
            assert row.definition is not None
            if row.definition.served:
                self._serve(row)
            if row.definition.storage:
                self._by_key[row.kind_key] = row
        self.changes += 1

    def undefine(self, name: str) -> None:
        """Serves nothing any more of the definition with this name."""
        if name in self._custom:
            self._forget(name)
            self.changes += 1

    def forget_custom(self) -> None:
        """Leaves the built-in kinds only."""
        for name in tuple(self._custom):
            self.undefine(name)

    def _forget(self, name: str) -> None:
        for row in self._custom.pop(name, ()):
            self._by_path.pop(_path(row), None)
            self._by_kind.pop((row.api_version, row.kind), None)
            self._by_key.pop(row.kind_key, None)

    def _serve(self, row: Resource) -> None:
        self._by_path[_path(row)] = row
        self._by_kind[row.api_version, row.kind] = row


def is_established(definition: CustomResourceDefinition) -> bool:
    """Whether the definition's names were accepted, and its kind is served."""
    return any(c.type == ESTABLISHED and c.status == "True" for c in definition.status.conditions)


def _rows(definition: CustomResourceDefinition) -> tuple[Resource, ...]:
    spec, names = definition.spec, definition.status.accepted_names
    return tuple(
        Resource(
            kind=names.kind,
            plural=names.plural,
            singular=names.singular or names.kind.lower(),
            short_names=names.short_names,
            group=spec.group,
            version=version.name,
            namespaced=spec.scope == "Namespaced",
            cls=CustomObject,
            categories=names.categories,
            subresources=_subresources(version),
            definition=version,
        )
        for version in sorted(spec.versions, key=lambda version: version_order(version.name))
    )


def _subresources(version: CustomResourceDefinitionVersion) -> tuple[str, ...]:
    given = version.subresources
    if given is None:
        return ()
    names = {"scale": given.scale, "status": given.status}
    return tuple(name for name, part in names.items() if part is not None)


def version_order(name: str) -> tuple[int, int, int, str]:
    """Sorts versions as the API lists them: v10, v2, v1, v11beta2, v3beta1, v12alpha1, foo.

    Source: k8s.io/apimachinery/pkg/version/helpers.go, CompareKubeAwareVersionStrings.
    """
    match = _VERSION.fullmatch(name)
    if match is None:
        return (3, 0, 0, name)
    major, stage, minor = match.groups()
    return (("", "beta", "alpha").index(stage or ""), -int(major), -int(minor or 0), name)


def _path(row: Resource) -> tuple[str, str, str]:
    return (row.group, row.version, row.plural)
