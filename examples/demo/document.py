"""What is kept in demo.json, and how it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ABOUT = {
    "what": "What `make demo` measured; its table is computed from this file alone.",
    "cluster": "how it was started; client_node is where the pod of the inside clients runs",
    "fault": "which node lost power, when, how, for how long, and the Service's pods on it",
    "events": "what was noticed after the loss of power, by whom, in wall clock seconds",
    "calls": {
        "phase": "reach: every address from everywhere; spread: one client, one address; shared: "
        "all on one channel; no-cloud: where no cloud serves the Service; failure: while a "
        "node lost power",
        "column": "kind of Service",
        "group": "clients that do the same",
        "source": "outside or pod",
        "dialled": "address, empty when the call was refused before dialling",
        "path": "hops that forwarded it, from flow records joined by their 5-tuples",
        "entry_node": "node whose kube-proxy chose the pod",
        "last_hop": "the last hop that saw it, what it chose (to) and how that ended; null when no "
        "record tells",
        "started_s": "wall clock, seconds",
        "latency_s": "seconds to the reply or the failure, connecting included",
    },
    "scale": "all times are as measured; none is multiplied by the speed",
}


def write(path: Path, data: dict[str, Any]) -> None:
    """One line for each call and event, so that it can be read and compared."""
    head = {"about": ABOUT, **{k: v for k, v in data.items() if k not in ("events", "calls")}}
    parts = [f"{json.dumps(key)}: {json.dumps(value, indent=1)}" for key, value in head.items()]
    for key in ("events", "calls"):
        rows = ",\n".join(f"  {json.dumps(row)}" for row in data[key])
        parts.append(f'"{key}": [\n{rows}\n]')
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n")
