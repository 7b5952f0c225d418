"""A first cluster: start it, run something on it, call it from outside and from inside.

    .venv/bin/python examples/first_cluster.py

Everything is real but the machines: each node, pod and load balancer is a process of its own with
its own loopback address, and every call is gRPC over TCP.
"""

from pathlib import Path

import emucluster as emu

WEB = Path(__file__).parent / "web.yaml"


def main() -> None:
    # Leaving the `with` removes the cluster and every trace of it, also after an error or Ctrl-C.
    with emu.Cluster(nodes=3, zones=2, cloud="aws-nlb", speed=10) as cluster:
        print(f'cluster "{cluster.name}" is up')
        for applied in cluster.apply(WEB):  # as `kubectl apply -f`
            print(f"  {applied.object.kind} {applied.object.metadata.name} {applied.outcome}")
        cluster.wait_ready()

        print("\nfrom outside, by the load balancer:")
        with cluster.client() as outside:
            for call in outside.run("service/web-lb", emu.Plan(count=4)):
                print(f"  {call.pod} on {call.node}: {' > '.join(call.path)}")

            print("\nfrom outside, to the ClusterIP:")
            try:
                outside.call("service/web")
            except emu.errors.NoRoute as refused:
                print(f"  {refused}")

        print("\nfrom a pod, to the ClusterIP:")
        with cluster.client("pod/client") as inside:
            calls = list(inside.run("service/web", emu.Plan(count=6)))
        for pod, count in emu.summarize(calls).by_pod:
            print(f"  {pod} answered {count}")


if __name__ == "__main__":
    main()
