"""A candidate for leadership, by `kubernetes`: its name is given, KUBECONFIG in the environment."""

import sys

from kubernetes import config
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock


def main(name: str) -> None:
    config.load_kube_config()
    election = electionconfig.Config(
        LeaseLock("leader", "default", name),
        lease_duration=4,
        renew_deadline=3,
        retry_period=1,
        onstarted_leading=lambda: print("leads", flush=True),
        onstopped_leading=None,
    )
    leaderelection.LeaderElection(election).run()


if __name__ == "__main__":
    main(sys.argv[1])
