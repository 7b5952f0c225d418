"""How much an experiment may ask for. More is refused with the field's path and the bound.

The bounds are far above what experiments need and below what a machine can hold, so that nothing
that was accepted dies without a verdict. `docs/experiments.md` lists them.
"""

from __future__ import annotations

GROUPS_MAX = 100
FAULTS_MAX = 500
HYPOTHESES_MAX = 500
MANIFESTS_MAX = 1000
CLIENTS_MAX = 1000
"""Of a group. Each one outside has an address and a gateway of its own."""
POOL_MAX = 1024
CHANNELS_MAX = 5000
"""Of all clients together: each is a socket at every hop."""
IN_FLIGHT_MAX = 100_000
MESSAGES_MAX = 10_000
PAYLOAD_BYTES_MAX = 16 * 1024 * 1024
IN_FLIGHT_BYTES_MAX = 512 * 1024 * 1024
"""Payload of all calls that can be open at once; generators and pods hold it in memory."""
BYTES_PER_CORE_S = 32 * 1024 * 1024
"""Payload that passes client, load balancer, kube-proxy and pod; measured on loopback with
messages of 8 and 32 MiB, on one core of 2026."""
CALLS_MAX = 5_000_000
"""Of all trials together: their records are kept in memory, some 400 bytes each, until the report
is written."""
STRETCHES_MAX = 10_000
"""Into which `every` may cut the phases."""
ENTRIES_MAX = 10_000
"""Faults of a plan, each on one target."""
LENGTH_MAX = 100
"""Characters of a name, which becomes a directory's."""
WHOLE_MAX = 2**63 - 1
"""Of any whole number, and its negative."""
