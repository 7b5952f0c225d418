"""A node dies under load: what the clients of a load balancer see, half-second by half-second.

    .venv/bin/python examples/fault_under_load.py

Power-off means silence: no FIN, no RST. The load balancer and the control plane each have to find
out by their own time-outs, and until both have, some calls are lost.
"""

import time
from collections import Counter
from pathlib import Path
from threading import Timer

import emucluster as emu

WEB = Path(__file__).parent / "web.yaml"
NODE = "node-2"
BEGIN_S, DEAD_S, TOTAL_S, RATE_PER_S, BIN_S = 1.5, 9.0, 14, 20, 0.5


def main() -> None:
    with emu.Cluster(nodes=3, zones=2, cloud="aws-nlb", speed=10) as cluster:
        cluster.apply(WEB)
        cluster.wait_ready()
        print(f"{RATE_PER_S} calls a second to service/web-lb; . answered, x lost")
        # The fault is a lease: the node itself ends it after DEAD_S seconds, and boots again.
        timer = Timer(BEGIN_S, lambda: cluster.inject("power-off", f"node/{NODE}", for_s=DEAD_S))
        plan = emu.Plan(count=TOTAL_S * RATE_PER_S, rate_per_s=RATE_PER_S, timeout_s=1.0)
        with cluster.client() as outside:
            timer.start()
            started_s = time.time()
            calls = list(outside.run("service/web-lb", plan))
        timer.join()
        show(calls, started_s)


def show(calls: list[emu.Call], started_s: float) -> None:
    bins: dict[int, list[str]] = {}
    for call in sorted(calls, key=lambda call: call.started_s):
        number = int((call.started_s - started_s) / BIN_S)
        bins.setdefault(number, []).append("." if call.ok else "x")
    for number, marks in sorted(bins.items()):
        after_s = number * BIN_S - BEGIN_S
        note = {0.0: f"{NODE} loses power", DEAD_S: f"{NODE} boots"}.get(after_s, "")
        print(f"  {after_s:+5.1f} s  {''.join(marks):<12} {note}")

    # The last hop that saw a lost call tells who sent it to the dead node.
    lost = [call for call in calls if not call.ok]
    print(f"\n{len(lost)} of {len(calls)} calls lost; last seen by:")
    last = Counter(f"{call.hops[-1].kind} at {call.hops[-1].host}" for call in lost if call.hops)
    for place, count in last.most_common():
        print(f"  {count:3d}  {place}")


if __name__ == "__main__":
    main()
