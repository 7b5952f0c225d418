"""Selectors and labels in one cell.

Source: k8s.io/apimachinery pkg/labels, and pkg/apis/meta/v1/helpers.go.
"""

from __future__ import annotations

from collections.abc import Mapping

from emucluster.core.objects import LabelSelector
from emucluster.core.store.selectors import selector_text

from .column import NONE


def format_selector(selector: LabelSelector | None) -> str:
    """`selector_text`, or `<none>`. Upstream: FormatLabelSelector."""
    return selector_text(selector) or NONE


def format_labels(labels: Mapping[str, str] | None) -> str:
    """`a=1,b=2` by key, or `<none>`. Upstream: FormatLabels."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE
