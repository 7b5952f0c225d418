"""Your own gRPC servicer in pods: own_servicer/greeter.py, deployed by own_servicer/greeter.yaml.

    .venv/bin/python examples/own_servicer.py

The image `python://greeter:serve` is the function `serve` of greeter.py beside the manifest. The
kubelet asks it for its health, a load balancer stands before it, and your stubs call it.
"""

from pathlib import Path

import grpc

import emucluster as emu

MANIFEST = Path(__file__).parent / "own_servicer" / "greeter.yaml"


def main() -> None:
    with emu.Cluster(nodes=2, speed=10) as cluster:
        cluster.apply(MANIFEST)
        cluster.wait_ready()
        with cluster.client() as outside:
            print("one channel is one connection, and so one pod:")
            with outside.channel("service/greeter") as channel:
                for name in ("Ada", "Grace", "Edsger"):
                    print("  " + greet(channel, name))
            print("a channel for each call lets the Service choose each time:")
            for name in ("Ada", "Grace", "Edsger"):
                with outside.channel("service/greeter") as channel:
                    print("  " + greet(channel, name))

        # What the servicer prints is in its pod's log, as with kubectl.
        print("logs:")
        for pod in cluster.get("pods", labels="app=greeter"):
            text = b"".join(cluster.logs(pod.metadata.name)).decode()
            print(
                f"  {pod.metadata.name}: {len(text.splitlines())} lines, first: "
                f"{(text.splitlines() or ['-'])[0]}"
            )


def greet(channel: grpc.Channel, name: str) -> str:
    """A stub in one line; with a .proto file it would be generated."""
    hello = channel.unary_unary("/greeter.Greeter/Hello")
    return bytes(hello(name.encode(), timeout=5)).decode()


if __name__ == "__main__":
    main()
