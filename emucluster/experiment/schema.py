"""The JSON Schema of an experiment's file, for editors; made from the structs.

`experiment.schema.json` beside this file is its output; `python -m emucluster.experiment.schema`
prints it, and a test holds the two together.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from emucluster.core.faults import kinds
from emucluster.core.faults.kind import Param
from emucluster.core.quantities import PERCENT_PATTERN, Seconds, Share, quantity_schema
from emucluster.experiment.described import describe
from emucluster.experiment.spec import Experiment

FILE = "experiment.schema.json"


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of an experiment."""
    found = describe(msgspec.json.schema(Experiment, schema_hook=quantity_schema), Experiment)
    definitions = found["$defs"]
    definitions["Fault"]["properties"]["kind"]["enum"] = kinds.names()
    params = definitions["Fault"]["properties"]["params"]
    params["properties"] = _params()
    params["additionalProperties"] = False
    definitions["Limits"]["properties"] |= {
        field: {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": PERCENT_PATTERN.replace(r"\s*", "")},
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


def _params() -> dict[str, Any]:
    """Every parameter that some kind of fault has, as each such kind would have it."""
    found: dict[str, list[dict[str, Any]]] = {}
    for kind in kinds.KINDS:
        for param in kind.params:
            ways = found.setdefault(param.name, [])
            if (way := _param(param)) not in ways:
                ways.append(way)
    return {
        name: ways[0] if len(ways) == 1 else {"anyOf": ways, "description": ways[0]["description"]}
        for name, ways in sorted(found.items())
    }


def _param(param: Param) -> dict[str, Any]:
    described = {"description": f"{param.doc}; {param.words}"}
    match param.type:
        case "duration":
            return quantity_schema(Seconds) | described
        case "share":
            return quantity_schema(Share) | described
        case "choice":
            return {"enum": list(param.choices)} | described
        case "number" | "integer":
            bounds = {"minimum": param.low, "maximum": param.high}
            return {"type": param.type, **bounds} | described
        case "flag":
            return {"type": "boolean"} | described
        case "map":
            return {"type": "object"} | described
        case _:
            return {"type": "string", "minLength": 1} | described


def text() -> str:
    """The schema as the file has it."""
    return json.dumps(schema(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    print(text(), end="")
