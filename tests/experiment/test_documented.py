"""The reference of experiment files says what is so."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from emucluster.core.faults import kinds
from emucluster.experiment import hypothesis_spec, result, schema
from emucluster.experiment.few_calls import warnings
from emucluster.experiment.history import BeliefRecord, CallRecord, Execution
from emucluster.experiment.reading import read
from emucluster.experiment.spec import ClientGroup, Fault, Selector

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "experiments.md").read_text()


def test_the_example_of_the_reference_is_an_experiment() -> None:
    text = re.search(r"```yaml\n(.*?)```", REFERENCE, re.S)
    assert text is not None
    found = read(text[1], source="docs/experiments.md")
    assert found.name == "dead-node"
    assert warnings(found) == []
    assert [(ROOT / str(path)).is_file() for path in found.manifests] == [True]


@pytest.mark.parametrize("kind", [ClientGroup, Fault, Selector])
def test_every_field_is_in_the_reference(kind: type[msgspec.Struct]) -> None:
    fields = [field.encode_name for field in msgspec.structs.fields(kind)]
    assert [name for name in fields if not re.search(rf"\b{name}\b", REFERENCE)] == []


@pytest.mark.parametrize("kind", [CallRecord, Execution, BeliefRecord])
def test_every_column_of_a_table_is_in_the_reference(kind: type[msgspec.Struct]) -> None:
    section = REFERENCE.partition("\n## What a run leaves\n")[2].partition("\n## ")[0]
    known = {"service"} if kind is BeliefRecord else set()
    columns = [name for name in kind.__struct_fields__ if name not in known]
    assert [name for name in columns if f"`{name}`" not in section] == []


@pytest.mark.parametrize("text", [schema.text(), result.schema_text()])
def test_every_property_of_a_schema_is_described(text: str) -> None:
    definitions = json.loads(text)["$defs"]
    silent = [
        f"{name}.{field}"
        for name, definition in definitions.items()
        for field, told in definition["properties"].items()
        if not told.get("description")
    ]
    assert silent == []
    assert [name for name, found in definitions.items() if "Attributes:" in str(found)] == []


def test_every_hypothesis_and_operation_is_in_the_reference() -> None:
    asked = [one.__struct_config__.tag for one in get_args(hypothesis_spec.Hypothesis)]
    done = [kind.name for kind in kinds.KINDS if kind.is_operation]
    assert [name for name in (*asked, *done) if f"`{name}`" not in REFERENCE] == []
