"""Server-side apply, and keeping account of who manages which field.

Every write goes through here before it is stored: `applied` makes the object of what one manager
wants and what there is, `updated` notes what a create, an update or another patch changed. Both
return the tree with `metadata.managedFields` and change nothing in place. Source:
k8s.io/apimachinery/pkg/util/managedfields and sigs.k8s.io/structured-merge-diff/merge/update.go.
There is one version of each built-in kind, so that nothing is ever converted here.
"""

from __future__ import annotations

from typing import Any

from emucluster.core.errors import BadRequest, Cause, Conflict
from emucluster.core.schemas.schema import Schema

from .fieldset import EMPTY, FieldSet, difference, field, intersection, paths, union
from .last_applied import allowed_conflicts, brought_up_to_date
from .managers import Manager, Managers, applier, updater
from .structured import Comparison, compare, fields_of, joined, merge, with_named, without
from .trees import Tree, clone, same
from .typed import problems

FIELD_MANAGER_CONFLICT = "FieldManagerConflict"
BEFORE_FIRST_APPLY = "before-first-apply"
"""Owns what there was when an object whose managers are not known is applied to."""

_STRIPPED: FieldSet = {
    "f:apiVersion": {},
    "f:kind": {},
    "f:metadata": {
        ".": {},
        **{
            field(name): {}
            for name in (
                *("name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName"),
                *("generation", "managedFields", "resourceVersion"),
            )
        },
    },
}
"""What nobody manages."""


def updated(
    old: Tree | None,
    new: Tree,
    *,
    manager: str,
    subresource: str = "",
    stamp: str,
    schema: Schema,
    has_status: bool = True,
    sent: Any = None,
) -> Tree:
    """The object with who manages it after a write that was no apply.

    Args:
        old: the object as it is, None for a create.
        new: the object as it will be stored.
        manager: who writes.
        subresource: `status`, `scale`, or "" for the object itself.
        stamp: the time, RFC 3339 in seconds.
        schema: of the object's kind.
        has_status: the kind's status is written through its subresource only.
        sent: the managedFields in the client's object, None if there are none. A client may edit
            them; an empty list or `[{}]` resets them; what cannot be read counts for nothing. In a
            write to a subresource they are ignored.
    """
    live, entries = _split(old or {})
    plain, _ = _split(new)
    managers = Managers.read(entries)
    if not subresource and sent is not None:
        if sent in ([], [{}]):
            managers = Managers()
        elif sent != entries and (given := Managers.read(sent)).owned:
            managers = given
    if not managers.owned and old is not None:
        return plain  # tracking starts at creation or with the first apply
    who = updater(manager, plain.get("apiVersion", ""), subresource)
    note_update(managers, live, plain, who, stamp, schema, ignored_by(subresource, has_status))
    managers.cap()
    return _with(plain, managers)


def applied(
    live: Tree | None,
    config: Any,
    *,
    manager: str,
    force: bool = False,
    subresource: str = "",
    stamp: str,
    schema: Schema,
    has_status: bool = True,
) -> Tree:
    """The object after an apply; equal to `live` if that changes nothing.

    Args:
        live: the object as it is, None if it does not exist.
        config: what the manager wants: these fields, and none of those it had applied before.
        manager: who applies.
        force: take fields from others who own them.
        subresource, stamp, schema, has_status: as for `updated`.

    Raises BadRequest for what cannot be applied, Conflict naming every field that others own and
    that would change.
    """
    ignored = ignored_by(subresource, has_status)
    tree = _checked(config, live, schema, ignored)
    before, entries = _split(live or {})
    before = before or {"apiVersion": tree["apiVersion"], "kind": tree["kind"]}
    request = _Apply(before, tree, applier(manager, subresource), stamp, schema, ignored)
    if live is not None and not entries:
        request.start_with_present_fields()
    else:
        request.managers = Managers.read(entries)
    after = request.perform(force=force)
    if manager == "kubectl":
        after = brought_up_to_date(after, tree)
    return _with(after, request.managers)


class _Apply:
    """One apply: what there is, what is wanted, and the managers as they become."""

    def __init__(
        self,
        live: Tree,
        config: Tree,
        who: Manager,
        stamp: str,
        schema: Schema,
        ignored: FieldSet,
    ) -> None:
        self.live, self.config, self.who = live, config, who
        self.stamp, self.schema, self.ignored = stamp, schema, ignored
        self.managers = Managers()

    def start_with_present_fields(self) -> None:
        """All that is there has been made by somebody before the first apply."""
        version = self.live.get("apiVersion", "")
        first = updater(BEFORE_FIRST_APPLY, version, self.who.subresource)
        note_update(self.managers, {}, self.live, first, self.stamp, self.schema, self.ignored)

    def perform(self, *, force: bool) -> Tree:
        fields = fields_of(self.config, self.schema)
        last = self.managers.fields(self.who)
        merged = merge(self.live, self.config, self.schema)
        self.managers.give(self.who, fields, self.config["apiVersion"])
        after = self._pruned(merged, last)
        found = _compared(self.live, after, self.schema, self.ignored)
        conflicts = self._conflicts(found)
        if conflicts and not force and self.who.name == "kubectl":
            allowed = allowed_conflicts(self.live, self.config["apiVersion"], self.schema)
            if allowed is not None:
                conflicts = {m: difference(s, allowed) for m, s in conflicts.items()}
                conflicts = {m: s for m, s in conflicts.items() if s}
        if conflicts and not force:
            raise _conflict(conflicts)
        changed = union(found.modified, found.added)
        self.managers.take(union(changed, found.removed), keep=self.who)
        own = difference(self.managers.fields(self.who), _STRIPPED)
        time = None if same(after, self.live) else self.stamp
        self.managers.give(self.who, own, self.config["apiVersion"], time)
        return after

    def _conflicts(self, found: Comparison) -> dict[Manager, FieldSet]:
        changed = union(found.modified, found.added)
        each = {
            manager: intersection(owned.fields, changed)
            for manager, owned in self.managers.owned.items()
            if manager != self.who
        }
        return {manager: fields for manager, fields in each.items() if fields}

    def _pruned(self, merged: Tree, last: FieldSet) -> Tree:
        """Without what this manager applied before, not any more, and nobody else owns."""
        if not difference(last, self.managers.fields(self.who)):
            return merged
        schema = self.schema
        named_last = with_named(last, schema)
        pruned = without(merged, named_last, schema) or {}
        all_fields = with_named(fields_of(merged, schema), schema)
        managed = with_named(joined([o.fields for o in self.managers.owned.values()]), schema)
        kept = union(with_named(fields_of(pruned, schema), schema), managed)
        pruned = without(merged, difference(all_fields, kept), schema) or {}
        kept = with_named(fields_of(pruned, schema), schema)
        gone = intersection(difference(all_fields, kept), named_last)
        result: Tree = without(merged, gone, schema) or {}
        return result


def note_update(
    managers: Managers,
    old: Tree,
    new: Tree,
    who: Manager,
    stamp: str,
    schema: Schema,
    ignored: FieldSet,
) -> None:
    """Gives what changed to one manager, and takes it from all others.

    `ignored`: what the write does not change, whatever the trees say (`ignored_by`).
    """
    found = _compared(old, new, schema, ignored)
    changed = union(found.modified, found.added)
    kept = difference(managers.fields(who), found.removed)
    managers.take(union(changed, found.removed), keep=who)
    own = difference(changed, _STRIPPED)
    managers.give(who, union(kept, own), who.api_version, stamp if own else None)


def fields_at_creation(tree: Tree, schema: Schema, *, has_status: bool) -> FieldSet:
    """What whoever creates an object owns of it."""
    found = _compared({}, tree, schema, ignored_by("", has_status))
    return difference(union(found.modified, found.added), _STRIPPED)


def _compared(old: Tree, new: Tree, schema: Schema, ignored: FieldSet) -> Comparison:
    found = compare(old, new, schema)
    return Comparison(*(_less(fields, ignored) for fields in found))


def ignored_by(subresource: str, has_status: bool) -> FieldSet:
    """What a write to the object, or to a part of it, cannot change."""
    if subresource == "status":
        return {"f:spec": {}, "f:metadata": {}}
    return {"f:status": {}} if has_status and not subresource else EMPTY


def _less(fields: FieldSet, ignored: FieldSet) -> FieldSet:
    """Without whole parts of the object."""
    if not ignored:
        return fields
    return {key: below for key, below in fields.items() if key not in ignored}


def _checked(config: Any, live: Tree | None, schema: Schema, ignored: FieldSet) -> Tree:
    """A copy of the configuration, without what an apply cannot set. Raises BadRequest."""
    if not isinstance(config, dict):
        raise BadRequest("error decoding YAML: the configuration is not an object")
    tree: Tree = clone(config)
    metadata = tree.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        raise BadRequest("metadata is not an object")
    if isinstance(metadata, dict) and metadata.get("managedFields") is not None:
        raise BadRequest("metadata.managedFields must be nil")
    expected = (live or tree).get("apiVersion")
    if not tree.get("kind") or tree.get("apiVersion") != expected:
        raise BadRequest(
            "Incorrect version specified in apply patch. Specified patch version: "
            f"{tree.get('apiVersion', '')}, expected: {expected}"
        )
    wrong = list(problems(tree, schema))
    if wrong:
        metadata = metadata or {}
        group, _, version = str(tree["apiVersion"]).rpartition("/")
        where = "/".join(str(metadata.get(key) or "") for key in ("namespace", "name"))
        text = wrong[0] if len(wrong) == 1 else "\n  ".join(("errors:", *wrong))
        gvk = f"{group}/{version}, Kind={tree['kind']}"
        raise BadRequest(f"failed to create typed patch object ({where}; {gvk}): {text}")
    for name in ("spec", "status"):
        if field(name) in ignored:
            tree.pop(name, None)
    if metadata:
        names = _IDENTITY if "f:metadata" in ignored else metadata.keys() - _SYSTEM
        tree["metadata"] = {name: metadata[name] for name in metadata if name in names}
    return tree


_IDENTITY = frozenset(("name", "namespace", "uid", "resourceVersion"))
_SYSTEM = frozenset(("creationTimestamp", "selfLink", "generation", "managedFields"))


def _conflict(conflicts: dict[Manager, FieldSet]) -> Conflict:
    """Source: managedfields/internal/conflict.go."""
    listed = [(str(m), list(paths(fields))) for m, fields in sorted(conflicts.items())]
    causes = [
        Cause(path, FIELD_MANAGER_CONFLICT, f"conflict with {manager}")
        for manager, all_paths in listed
        for path in all_paths
    ]
    if len(causes) == 1:
        text = f"1 conflict: {causes[0].message}: {causes[0].field}"
    else:
        lines = []
        for manager, all_paths in listed:
            lines += [f"conflicts with {manager}:", *(f"- {path}" for path in all_paths)]
        text = f"{len(causes)} conflicts: " + "\n".join(lines)
    return Conflict(f"Apply failed with {text}", causes)


def _split(tree: Tree) -> tuple[Tree, Any]:
    """The object without its managedFields, and those."""
    metadata = tree.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return tree, None
    rest = {k: v for k, v in metadata.items() if k != "managedFields"}
    return {**tree, "metadata": rest}, metadata["managedFields"]


def _with(tree: Tree, managers: Managers) -> Tree:
    entries = managers.encode()
    if not entries:
        return tree
    return {**tree, "metadata": {**(tree.get("metadata") or {}), "managedFields": entries}}
