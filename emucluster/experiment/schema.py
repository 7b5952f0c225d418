"""The JSON Schema of an experiment's file, for editors; made from the structs.

`experiment.schema.json` beside this file is its output; `python -m emucluster.experiment.schema`
prints it, and a test holds the two together.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from emucluster.core.faults import kinds
from emucluster.core.quantities import quantity_schema
from emucluster.experiment.described import describe
from emucluster.experiment.spec import Experiment

FILE = "experiment.schema.json"


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of an experiment."""
    found = describe(msgspec.json.schema(Experiment, schema_hook=quantity_schema), Experiment)
    definitions = found["$defs"]
    definitions["Fault"]["properties"]["kind"]["enum"] = kinds.names()
    definitions["Limits"]["properties"] |= {
        field: {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": r"^\d+(\.\d+)?%$"},
            ],
            "default": definitions["Limits"]["properties"][field]["default"],
            "description": definitions["Limits"]["properties"][field]["description"],
        }
        for field in ("nodes", "pods", "zones")
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "emucluster experiment",
        **found,
    }


def text() -> str:
    """The schema as the file has it."""
    return json.dumps(schema(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    print(text(), end="")
