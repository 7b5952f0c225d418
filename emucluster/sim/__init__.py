"""The whole cluster in one process on virtual time: no sockets, no threads, no sleeping.

Control plane, kubelets, kube-proxies and load balancers are those of `emucluster.core`, the very
ones that the live runtime drives. What is here is the world around them: a clock that jumps, a
network with hosts that answer, fall silent, freeze or crash, containers that take time to start, a
disk that takes time to commit. Same seed, same history.
"""
