"""Pods that nobody controls, and who may adopt them."""

from __future__ import annotations

from collections.abc import Iterator

from emucluster.core.objects import LabelSelector, Pod

from .podstate import ObjectKey, controller_of, is_active, key_of
from .selectors import NO_LABELS, SelectorIndex, matches

Pods = dict[ObjectKey, Pod]
NO_PODS: Pods = {}
Keys = dict[ObjectKey, None]
NO_KEYS: Keys = {}
_Pair = tuple[str, str, str]
"""Namespace, label and value."""


class Orphans:
    """Active pods without a controller, by the uid of each owner whose selector matches them.

    Owners are of one kind. A pod costs its labels, a new owner the orphans that share one of its
    labels; a cluster full of bare pods costs nobody anything else.
    """

    def __init__(self) -> None:
        self._pods: Pods = {}
        self._by_pair: dict[_Pair, Keys] = {}
        self._adoptable: dict[str, Keys] = {}
        self._selectors: dict[str, tuple[str, LabelSelector | None]] = {}
        self._index: SelectorIndex[str] = SelectorIndex()

    def put_owner(self, uid: str, namespace: str, selector: LabelSelector | None) -> None:
        """An owner as it is now."""
        if self._selectors.get(uid) == (namespace, selector):
            return
        self._selectors[uid] = (namespace, selector)
        self._index.put(uid, namespace, selector.match_labels if selector else None)
        matching = {
            key: None
            for key in self._candidates(namespace, selector)
            if matches(selector, self._pods[key].metadata.labels)
        }
        if matching:
            self._adoptable[uid] = matching
        else:
            self._adoptable.pop(uid, None)

    def drop_owner(self, uid: str) -> None:
        self._selectors.pop(uid, None)
        self._adoptable.pop(uid, None)
        self._index.discard(uid)

    def handle_pod(self, old: Pod | None, new: Pod | None) -> list[str]:
        """A pod came, changed or went; the uids of those who may adopt it from now on."""
        if (some := new if new is not None else old) is None:
            return []
        key = key_of(some)
        known = self._pods.get(key)
        is_orphan = new is not None and controller_of(new) is None and is_active(new)
        if known is not None:
            if is_orphan and new is not None and known.metadata.labels is new.metadata.labels:
                self._pods[key] = new  # most changes are of its status
                return []
            self._remove(key, known)
        if new is None or not is_orphan:
            return []
        namespace, labels = new.metadata.namespace, new.metadata.labels
        self._pods[key] = new
        for pair in _pairs(new):
            self._by_pair.setdefault(pair, {})[key] = None
        found = []
        for uid in self._index.candidates(namespace, labels):
            if matches(self._selectors[uid][1], labels):
                self._adoptable.setdefault(uid, {})[key] = None
                found.append(uid)
        return found

    def renew(self, pod: Pod) -> None:
        """The same pod with another status."""
        key = key_of(pod)
        if key in self._pods:
            self._pods[key] = pod

    def adoptable(self, uid: str) -> list[Pod]:
        """What this owner may adopt."""
        return [self._pods[key] for key in self._adoptable.get(uid, ())]

    def _remove(self, key: ObjectKey, pod: Pod) -> None:
        del self._pods[key]
        for pair in _pairs(pod):
            held = self._by_pair[pair]
            del held[key]
            if not held:
                del self._by_pair[pair]
        for uid in self._index.candidates(key[0], pod.metadata.labels):
            keys = self._adoptable.get(uid)
            if keys is not None:
                keys.pop(key, None)
                if not keys:
                    del self._adoptable[uid]

    def _candidates(self, namespace: str, selector: LabelSelector | None) -> list[ObjectKey]:
        wanted = (selector.match_labels if selector else None) or NO_LABELS
        if not wanted:
            return [key for key in self._pods if key[0] == namespace]
        groups = [self._by_pair.get((namespace, *pair), NO_KEYS) for pair in wanted.items()]
        smallest: Keys = min(groups, key=len)
        return list(smallest)


def _pairs(pod: Pod) -> Iterator[_Pair]:
    for name, value in (pod.metadata.labels or NO_LABELS).items():
        yield pod.metadata.namespace, name, value
