"""What every process tells Prometheus.

kube-proxy and kubelet have the ports and names that they have in Kubernetes, on their node: a
fault of the node acts on these ports too. What the machine room knows (`emucluster_*`) is told at
a port of its own, which is no part of the machine and answers whatever state that is in, as long
as its process runs.

Everything is read when somebody asks; what nobody counts elsewhere is counted outside of the data
path. What belongs here: collectors and their pages. What does not: deciding anything.
"""
