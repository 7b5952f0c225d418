"""A cluster over the machines of a Ray cluster: who serves, and over which machines.

    eval "$(sudo deploy/netns-cluster.sh up)"; export RAY_AUTH_MODE RAY_AUTH_TOKEN_PATH
    sudo -E ip netns exec emu1 .venv/bin/python examples/several_hosts.py \
        --ray-address $EMU_RAY_ADDRESS --bind $EMU_BIND
"""

import argparse
from pathlib import Path

import emucluster as emu

WEB = Path(__file__).parent / "web.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_AsWritten)
    parser.add_argument("--ray-address", required=True, help="HOST:PORT of a running Ray cluster")
    parser.add_argument("--bind", required=True, help="this machine's address there")
    parser.add_argument("--nodes", type=int, default=3)
    given = parser.parse_args()

    with emu.Cluster(
        nodes=given.nodes, zones=3, speed=10, ray_address=given.ray_address, bind=given.bind
    ) as cluster:
        cluster.apply(WEB)
        cluster.wait_ready()
        for machine in cluster.machines():
            if machine.kind == "node":
                print(f"{machine.name} in {machine.zone} runs on {machine.host}")

        with cluster.client() as outside, cluster.client("pod/client") as inside:
            for client, target in ((outside, "service/web-lb"), (inside, "service/web")):
                print(f"\nfrom {client.source} to {target}:")
                for _ in range(6):
                    call = client.call(target)
                    print(f"  {call.pod} on {call.node}: {' > '.join(call.path)}")

        print("\nclients on other machines reach")
        for name, place in cluster.status().published.items():
            print(f"  {name} at {place}")


class _AsWritten(argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the commands above."""


if __name__ == "__main__":
    main()
