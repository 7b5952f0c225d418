"""Whose pods are whose: by controller reference, adoption and release.

kubernetes/pkg/controller/controller_ref_manager.go, for the owners of one kind. Kept as pods
change; nothing here asks all pods which of them match.
"""

from __future__ import annotations

from collections.abc import Callable

from emucluster.core.objects import LabelSelector, Object, Pod, replace

from .orphans import NO_PODS, Orphans, Pods
from .podstate import ObjectKey, controller_of, controller_ref, is_active, is_deleting, key_of
from .selectors import matches
from .writer import Writer


class Claims:
    """Pods by the uid of the owner that they name as their controller.

    `put_owner` and `handle_pod` keep it; the latter tells which owners have to be looked at.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._pods: dict[str, Pods] = {}
        self._strangers: dict[str, Pods] = {}
        """Active pods that their owner's selector does not match."""
        self._selectors: dict[str, LabelSelector | None] = {}
        self._orphans = Orphans()

    def put_owner(self, owner: Object, selector: LabelSelector | None) -> None:
        """An owner as it is now."""
        uid = owner.metadata.uid
        self._orphans.put_owner(uid, owner.metadata.namespace, selector)
        if uid in self._selectors and self._selectors[uid] == selector:
            return
        self._selectors[uid] = selector
        for pod in self.pods(uid).values():
            self._note_stranger(uid, pod)

    def drop_owner(self, uid: str) -> None:
        """The owner is gone; pods that name it are known until they go, too."""
        self._orphans.drop_owner(uid)
        self._selectors.pop(uid, None)
        self._strangers.pop(uid, None)

    def handle_pod(self, old: Pod | None, new: Pod | None) -> list[str]:
        """A pod came, changed or went; the uids of owners whom that concerns."""
        if old is not None and new is not None and _same_owner(old, new):
            return self._renew(new)
        before, after = self._owner(old), self._owner(new)
        if old is not None and before is not None and (new is None or before != after):
            self._forget(before, key_of(old))
        if new is not None and after is not None:
            self._pods.setdefault(after, {})[key_of(new)] = new
            self._note_stranger(after, new)
        concerned = dict.fromkeys((before, after, *self._orphans.handle_pod(old, new)))
        return [uid for uid in concerned if uid is not None]

    def _renew(self, pod: Pod) -> list[str]:
        """Nothing changed by which pods are claimed, as most often."""
        if not pod.metadata.owner_references:
            self._orphans.renew(pod)
            return []
        uid = self._owner(pod)
        if uid is None:
            return []
        self._pods.setdefault(uid, {})[key_of(pod)] = pod
        if key_of(pod) in self._strangers.get(uid, NO_PODS):
            self._strangers[uid][key_of(pod)] = pod
        return [uid]

    def pods(self, uid: str) -> Pods:
        """The pods of an owner; to be read only."""
        return self._pods.get(uid, NO_PODS)

    def settle(
        self,
        owner: Object,
        writer: Writer,
        *,
        stamp: str,
        may_adopt: Callable[[Pod], bool] = lambda pod: True,
    ) -> list[tuple[Pod, Pod]]:
        """Releases pods that no longer match, adopts orphans that do. Raises ApiError.

        Returns each changed pod as it was and as it is. An owner under deletion changes none.
        """
        uid = owner.metadata.uid
        if is_deleting(owner):
            return []
        changed = []
        for pod in tuple(self._strangers.get(uid, NO_PODS).values()):
            kept = tuple(each for each in pod.metadata.owner_references if each.uid != uid)
            metadata = replace(pod.metadata, owner_references=kept)
            changed.append((pod, writer.update(replace(pod, metadata=metadata), stamp=stamp)))
        for pod in self._orphans.adoptable(uid):
            if may_adopt(pod):
                owners = (*pod.metadata.owner_references, controller_ref(owner))
                metadata = replace(pod.metadata, owner_references=owners)
                changed.append((pod, writer.update(replace(pod, metadata=metadata), stamp=stamp)))
        return changed

    def _owner(self, pod: Pod | None) -> str | None:
        owner = controller_of(pod) if pod is not None else None
        return owner.uid if owner is not None and owner.kind == self._kind else None

    def _forget(self, uid: str, key: ObjectKey) -> None:
        pods = self._pods.get(uid, NO_PODS)
        if pods.pop(key, None) is not None and not pods:
            del self._pods[uid]
        self._strangers.get(uid, NO_PODS).pop(key, None)

    def _note_stranger(self, uid: str, pod: Pod) -> None:
        """Pods that are not active are left alone: whoever owns them, they count no more."""
        if uid not in self._selectors:
            return
        key = key_of(pod)
        if is_active(pod) and not matches(self._selectors[uid], pod.metadata.labels):
            self._strangers.setdefault(uid, {})[key] = pod
        else:
            self._strangers.get(uid, NO_PODS).pop(key, None)


def _same_owner(old: Pod, new: Pod) -> bool:
    """The store shares what an update leaves as it is."""
    before, after = old.metadata, new.metadata
    return (
        before.owner_references is after.owner_references
        and before.labels is after.labels
        and before.uid == after.uid
        and is_active(old) == is_active(new)
    )
