"""Quantities in the form in which the API writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emucluster.core.objects.quantity import canonical, milli


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("0", "0"),
        ("0Gi", "0"),
        ("1000m", "1"),
        ("0.5", "500m"),
        (0.5, "500m"),
        ("1500m", "1500m"),
        ("1.5Gi", "1536Mi"),
        ("1024Mi", "1Gi"),
        ("1000Ki", "1000Ki"),
        ("512Ki", "512Ki"),
        ("0.1Ki", "102400m"),
        ("1000", "1k"),
        (100, "100"),
        ("128974848", "128974848"),
        ("129e6", "129e6"),
        ("1E3", "1e3"),
        ("129M", "129M"),
        ("2.5M", "2500k"),
        ("+.5", "500m"),
        ("-1.", "-1"),
        ("0.1n", "1n"),
        ("9999999999999999999", "9223372036854775807"),
    ],
)
def test_one_form(given, written):
    """Source: k8s.io/apimachinery/pkg/api/resource/quantity.go, CanonicalizeBytes."""
    assert canonical(given) == written


@pytest.mark.parametrize("text", ["", "x", "1x", "1.5.5", "1ki", "1 Gi", "\uff11", "--1", "1e9999"])
def test_what_is_none(text):
    with pytest.raises(ValueError):
        canonical(text)


@given(
    number=st.decimals(0, 1000, places=3, allow_nan=False).map(str),
    suffix=st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi", "e3", "E-1"]),
)
def test_the_form_is_final_and_the_value_stays(number, suffix):
    written = canonical(number + suffix)
    assert canonical(written) == written
    assert milli(written) == milli(number + suffix)
