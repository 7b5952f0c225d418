"""A worker node as a process: kubelet and kube-proxy of the core on real sockets.

What belongs here: what a machine consists of and its power states. What does not: decisions
(core), byte forwarding (live.network), workloads (live.pods).
"""
