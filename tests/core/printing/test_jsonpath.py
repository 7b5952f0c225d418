"""Paths of additionalPrinterColumns.

Cases follow k8s.io/client-go util/jsonpath/jsonpath_test.go.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.printing.jsonpath import parse, shown

STORE: dict[str, Any] = {
    "Name": "jsonpath",
    "Book": [
        {"Category": "reference", "Author": "Nigel Rees", "Price": 8.95},
        {"Category": "fiction", "Author": "Evelyn Waugh", "Price": 12.99},
        {"Category": "fiction", "Author": "Herman Melville", "Price": 8.99},
    ],
    "Bicycle": [
        {"Color": "red", "Price": 19.95, "IsNew": True},
        {"Color": "green", "Price": 20.01, "IsNew": False},
    ],
    "Labels": {"web/html": 15, "k8s-app": 20, "a.b": 3},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".Name", ["jsonpath"]),
        ("", [STORE]),
        (".missing.further", []),
        (".Bicycle[0].Color", ["red"]),
        (".Book[-1].Author", ["Herman Melville"]),
        (".Book[0:2].Price", [8.95, 12.99]),
        (".Book[:].Price", [8.95, 12.99, 8.99]),
        (".Book[0:3:2].Price", [8.95, 8.99]),
        (".Book[*].Author", ["Nigel Rees", "Evelyn Waugh", "Herman Melville"]),
        (".Book[0,2].Price", [8.95, 8.99]),
        (".Book[7].Price", []),
        (".Name[0]", []),
        (".Labels.web/html", [15]),
        (".Labels.k8s-app", [20]),
        ("['Labels']['a.b']", [3]),
        ('.Labels["a.b"]', [3]),
        (r".Labels.a\.b", [3]),
        (".Labels.*", [15, 20, 3]),
        ("..Price", [8.95, 12.99, 8.99, 19.95, 20.01]),
        ("..Bicycle[*].Color", ["red", "green"]),
        ('.Book[?(@.Category=="reference")].Author', ["Nigel Rees"]),
        (".Book[?(@.Category != 'reference')].Price", [12.99, 8.99]),
        (".Bicycle[?(@.IsNew==true)].Color", ["red"]),
        (".Bicycle[?(@.Price>=20)].Color", ["green"]),
        (".Bicycle[?(@.Color)].Price", [19.95, 20.01]),
        (".Bicycle[?(@.Nothing)].Price", []),
        (".Book[?(@.Price < 'a')].Author", []),
    ],
)
def test_paths_find_what_client_go_finds(path: str, found: list[Any]) -> None:
    assert parse(path).find(STORE) == found


@pytest.mark.parametrize(
    "path", [".a[", ".a[?(@.b==x)]", ".a[x]", "a", ".a[1:2:0]", "..", ".a b", ".a[?(@.b=='x']"]
)
def test_what_cannot_be_read_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(path)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        (3, "3"),
        (1.5, "1.5"),
        (True, "true"),
        (["a", 1], '["a",1]'),
        ({"b": 1, "a": "é"}, '{"a":"é","b":1}'),
        (None, "<nil>"),
    ],
)
def test_values_are_told_as_kubectl_tells_them(value: Any, text: str) -> None:
    assert shown(value) == text


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = parse(text).find(STORE)
    except ValueError:
        return
    assert isinstance(found, list)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_tree_can_be_searched(tree: Any) -> None:
    for path in (".a.b", "[0]", "[*].a", "..a", "[?(@.a==1)]", ".*"):
        assert isinstance(parse(path).find(tree), list)
