"""Lists in pages: ordered, of one moment, or an error that says why not."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emucluster.core.errors import ApiError, BadRequest, Gone, Timeout, to_status
from emucluster.core.objects import ConfigMap, Object, ObjectMeta, Pod, PodSpec, replace
from emucluster.core.store import Page, Store, list_page, parse_fields, parse_labels
from emucluster.core.store.keys import Key, OrderedKeys, whole

NOW = "2026-01-01T00:00:00Z"


def config(name: str, namespace: str = "shop", **labels: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace=namespace, labels=labels or None))


def filled(names: str, **limits: int) -> Store:
    store = Store(ids=random.Random(1), **limits)
    for name in names:
        store.create(config(name), stamp=NOW)
    return store


def names(page: Page) -> str:
    return "".join(obj.metadata.name for obj in page.objects)


def refused(make: Callable[[], Any]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        make()
    return caught.value


def token(**fields: Any) -> str:
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": 1, "start": "shop/a\0"} | fields)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


class TestOrder:
    def test_a_list_goes_by_namespace_and_name_whenever_things_were_made(self) -> None:
        store = Store(ids=random.Random(1))
        for namespace, name in (("b", "a"), ("a", "z"), ("a", "b"), ("a-1", "c")):
            store.create(config(name, namespace), stamp=NOW)
        page = list_page(store, "ConfigMap")
        shown = [(o.metadata.namespace, o.metadata.name) for o in page.objects]
        assert shown == [("a", "b"), ("a", "z"), ("a-1", "c"), ("b", "a")]
        assert (page.version, page.continue_, page.remaining) == (4, "", None)
        assert names(list_page(store, "ConfigMap", "a")) == "bz"

    @given(st.lists(st.tuples(st.booleans(), st.sampled_from("abcdefgh"), st.booleans())))
    def test_keys_stay_in_order_whatever_comes_and_goes(
        self, steps: list[tuple[bool, str, bool]]
    ) -> None:
        keys, present = OrderedKeys(), set[Key]()
        for add, name, look in steps:
            key = ("ConfigMap", "shop", name)
            (keys.add if add else keys.discard)(key)
            (present.add if add else present.discard)(key)
            if look:
                assert list(keys.between(*whole("ConfigMap", "shop"))) == sorted(present)
        assert list(keys.between(*whole("ConfigMap", ""))) == sorted(present)

    def test_a_kind_that_nobody_lists_does_not_gather_what_went(self) -> None:
        keys = OrderedKeys()
        for number in range(10_000):
            keys.add(("Event", "shop", str(number)))
            keys.discard(("Event", "shop", str(number)))
        assert len(keys._changes) <= 1100


class TestPages:
    def test_pages_follow_each_other_and_count_what_is_left(self) -> None:
        store = filled("dbeac")
        first = list_page(store, "ConfigMap", "shop", limit=2)
        assert (names(first), first.remaining) == ("ab", 3)
        second = list_page(store, "ConfigMap", "shop", limit=2, continue_=first.continue_)
        assert (names(second), second.remaining) == ("cd", 1)
        third = list_page(store, "ConfigMap", "shop", limit=2, continue_=second.continue_)
        assert (names(third), third.remaining, third.continue_) == ("e", None, "")

    def test_a_last_page_that_is_full_has_no_next_one(self) -> None:
        page = list_page(filled("ab"), "ConfigMap", limit=2)
        assert (names(page), page.continue_) == ("ab", "")

    def test_later_pages_show_the_moment_of_the_first(self) -> None:
        store = filled("abcde")
        first = list_page(store, "ConfigMap", "shop", limit=2)
        store.create(config("bb"), stamp=NOW)
        store.create(config("z"), stamp=NOW)
        store.delete("ConfigMap", "shop", "c", stamp=NOW)
        old = store.get(ConfigMap, "shop", "d")
        assert old is not None
        store.update(replace(old, data={"new": "1"}))
        rest = list_page(store, "ConfigMap", "shop", continue_=first.continue_)
        assert (names(rest), rest.version) == ("cde", first.version)
        assert rest.objects[1] is old

    def test_of_many_changes_the_first_tells_how_it_was(self) -> None:
        store = filled("abc")
        first = list_page(store, "ConfigMap", "shop", limit=1)
        was = store.get(ConfigMap, "shop", "b")
        assert was is not None
        for number in range(3):
            store.update(replace(was, data={"n": str(number)}))
        store.delete("ConfigMap", "shop", "c", stamp=NOW)
        store.create(config("c"), stamp=NOW)
        rest = list_page(store, "ConfigMap", "shop", continue_=first.continue_)
        assert [obj.metadata.resource_version for obj in rest.objects] == ["2", "3"]
        assert rest.objects[0] is was

    def test_a_page_may_be_of_another_size(self) -> None:
        store = filled("abcde")
        first = list_page(store, "ConfigMap", limit=1)
        assert names(list_page(store, "ConfigMap", limit=3, continue_=first.continue_)) == "bcd"
        assert names(list_page(store, "ConfigMap", limit=-1, continue_=first.continue_)) == "bcde"

    def test_with_selectors_a_page_is_filled_and_nothing_counted(self) -> None:
        store = Store(ids=random.Random(1))
        for number in range(9):
            store.create(config(str(number), odd=str(number % 2)), stamp=NOW)
        odd = parse_labels("odd=1")
        first = list_page(store, "ConfigMap", "shop", labels=odd, limit=2)
        assert (names(first), first.remaining) == ("13", None)
        rest = list_page(store, "ConfigMap", "shop", labels=odd, continue_=first.continue_)
        assert names(rest) == "57"
        one = parse_fields("ConfigMap", "metadata.name=4")
        assert names(list_page(store, "ConfigMap", fields=one, limit=5)) == "4"

    def test_a_selected_object_that_changed_is_selected_as_it_was(self) -> None:
        store = Store(ids=random.Random(1))
        for name in "abc":
            store.create(config(name, take="yes"), stamp=NOW)
        first = list_page(store, "ConfigMap", labels=parse_labels("take=yes"), limit=1)
        for name in "bc":
            obj = store.get(ConfigMap, "shop", name)
            assert obj is not None
            store.update(replace(obj, metadata=replace(obj.metadata, labels=None)))
        taken = parse_labels("take=yes")
        assert names(list_page(store, "ConfigMap", labels=taken)) == "a"
        rest = list_page(store, "ConfigMap", labels=taken, continue_=first.continue_)
        assert names(rest) == "bc"

    def test_other_kinds_changes_are_of_no_concern(self) -> None:
        store = filled("abc")
        first = list_page(store, "ConfigMap", limit=1)
        meta = ObjectMeta(name="b", namespace="shop")
        store.create(Pod(metadata=meta, spec=PodSpec()), stamp=NOW)
        assert names(list_page(store, "ConfigMap", continue_=first.continue_)) == "bc"


class TestVersions:
    def test_zero_means_whatever_is_at_hand_and_no_limit(self) -> None:
        page = list_page(filled("abc"), "ConfigMap", limit=1, resource_version="0")
        assert (names(page), page.version) == ("abc", 3)

    def test_not_older_than_answers_the_latest(self) -> None:
        store = filled("abc")
        for match in ("", "NotOlderThan"):
            page = list_page(store, "ConfigMap", resource_version="1", match=match)
            assert (names(page), page.version) == ("abc", 3)
        page = list_page(store, "ConfigMap", resource_version="1", match="NotOlderThan", limit=2)
        assert (names(page), page.version) == ("ab", 3)

    def test_an_exact_version_is_shown_as_it_was(self) -> None:
        store = filled("abc")
        store.delete("ConfigMap", "shop", "a", stamp=NOW)
        page = list_page(store, "ConfigMap", resource_version="2", match="Exact")
        assert (names(page), page.version) == ("ab", 2)
        page = list_page(store, "ConfigMap", resource_version="2", limit=1)
        assert (names(page), page.version, page.remaining) == ("a", 2, 1)

    def test_a_version_to_come_is_a_timeout_to_be_tried_again(self) -> None:
        store = filled("abc")
        options: dict[str, Any]
        for options in ({"match": "NotOlderThan"}, {"match": "Exact"}, {}, {"limit": 1}):
            with pytest.raises(Timeout) as caught:
                list_page(store, "ConfigMap", resource_version="9", **options)
            error = caught.value
            assert error.message == "Timeout: Too large resource version: 9, current: 3"
            assert [cause.reason for cause in error.causes] == ["ResourceVersionTooLarge"]
            assert error.retry_after_s == 1

    def test_an_exact_version_that_is_dropped_is_gone(self) -> None:
        store = filled("abcdef", window_events=2)
        error = refused(lambda: list_page(store, "ConfigMap", resource_version="2", match="Exact"))
        assert isinstance(error, Gone)
        assert error.message == "The resourceVersion for the provided list is too old."

    @pytest.mark.parametrize(
        ("text", "problem"),
        [("a", "invalid syntax"), ("-1", "invalid syntax"), ("9" * 20, "value out of range")],
    )
    def test_a_version_is_a_number(self, text: str, problem: str) -> None:
        words = (
            f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": '
            f"{problem}"
        )
        error = refused(lambda: list_page(filled("a"), "ConfigMap", resource_version=text))
        assert isinstance(error, BadRequest)
        assert error.message == words
        for more in ({"match": "Exact"}, {"limit": 1}):
            error = refused(
                lambda more=more: list_page(filled("a"), "ConfigMap", resource_version=text, **more)
            )
            assert isinstance(error, BadRequest)
            assert error.message == f"invalid resource version: {words}"


class TestTokens:
    def test_one_that_is_too_old_comes_with_another_that_goes_on_anyway(self) -> None:
        store = filled("abcd", window_events=2)
        first = list_page(store, "ConfigMap", "shop", limit=1)
        for name in "wxyz":
            store.create(config(name), stamp=NOW)
        error = refused(
            lambda: list_page(store, "ConfigMap", "shop", limit=3, continue_=first.continue_)
        )
        assert isinstance(error, Gone)
        assert error.message.startswith("The provided continue parameter is too old to display")
        assert json.loads(to_status(error))["metadata"] == {"continue": error.continue_}
        page = list_page(store, "ConfigMap", "shop", limit=3, continue_=error.continue_)
        assert (names(page), page.version) == ("bcd", store.version)
        rest = list_page(store, "ConfigMap", "shop", continue_=page.continue_)
        assert names(rest) == "wxyz"

    def test_a_token_of_another_life_of_the_store_is_too_old_as_well(self) -> None:
        error = refused(lambda: list_page(filled("ab"), "ConfigMap", continue_=token(rv=99)))
        assert isinstance(error, Gone)
        assert error.continue_

    def test_a_token_and_a_version_exclude_each_other(self) -> None:
        store = filled("abc")
        first = list_page(store, "ConfigMap", limit=1)
        error = refused(
            lambda: list_page(store, "ConfigMap", continue_=first.continue_, resource_version="2")
        )
        assert error.message == "specifying resource version is not allowed when using continue"
        again = list_page(store, "ConfigMap", continue_=first.continue_, resource_version="0")
        assert names(again) == "bc"

    @pytest.mark.parametrize(
        "bad",
        [
            "%%%",
            "abc",
            base64.b64encode(b"[]").decode(),
            token(v="v2"),
            token(rv=0),
            token(rv=-2),
            token(rv=2**63),
            token(rv=10**30),
            token(rv="x"),
            token(start=""),
            token(start="noslash"),
            token(start="other/a"),
        ],
    )
    def test_what_is_no_token_is_refused(self, bad: str) -> None:
        error = refused(lambda: list_page(filled("ab"), "ConfigMap", "shop", continue_=bad))
        assert isinstance(error, BadRequest)
        assert error.message.startswith("invalid continue token: continue key is not valid: ")

    @given(st.text())
    def test_no_text_does_more_than_be_refused(self, bad: str) -> None:
        try:
            list_page(filled("ab"), "ConfigMap", continue_=bad)
        except ApiError:
            return


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["create", "label", "delete", "page"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from("abcdef"),
    ),
    max_size=50,
)


@given(CHANGES, st.integers(1, 4), st.sampled_from(["", "a"]), st.booleans())
@settings(max_examples=200, deadline=None)
def test_the_pages_of_a_list_are_the_state_at_its_version(
    changes: list[tuple[str, str, str]], limit: int, namespace: str, selected: bool
) -> None:
    """While others write between the pages; both for whole kinds and for what is selected."""
    store = Store(ids=random.Random(1))
    labels = parse_labels("n=1" if selected else "")
    states: dict[int, list[Object]] = {}
    open_: Page | None = None
    shown: list[Object] = []
    for what, where, name in (*changes, *[("page", "", "")] * 13):
        _do(store, what, where, name)
        states[store.version] = sorted(
            (
                obj
                for obj in store.list(ConfigMap, namespace)
                if labels.matches(obj.metadata.labels)
            ),
            key=lambda obj: (obj.metadata.namespace, obj.metadata.name),
        )
        if what != "page":
            continue
        token = open_.continue_ if open_ is not None else ""
        page = list_page(store, "ConfigMap", namespace, labels=labels, limit=limit, continue_=token)
        assert open_ is None or page.version == open_.version
        assert len(page.objects) <= limit
        shown += page.objects
        whole_list = states[page.version]
        assert shown == whole_list[: len(shown)]
        if page.continue_:
            if not selected:
                assert page.remaining == len(whole_list) - len(shown)
            open_ = page
        else:
            assert shown == whole_list
            open_, shown = None, []


def _do(store: Store, what: str, namespace: str, name: str) -> None:
    old = store.get(ConfigMap, namespace, name)
    if what == "create" and old is None:
        store.create(config(name, namespace, n="1"), stamp=NOW)
    elif what == "delete" and old is not None:
        store.delete("ConfigMap", namespace, name, stamp=NOW)
    elif what == "label" and old is not None:
        labels = {"n": "0" if (old.metadata.labels or {}).get("n") == "1" else "1"}
        store.update(replace(old, metadata=replace(old.metadata, labels=labels)))
